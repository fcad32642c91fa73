/*
 * backlog.c - what listen's number bounds.
 *
 * Of:       the notes, N1, N0, N2 and N4
 * Decided:  POSIX listen(2); Linux listen(2), NOTES
 * Predict:  after listen(listener, 1), how many of 8 clients can be connected at once?
 *   a) 1, the others are refused
 *   b) 2 at most, whatever the server does
 *   c) all 8, if the server accepts them as they come
 * Answer:   c
 * Why:      The number bounds only the queue of connections that nobody has accepted yet, and the
 *           kernel rounds it (Linux lets one more in). An accepted connection leaves the queue.
 */
#define _POSIX_C_SOURCE 200809L /* sockets and alarm, also under -std=c17 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
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

/* ---- The experiment ---- */

enum { CLIENTS = 8, PATIENCE_MS = 200 };

/* Starts CLIENTS connections after listen(2) with this backlog; returns how many got through,
   accepting each at once if asked. One that has not within PATIENCE_MS counts as not through. */
static int connected(int backlog, bool accepting) {
    struct sockaddr_in address;
    int listener = listen_on_loopback(SOCK_STREAM, &address), through = 0;
    must(listen(listener, backlog), "listen");
    for (int i = 0; i < CLIENTS; i++) {
        struct pollfd client = {.fd = must(socket(AF_INET, SOCK_STREAM, 0), "socket")};
        client.events = POLLOUT;
        must(fcntl(client.fd, F_SETFL, O_NONBLOCK), "fcntl");
        if (connect(client.fd, (struct sockaddr *)&address, sizeof address) == -1)
            must(errno == EINPROGRESS ? 0 : -1, "connect");
        if (poll(&client, 1, PATIENCE_MS) != 1 || client.revents != POLLOUT) break; /* it is full */
        through++;
        if (accepting) must(accept(listener, NULL, NULL), "accept");
    }
    return through;
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0), alarm(5);
    puts("belief:   listen(n) allows n connections at once");
    puts("doing:    8 clients connect: nobody accepts, or each is accepted and kept open");
    int queued = connected(1, false), longer = connected(4, false), served = connected(1, true);
    printf("happened: listen(1), no accept: %d of %d connected\n", queued, CLIENTS);
    printf("happened: listen(4), no accept: %d of %d connected\n", longer, CLIENTS);
    printf("happened: listen(1), each accepted: %d of %d connected at once\n", served, CLIENTS);
    return verdict(queued < longer && longer < CLIENTS && served == CLIENTS,
                   "n bounds only the queue of those not accepted yet; the kernel rounds it");
}
