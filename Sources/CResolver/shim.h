#include <sys/types.h>
#include <netinet/in.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>

// Asks the system's name servers, and returns the length of the answer or `-h_errno`. Some systems have `res_query` as a
// macro, which Swift does not see.
static inline int CResolver_query(const char *name, int type, unsigned char *answer, int capacity) {
    int length = res_query(name, 1, type, answer, capacity);
    return length < 0 ? -h_errno : length;
}

#if defined(__GLIBC__) || defined(__APPLE__)
// Asks one name server at 127.0.0.1, for tests.
static inline int CResolver_query_local(
    unsigned short port, const char *name, int type, unsigned char *answer, int capacity
) {
    struct __res_state state = {0};
    if (res_ninit(&state) != 0) { return -NO_RECOVERY; }
    state.nscount = 1;
    state.nsaddr_list[0].sin_family = AF_INET;
    state.nsaddr_list[0].sin_port = htons(port);
    state.nsaddr_list[0].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int length = res_nquery(&state, name, 1, type, answer, capacity);
    int error = h_errno;
    res_nclose(&state);
    return length < 0 ? -error : length;
}
#endif
