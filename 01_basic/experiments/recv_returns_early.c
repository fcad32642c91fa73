/*
 * recv_returns_early.c - how many bytes recv waits for.
 *
 * Of:       the notes, N2
 * Decided:  POSIX recv(2), its return value and MSG_WAITALL
 * Predict:  5 bytes have come; what does recv with a buffer of 1024 bytes do?
 *   a) it waits until 1024 bytes are there
 *   b) it returns the 5 bytes at once
 *   c) it fails, for the message is too short
 * Answer:   b
 * Why:      recv waits only while nothing at all is there; then it gives what it has, however
 *           little. A program that needs n bytes calls recv in a loop, or asks with MSG_WAITALL.
 */
#define _POSIX_C_SOURCE 200809L /* sockets and alarm, also under -std=c17 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
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
    puts("belief:   recv blocks until its buffer is full");
    struct sockaddr_in address;
    int listener = listen_on_loopback(SOCK_STREAM, &address);
    int client = connect_loopback(SOCK_STREAM, &address);
    int server = must(accept(listener, NULL, NULL), "accept");
    char buffer[1024];

    puts("doing:    send 5 bytes, recv up to 1024; send 5, recv 10 with MSG_WAITALL and 300 ms");
    must((int)send(client, "hello", 5, 0), "send");
    int plain = must((int)recv(server, buffer, sizeof buffer, 0), "recv");
    struct timeval patience = {.tv_usec = 300 * 1000};
    setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    must((int)send(client, "hello", 5, 0), "send");
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    int all = must((int)recv(server, buffer, 10, MSG_WAITALL), "recv with MSG_WAITALL");
    clock_gettime(CLOCK_MONOTONIC, &end);
    long waited = (end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000;
    printf("happened: recv of 1024 returned %d bytes; with MSG_WAITALL %d of 10 came,\n", plain,
           all);
    printf("happened: and only its timeout ended the wait, after %ld ms\n", waited);
    return verdict(plain == 5 && all == 5 && waited > 250,
                   "recv returns when any byte is there; only MSG_WAITALL waits for all");
}
