/*
 * nagle.c - whether two small sends are as fast as one.
 *
 * Of:       common
 * Decided:  RFC 9293 3.7.4 (Nagle); RFC 1122 4.2.3.2 (delayed ACK); TCP_NODELAY
 * Predict:  a request goes out as two small sends: how long does its answer take?
 *   a) about as long as one send
 *   b) many times as long
 * Answer:   b
 * Why:      Nagle holds the second send back until the first is acknowledged, and the peer, which
 *           has nothing to answer yet, delays that. Send once, or set TCP_NODELAY.
 */
#define _POSIX_C_SOURCE 200809L /* sockets and clock_gettime, also under -std=c17 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
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

/* Milliseconds on a clock that never goes back. */
static double now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* ---- The experiment ---- */

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0), alarm(5);
    puts("belief:   many small sends are as fast as one");
    puts("doing:    30 answered requests: each by 1 send, by 2, by 2 with TCP_NODELAY");
    struct sockaddr_in address;
    double took[3];
    int listener = listen_on_loopback(SOCK_STREAM, &address);
    int client = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
    must(connect(client, (struct sockaddr *)&address, sizeof address), "connect");
    int server = must(accept(listener, NULL, NULL), "accept");
    char bytes[20] = {0};
    if (must(fork(), "fork") == 0) { /* the server answers each whole request with one byte */
        close(client);
        while (recv(server, bytes, sizeof bytes, MSG_WAITALL) > 0) send(server, "y", 1, 0);
        return 0;
    }
    for (int way = 0, sends = 1; way < 3; way++, sends = 2) {
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &(int){way == 2}, sizeof(int));
        took[way] = -now_ms();
        for (int i = 1; i <= 30 * sends; i++) {
            must((int)send(client, bytes, sizeof bytes / (size_t)sends, 0), "send");
            if (i % sends == 0) must((int)recv(client, bytes, 1, 0), "recv");
        }
        took[way] += now_ms();
        printf("happened: %d send(s)%s: %.1f ms\n", sends, way > 1 ? ", NODELAY" : "", took[way]);
    }
    if (took[1] < 4 * took[0]) return puts("verdict:  inconclusive: no small send was delayed"), 3;
    return verdict(took[1] > 4 * took[2], "with Nagle and delayed ACK two small sends are slow");
}
