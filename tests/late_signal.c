/* Preloaded into a program, sends it SIGTERM between its last step and each call whose name has
 * $LATE in it (accept, recv, send, pause). When kill returns, a handler has run, and only then the
 * call begins: cc -shared -fPIC late_signal.c. POSIX kill(2), ld.so(8) */
#define _GNU_SOURCE /* RTLD_NEXT */
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LATE(type, call, parameters, arguments)                                                    \
    type call parameters {                                                                         \
        const char *late = getenv("LATE");                                                         \
        type(*next) parameters;                                                                    \
        *(void **)&next = dlsym(RTLD_NEXT, #call);                                                 \
        if (late != NULL && strstr(#call, late) != NULL) kill(getpid(), SIGTERM);                  \
        return next arguments;                                                                     \
    }

LATE(int, accept, (int s, struct sockaddr *a, socklen_t *n), (s, a, n))
LATE(int, accept4, (int s, struct sockaddr *a, socklen_t *n, int flags), (s, a, n, flags))
LATE(ssize_t, recv, (int s, void *b, size_t n, int flags), (s, b, n, flags))
/* what becomes of it where the compiler has _FORTIFY_SOURCE by default */
LATE(ssize_t, __recv_chk, (int s, void *b, size_t n, size_t room, int flags),
     (s, b, n, room, flags))
LATE(ssize_t, recvfrom, (int s, void *b, size_t n, int flags, struct sockaddr *a, socklen_t *l),
     (s, b, n, flags, a, l))
LATE(ssize_t, send, (int s, const void *b, size_t n, int flags), (s, b, n, flags))
LATE(int, pause, (void), ())
