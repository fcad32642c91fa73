/*
 * listener_sends.c - data on the listening socket.
 *
 * Of:       the notes, N4 ("the listening socket cannot send or receive")
 * Decided:  POSIX send(2), recv(2): ENOTCONN, EPIPE; Linux and BSD differ
 * Predict:  a client is connected; what does send on the server's listening socket do?
 *   a) it reaches the client
 *   b) it reaches every client
 *   c) it fails
 * Answer:   c
 * Why:      A listening socket has no peer, only a queue of connections; accept takes one out of it
 *           as a new socket. Which error says so depends on the system: ENOTCONN or EPIPE.
 */
#define _POSIX_C_SOURCE 200809L /* sockets and alarm, also under -std=c17 */
#include <arpa/inet.h>
#include <errno.h>
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

/* The name of an error that a socket without a peer may give. */
static const char *name(int error) {
    if (error == ENOTCONN) return "ENOTCONN";
    return error == EPIPE ? "EPIPE" : error == EINVAL ? "EINVAL" : "another";
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0), alarm(5);
    signal(SIGPIPE, SIG_IGN); /* with EPIPE comes a signal that would end the process */
    puts("belief:   the listening socket cannot send or receive");
    puts("doing:    a client is connected; send and recv on the listener, then on its socket");
    struct sockaddr_in address;
    int listener = listen_on_loopback(SOCK_STREAM, &address);
    int client = connect_loopback(SOCK_STREAM, &address);
    int server = must(accept(listener, NULL, NULL), "accept");
    char byte = '!';
    must((int)send(client, &byte, 1, 0), "send");
    int sending = send(listener, &byte, 1, 0) == -1 ? errno : 0;
    int receiving = recv(listener, &byte, 1, 0) == -1 ? errno : 0;
    ssize_t received = recv(server, &byte, 1, 0), sent = send(server, &byte, 1, 0);
    printf("happened: listener: send: %s (%s)\n", name(sending), strerror(sending));
    printf("happened: listener: recv: %s (%s)\n", name(receiving), strerror(receiving));
    printf("happened: accepted socket: recv %zd byte, send %zd byte\n", received, sent);
    bool refused =
        (sending == ENOTCONN || sending == EPIPE) && (receiving == ENOTCONN || receiving == EINVAL);
    return verdict(refused && received == 1 && sent == 1,
                   "true: send gives EPIPE or ENOTCONN, recv gives ENOTCONN or EINVAL");
}
