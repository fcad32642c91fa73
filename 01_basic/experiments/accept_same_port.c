/*
 * accept_same_port.c - the port of an accepted connection.
 *
 * Of:       common
 * Decided:  POSIX accept(2), getsockname(2)
 * Predict:  a server listens on port P and accepts 3 clients; the accepted sockets' local ports?
 *   a) three new ones, picked by the kernel
 *   b) P, all three
 *   c) P for the first, new ones for the others
 * Answer:   b
 * Why:      accept makes a new socket, not a new port: each has the server's address and port as
 *           its own. The kernel tells the connections apart by the clients' addresses.
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

enum { CLIENTS = 3 };

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0), alarm(5);
    puts("belief:   accept opens a new port for each client");
    puts("doing:    3 clients connect and stay; ask each accepted socket its ports");
    struct sockaddr_in address, local, peer;
    int listener = listen_on_loopback(SOCK_STREAM, &address), same_port = 0, peers[CLIENTS];
    bool distinct = true;
    for (int i = 0; i < CLIENTS; i++) {
        connect_loopback(SOCK_STREAM, &address); /* stays connected: all three live side by side */
        int accepted = must(accept(listener, NULL, NULL), "accept");
        socklen_t local_size = sizeof local, peer_size = sizeof peer;
        must(getsockname(accepted, (struct sockaddr *)&local, &local_size), "getsockname");
        must(getpeername(accepted, (struct sockaddr *)&peer, &peer_size), "getpeername");
        peers[i] = ntohs(peer.sin_port);
        printf("happened: socket %d: local port %d, peer's port %d\n", accepted,
               ntohs(local.sin_port), peers[i]);
        if (local.sin_port == address.sin_port) same_port++;
        for (int j = 0; j < i; j++)
            if (peers[j] == peers[i]) distinct = false;
    }
    printf("happened: the server listens on %d: %d of %d have it as their own\n",
           ntohs(address.sin_port), same_port, CLIENTS);
    return verdict(same_port == CLIENTS && distinct,
                   "accept makes a new socket on the same port; the peers differ");
}
