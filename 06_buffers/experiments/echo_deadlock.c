/*
 * echo_deadlock.c - whether an echo server and its client can wait for each other forever.
 *
 * Of:       common
 * Decided:  POSIX send(2); RFC 9293 3.8.6 (window 0)
 * Predict:  a client sends 16 MiB to an echo server and only then reads the echo: what happens?
 *   a) it works, for the kernel buffers what is not yet read
 *   b) both wait forever, each for the other one to read
 *   c) send fails with "no buffer space"
 * Answer:   b
 * Why:      The echoes fill both buffers on the way back, so the server's send blocks and it stops
 *           reading; then the way there fills up, too. Read while you send, or set a deadline.
 */
#define _POSIX_C_SOURCE 200809L /* sockets and fork, also under -std=c17 */
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { ALL = 16 << 20, STEP = 65536 };

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

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0), alarm(5);
    puts("belief:   an echo server cannot deadlock");
    puts("doing:    send 16 MiB to an echo server, 500 ms of patience a send; only then read");
    struct sockaddr_in address;
    static char bytes[STEP];
    int listener = listen_on_loopback(SOCK_STREAM, &address), small = STEP, sent = 0, got = 0, n;
    must(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), "SO_RCVBUF");
    int client = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
    must(connect(client, (struct sockaddr *)&address, sizeof address), "connect");
    int server = must(accept(listener, NULL, NULL), "accept");
    if (must(fork(), "fork") == 0) { /* the echo server; a blocking send takes all */
        close(client);
        while ((n = (int)recv(server, bytes, STEP, 0)) > 0 &&
               send(server, bytes, (size_t)n, 0) == n)
            continue;
        return 0;
    }
    close(server);
    struct timeval patience = {.tv_usec = 500 * 1000};
    setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    while (sent < ALL && (n = (int)send(client, bytes, STEP, 0)) > 0) sent += n;
    bool stuck = sent < ALL && (errno == EAGAIN || errno == EWOULDBLOCK);
    printf("happened: send took %d of %d bytes, then %s\n", sent, ALL,
           stuck ? "blocked until its deadline" : strerror(errno));
    shutdown(client, SHUT_WR);
    while ((n = (int)recv(client, bytes, STEP, 0)) > 0) got += n;
    printf("happened: as soon as the client read, %d of these %d came back\n", got, sent);
    return verdict(stuck && got == sent,
                   "two ends that only write fill all buffers and wait for each other forever");
}
