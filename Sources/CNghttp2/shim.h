#include <nghttp2/nghttp2.h>

#ifdef __linux__
#include <sys/socket.h>

// glibc shows it to Swift only if `_GNU_SOURCE` was defined when Swift's module of glibc was made.
extern int accept4(int listener, struct sockaddr *address, socklen_t *length, int flags);
#endif
