/*
 * connect_ex.c - what Python's connect_ex, setblocking and getsockopt are in C.
 *
 * Of:       the notes, N1 (the table of socket methods)
 * Decided:  POSIX connect(2): EINPROGRESS; getsockopt(2): SO_ERROR
 * Predict:  connect on a non-blocking socket returns -1; what does that mean?
 *   a) nobody listens there
 *   b) maybe nothing bad: errno tells, and SO_ERROR says the result later
 *   c) the socket must be made again
 * Answer:   b
 * Why:      A connect that must not wait only starts, and says EINPROGRESS. When poll finds the
 *           socket writable it is decided, and SO_ERROR gives the errno of it, or 0.
 */
#define _POSIX_C_SOURCE 200809L /* sockets, poll and fcntl, also under -std=c17 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- Helpers: the same text in every experiment that has them ---- */

/* Prints the verdict; returns the exit status, 0 or 1; COURSE_EXPECT_WRONG inverts both. */
static int verdict(bool as_documented, const char *truth) {
    if (getenv("COURSE_EXPECT_WRONG")) as_documented = !as_documented;
    printf("verdict:  %s%s\n", as_documented ? "" : "NOT AS DOCUMENTED: ", truth);
    return as_documented ? 0 : 1;
}

/* Passes a call's result on; a failed one (-1) ends the experiment as inconclusive, status 3. */
static int must(int result, const char *operation) {
    if (result != -1) return result;
    printf("verdict:  inconclusive: %s: %s\n", operation, strerror(errno));
    exit(3);
}

/* A socket bound to 127.0.0.1, its port (the kernel's pick) in *address; a stream listens. */
static int listen_on_loopback(int type, struct sockaddr_in *address) {
    int listener = must(socket(AF_INET, type, 0), "socket");
    socklen_t size = sizeof *address;
    *address = (struct sockaddr_in){.sin_family = AF_INET};
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    must(bind(listener, (struct sockaddr *)address, size), "bind");
    if (type == SOCK_STREAM) must(listen(listener, 8), "listen");
    must(getsockname(listener, (struct sockaddr *)address, &size), "getsockname");
    return listener;
}

/* A socket of that type connected to *address. */
static int connect_loopback(int type, const struct sockaddr_in *address) {
    int client = must(socket(AF_INET, type, 0), "socket");
    must(connect(client, (const struct sockaddr *)address, sizeof *address), "connect");
    return client;
}

/* ---- The experiment ---- */

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0), alarm(5);
    puts("belief:   a connect that returns -1 has failed");
    puts("doing:    connect without blocking to a listener, then to a port where nobody listens");
    struct sockaddr_in address[2];
    listen_on_loopback(SOCK_STREAM, &address[0]);
    int deaf = connect_loopback(SOCK_STREAM, &address[0]); /* its port is in use and listens not */
    socklen_t size = sizeof address[1];
    must(getsockname(deaf, (struct sockaddr *)&address[1], &size), "getsockname");
    int at_once[2], later[2] = {-1, -1};
    for (int i = 0; i < 2; i++) {
        int client = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
        must(fcntl(client, F_SETFL, O_NONBLOCK), "fcntl"); /* setblocking(False) */
        int result = connect(client, (struct sockaddr *)&address[i], sizeof *address);
        at_once[i] = result == 0 ? 0 : errno; /* what connect_ex returns */
        must(poll(&(struct pollfd){.fd = client, .events = POLLOUT}, 1, 2000), "poll");
        size = sizeof later[i];
        must(getsockopt(client, SOL_SOCKET, SO_ERROR, &later[i], &size), "SO_ERROR");
        printf("happened: %s: connect: %s; after poll SO_ERROR: %s\n", i ? "nobody  " : "listener",
               strerror(at_once[i]), strerror(later[i]));
    }
    if (at_once[0] == 0) return puts("verdict:  inconclusive: this kernel connects at once"), 3;
    return verdict(at_once[0] == EINPROGRESS && later[0] == 0 && later[1] == ECONNREFUSED,
                   "-1 with EINPROGRESS means: under way; poll and SO_ERROR tell how it ended");
}
