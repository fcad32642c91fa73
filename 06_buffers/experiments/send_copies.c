/*
 * send_copies.c - what the success of send means.
 *
 * Of:       the notes, N0 and N4
 * Decided:  POSIX send(2); RFC 9293 3.9.1.2, 3.10.7.1
 * Predict:  the peer has closed the connection; what does the next send of 5 bytes return?
 *   a) -1: the peer is gone
 *   b) 0: nothing could be delivered
 *   c) 5
 * Answer:   c
 * Why:      send copies bytes into the kernel's send buffer and returns; what becomes of them is
 *           known later, if at all. The peer's reset makes only the send after it fail.
 */
#define _POSIX_C_SOURCE 200809L /* sockets, poll and fcntl, also under -std=c17 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
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
    enum { MUCH = 64 << 20 };
    setvbuf(stdout, NULL, _IOLBF, 0), alarm(5), signal(SIGPIPE, SIG_IGN);
    puts("belief:   send sends: when it returns, the data has arrived");
    puts("doing:    send 64 MiB, not blocking, to a peer that never reads; send to one that left");
    struct sockaddr_in address;
    int listener = listen_on_loopback(SOCK_STREAM, &address);
    int client = connect_loopback(SOCK_STREAM, &address);
    int reads_nothing = must(accept(listener, NULL, NULL), "accept"), taken = 0, n;
    must(fcntl(client, F_SETFL, O_NONBLOCK), "fcntl");
    static char much[MUCH];
    int first = must((int)send(client, much, MUCH, 0), "send");
    for (n = first; n > 0; n = (int)send(client, much, MUCH, 0)) taken += n;
    printf("happened: send took %d of %d, then %d more: %s\n", first, MUCH, taken - first,
           strerror(errno));
    close(reads_nothing);
    int late = connect_loopback(SOCK_STREAM, &address);
    close(must(accept(listener, NULL, NULL), "accept"));
    poll(&(struct pollfd){.fd = late, .events = POLLIN}, 1, 1000); /* its end has come */
    int to_none = (int)send(late, "hello", 5, 0);
    poll(&(struct pollfd){.fd = late}, 1, 1000); /* so has its reset */
    int again = (int)send(late, "hello", 5, 0);
    printf("happened: the peer gone: send: %d, then %d: %s\n", to_none, again, strerror(errno));
    return verdict(first < MUCH && to_none == 5 && again == -1,
                   "send copies to the kernel, maybe a part, and succeeds with the peer gone");
}
