/*
 * four_tuple.c - what names a TCP connection.
 *
 * Of:       the notes, N4 ("a socket is an IP and a port") and N0
 * Decided:  RFC 9293 4: a connection is "identified by a pair of sockets"
 * Predict:  two clients on one machine share one local port; each calls another server. So?
 *   a) the second one's bind or connect fails
 *   b) both are connected, and each gets its own server's bytes
 *   c) both are connected, and their bytes mix
 * Answer:   b
 * Why:      A TCP connection is named by four things: both addresses and both ports. Two
 *           connections may share any three of them; only all four together must be unique.
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

/* A stream socket bound to that local address, which others may share. */
static int bound_to(const struct sockaddr_in *local) {
    int client = must(socket(AF_INET, SOCK_STREAM, 0), "socket"), yes = 1;
    must(setsockopt(client, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes), "setsockopt");
    must(bind(client, (const struct sockaddr *)local, sizeof *local), "bind to a shared port");
    return client;
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0), alarm(5);
    puts("belief:   a socket is an (IP, port) pair: one port, one connection");
    puts("doing:    3 clients bound to one local port; 2 call server A, 1 calls server B");
    struct sockaddr_in a, b, local;
    int listener_a = listen_on_loopback(SOCK_STREAM, &a);
    int listener_b = listen_on_loopback(SOCK_STREAM, &b);
    socklen_t size = sizeof local;
    local = a, local.sin_port = 0; /* the kernel picks it for the first one */
    int to_a = bound_to(&local);
    must(getsockname(to_a, (struct sockaddr *)&local, &size), "getsockname");
    int to_b = bound_to(&local), again = bound_to(&local);
    must(connect(to_a, (struct sockaddr *)&a, sizeof a), "connect to A");
    must(connect(to_b, (struct sockaddr *)&b, sizeof b), "connect to B");
    int same_four = connect(again, (struct sockaddr *)&a, sizeof a) == -1 ? errno : 0;
    char from_a = '-', from_b = '-';
    send(accept(listener_a, NULL, NULL), "A", 1, 0);
    send(accept(listener_b, NULL, NULL), "B", 1, 0);
    must((int)recv(to_a, &from_a, 1, 0), "recv"), must((int)recv(to_b, &from_b, 1, 0), "recv");
    int port = ntohs(local.sin_port);
    printf("happened: %d -> %d (A) got %c\n", port, ntohs(a.sin_port), from_a);
    printf("happened: %d -> %d (B) got %c\n", port, ntohs(b.sin_port), from_b);
    printf("happened: %d -> %d (A) again: %s\n", port, ntohs(a.sin_port), strerror(same_four));
    return verdict(from_a == 'A' && from_b == 'B' && same_four != 0,
                   "both addresses and both ports together name a TCP connection");
}
