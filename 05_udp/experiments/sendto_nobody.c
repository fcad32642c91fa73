/*
 * sendto_nobody.c - what the success of sendto tells about a listener.
 *
 * Of:       common
 * Decided:  POSIX sendto(2), connect(2); RFC 1122 4.1.3.3
 * Predict:  an unconnected socket sends 5 datagrams to a port of this machine where nobody is; how
 *           many sendto calls fail?
 *   a) all 5: connection refused
 *   b) the 4 after the first
 *   c) none
 * Answer:   c
 * Why:      sendto hands the datagram to the kernel and knows no more. ICMP says that nobody is
 *           there, and that is kept for the next call, but only on a connected socket.
 */
#define _POSIX_C_SOURCE 200809L /* sockets and poll, also under -std=c17 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TIMES = 5 };

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
    puts("belief:   sendto succeeded, so someone listens there");
    puts("doing:    send to a port where nobody is, 5 times unconnected, 5 times connected");
    struct sockaddr_in address, own;
    int nobody = listen_on_loopback(SOCK_DGRAM, &address); /* keeps the port; connected to itself */
    must(connect(nobody, (struct sockaddr *)&address, sizeof address), "connect"); /* it is deaf */
    int plain = listen_on_loopback(SOCK_DGRAM, &own), accepted = 0, refused = 0;
    for (int i = 0; i < TIMES; i++)
        accepted += sendto(plain, "hello", 5, 0, (struct sockaddr *)&address, sizeof address) == 5;
    struct pollfd heard = {.fd = plain, .events = POLLIN};
    int events = must(poll(&heard, 1, 300), "poll");
    printf("happened: not connected: %d of %d sendto succeeded, then 300 ms of %s\n", accepted,
           TIMES, events ? "something" : "silence");
    int connected = connect_loopback(SOCK_DGRAM, &address), first = 0;
    for (int i = 0; i < TIMES; i++) {
        bool sent = send(connected, "hello", 5, 0) == 5;
        if (i == 0) first = sent;
        refused += !sent && errno == ECONNREFUSED;
        if (sent) poll(&(struct pollfd){.fd = connected}, 1, 1000); /* the error has come back */
    }
    printf("happened: connected: the first send %s, later %d of %d failed: %s\n",
           first ? "succeeded" : "failed", refused, TIMES - 1, strerror(ECONNREFUSED));
    return verdict(accepted == TIMES && events == 0 && first && refused > 0,
                   "sendto succeeds with nobody there; only a connected socket hears of it, later");
}
