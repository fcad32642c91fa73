/*
 * reuse_address.c - when a server can start again on its port.
 *
 * Of:       the notes, N4 ("without SO_REUSEADDR a second start fails")
 * Decided:  RFC 9293 3.6.1 (TIME-WAIT); Linux socket(7), SO_REUSEADDR; POSIX bind(2)
 * Predict:  the first server had no SO_REUSEADDR and closed first; on Linux, may the second bind?
 *   a) yes, if the second sets SO_REUSEADDR
 *   b) no, whatever the second sets: the first had to set it, too
 *   c) yes, always: the first is gone
 * Answer:   b
 * Why:      The side that closes first keeps the port in TIME_WAIT (60 s on Linux). Linux gives it
 *           away only if the earlier and the later socket both set the option; BSD asks the later.
 */
#define _POSIX_C_SOURCE 200809L /* sockets and alarm, also under -std=c17 */
#include <arpa/inet.h>
#include <errno.h>
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

/* ---- The experiment ---- */

/* A stream socket, bound with SO_REUSEADDR or without it; -1 and bind's errno when refused. */
static int bound(struct sockaddr_in *address, int reuse) {
    int server = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
    must(setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse), "setsockopt");
    return bind(server, (struct sockaddr *)address, sizeof *address) == -1 ? -1 : server;
}

/* A server takes one client on a port of the kernel's pick, closes first, and is gone. */
static void serve_and_go(struct sockaddr_in *address, int reuse) {
    socklen_t size = sizeof *address;
    *address = (struct sockaddr_in){.sin_family = AF_INET};
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = must(bound(address, reuse), "bind");
    must(listen(listener, 1), "listen");
    must(getsockname(listener, (struct sockaddr *)address, &size), "getsockname");
    int client = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
    must(connect(client, (struct sockaddr *)address, size), "connect");
    close(must(accept(listener, NULL, NULL), "accept"));
    must((int)recv(client, &size, sizeof size, 0), "recv"); /* 0: the server closed first */
    close(client), close(listener);
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0), alarm(5);
    puts("belief:   with SO_REUSEADDR a second start succeeds, without it fails");
    puts("doing:    a server closes first and ends; bind its port again, option off and on");
    int got[2][2]; /* [earlier had it][later has it]: the new socket, or -1 */
    struct sockaddr_in address;
    for (int i = 0; i < 4; i++) {
        if (i % 2 == 0) serve_and_go(&address, i / 2);
        int server = got[i / 2][i % 2] = bound(&address, i % 2);
        printf("happened: earlier %s, later %s: %s\n", i / 2 ? "on" : "off", i % 2 ? "on" : "off",
               server == -1 ? strerror(errno) : "bound");
        if (server != -1 && i % 2 == 0) return puts("verdict:  inconclusive: no TIME_WAIT kept"), 3;
    }
    bool listens = got[1][1] != -1 && listen(got[1][1], 1) == 0;
    int live = bound(&address, 1);
    printf("happened: one is listening, both on: %s\n", live == -1 ? strerror(errno) : "bound");
#ifndef __linux__
    got[0][1] = -1; /* elsewhere the later socket's option may be enough */
#endif
    return verdict(got[0][1] == -1 && listens && live == -1,
                   "in TIME_WAIT both must have set it (Linux); live listeners collide");
}
