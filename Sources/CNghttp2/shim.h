#if __has_include(<nghttp2/nghttp2.h>)
#include <nghttp2/nghttp2.h>
#else
#error "nghttp2 is missing: apt-get install libnghttp2-dev (Debian, Ubuntu), dnf install libnghttp2-devel (Fedora), brew install libnghttp2 (macOS)"
#endif

#ifdef __linux__
#include <sys/socket.h>

// glibc shows it to Swift only if `_GNU_SOURCE` was defined when Swift's module of glibc was made.
extern int accept4(int listener, struct sockaddr *address, socklen_t *length, int flags);
#endif
