/*
 * connect_to_any.c - 0.0.0.0 as a destination.
 *
 * Of:       the notes, N3 (its client connects to 0.0.0.0)
 * Decided:  RFC 1122 3.2.1.3 (a): "must not be sent", but as a source; Linux ip(7), INADDR_ANY
 * Predict:  a server listens on 127.0.0.1; a client connects to 0.0.0.0. Who is its peer?
 *   a) 0.0.0.0
 *   b) 127.0.0.1, on Linux
 *   c) every machine of the network
 * Answer:   b
 * Why:      0.0.0.0 is no destination: to bind it means "every address of this machine". Linux and
 *           BSD kernels put an own address in its place; others refuse it, so never rely on it.
 */
#define _POSIX_C_SOURCE 200809L /* sockets and alarm, also under -std=c17 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
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
    puts("belief:   0.0.0.0 is the address to connect to");
    puts("doing:    listen on 127.0.0.1, connect to 0.0.0.0, ask the client its addresses");
    struct sockaddr_in address, peer, local;
    int listener = listen_on_loopback(SOCK_STREAM, &address);
    address.sin_addr.s_addr = htonl(INADDR_ANY);
    int client = connect_loopback(SOCK_STREAM, &address); /* where refused: inconclusive */
    int server = must(accept(listener, NULL, NULL), "accept");
    socklen_t peer_size = sizeof peer, local_size = sizeof local;
    must(getpeername(client, (struct sockaddr *)&peer, &peer_size), "getpeername");
    must(getsockname(client, (struct sockaddr *)&local, &local_size), "getsockname");
    char asked[INET_ADDRSTRLEN], to[INET_ADDRSTRLEN], from[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &address.sin_addr, asked, sizeof asked);
    inet_ntop(AF_INET, &peer.sin_addr, to, sizeof to);
    inet_ntop(AF_INET, &local.sin_addr, from, sizeof from);
    printf("happened: asked for %s, connected to %s, from %s\n", asked, to, from);
    close(server), close(client), close(listener);
    return verdict(peer.sin_addr.s_addr == htonl(INADDR_LOOPBACK),
                   "the kernel swapped in 127.0.0.1: 0.0.0.0 is for bind, no destination");
}
