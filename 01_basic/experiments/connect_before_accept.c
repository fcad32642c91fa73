/*
 * connect_before_accept.c - who answers a connect.
 *
 * Of:       common
 * Decided:  RFC 9293 3.5 (the handshake); POSIX listen(2), accept(2)
 * Predict:  a server listens and never calls accept; a client connects and sends 5 bytes. So?
 *   a) connect waits for accept
 *   b) connect succeeds, send waits for accept
 *   c) both succeed, and the bytes wait for the accept
 * Answer:   c
 * Why:      The kernel shakes hands for every listening socket and queues the connections; accept
 *           only takes one out. A connect that returned proves a kernel, not a living program.
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

/* A socket of that type connected to *address. */
static int connect_loopback(int type, const struct sockaddr_in *address) {
    int client = must(socket(AF_INET, type, 0), "socket");
    must(connect(client, (const struct sockaddr *)address, sizeof *address), "connect");
    return client;
}

/* ---- The experiment ---- */

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0), alarm(5);
    puts("belief:   connect returns: the server has accepted");
    puts("doing:    listen, connect, send 5 bytes and close; only then accept and recv");
    struct sockaddr_in address;
    int listener = listen_on_loopback(SOCK_STREAM, &address), accepts = 0;
    int client = connect_loopback(SOCK_STREAM, &address);
    ssize_t sent = send(client, "hello", 5, 0);
    printf("happened: connected, %zd bytes sent, accept called %d times\n", sent, accepts);
    close(client);
    puts("happened: the client has closed and is gone, accept still not called");

    char buffer[1024];
    int server = must(accept(listener, NULL, NULL), "accept");
    accepts++;
    ssize_t received = recv(server, buffer, sizeof buffer, 0);
    printf("happened: accept call %d gave its connection, recv gave %zd bytes\n", accepts,
           received);
    close(server), close(listener);
    return verdict(sent == 5 && received == 5,
                   "the kernel connects and keeps the bytes; accept only fetches the result");
}
