/*
 * iterative_waits.c - a server without threads and a silent client.
 *
 * Of:       the notes, N3 (chat v2)
 * Decided:  POSIX accept(2), recv(2)
 * Predict:  one client of an iterative echo server is silent, a second one sends: what comes back?
 *   a) its answer: the server turns to whoever has something to say
 *   b) nothing, until the first client leaves; then the answer
 *   c) a refusal: the server is busy
 * Answer:   b
 * Why:      The kernel accepts the connection and keeps the bytes, but the program waits in recv
 *           for its first client. Only threads, processes or poll wait for several at once.
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
    puts("belief:   a server serves whichever client has something to say");
    puts("doing:    connect twice to an iterative echo server; only the second client sends");
    struct sockaddr_in address;
    int listener = listen_on_loopback(SOCK_STREAM, &address);
    if (must(fork(), "fork") == 0) {
        for (int i = 0, server; alarm(5), i < 2; i++, close(server)) {
            server = must(accept(listener, NULL, NULL), "accept");
            for (char byte; recv(server, &byte, 1, 0) == 1;) send(server, &byte, 1, 0);
        }
        return 0;
    }
    int first = connect_loopback(SOCK_STREAM, &address);
    int second = connect_loopback(SOCK_STREAM, &address);
    must((int)send(second, "x", 1, 0), "send");
    struct pollfd answer = {.fd = second, .events = POLLIN};
    bool waits = poll(&answer, 1, 300) == 0;
    printf("happened: send succeeded; 300 ms later: %s\n", waits ? "no answer" : "an answer");
    close(first);
    bool served = poll(&answer, 1, 2000) == 1 && recv(second, &(char){0}, 1, 0) == 1;
    printf("happened: the first client gone: %s\n", served ? "the answer came" : "no answer");
    return verdict(waits && served,
                   "one silent client holds up an iterative server, and all who wait");
}
