/*
 * udp_is_not_tcp.c - what changes with SOCK_DGRAM.
 *
 * Of:       the notes, N2 and N3
 * Decided:  RFC 768; RFC 1122 4.1.3.3; POSIX recv(2), connect(2)
 * Predict:  a UDP socket sends 3 bytes, 0 bytes, 5 bytes; what do three recvs of 1024 return?
 *   a) 8, and then they wait
 *   b) 3, 0, 5
 *   c) 3, 5, and then they wait: an empty datagram is not sent
 * Answer:   b
 * Why:      UDP has no connection and no stream: each datagram comes alone and whole, and 0 is an
 *           empty one, not the end. Nobody says that the peer is gone, except ICMP, and only a
 *           connected socket is told.
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
    puts("belief:   UDP is just SOCK_DGRAM instead of SOCK_STREAM");
    puts("doing:    two senders, one receiver without accept; then a port where nobody is");
    struct sockaddr_in address, deaf;
    int receiver = listen_on_loopback(SOCK_DGRAM, &address), got[3];
    int one = connect_loopback(SOCK_DGRAM, &address), two = connect_loopback(SOCK_DGRAM, &address);
    must((int)send(one, "one", 3, 0), "send");
    must((int)send(two, "", 0, 0), "send");
    must((int)send(two, "three", 5, 0), "send");
    char buffer[1024];
    for (int i = 0; i < 3; i++)
        got[i] = must((int)recv(receiver, buffer, sizeof buffer, 0), "recv");
    printf("happened: sent 3, 0, 5 bytes; the recvs: %d, %d, %d\n", got[0], got[1], got[2]);

    int nobody = listen_on_loopback(SOCK_DGRAM, &deaf); /* connected to itself: hears no other */
    must(connect(nobody, (struct sockaddr *)&deaf, sizeof deaf), "connect");
    must((int)sendto(receiver, "x", 1, 0, (struct sockaddr *)&deaf, sizeof deaf), "sendto");
    bool silent = poll(&(struct pollfd){.fd = receiver, .events = POLLIN}, 1, 300) == 0;
    printf("happened: to nobody, not connected: %s\n", silent ? "silence" : "an event");
    one = connect_loopback(SOCK_DGRAM, &deaf);
    must((int)send(one, "x", 1, 0), "send");
    bool refused = recv(one, buffer, 1, 0) == -1 && errno == ECONNREFUSED;
    printf("happened: to nobody, connected: recv: %s\n", refused ? strerror(errno) : "no error");
    return verdict(got[0] == 3 && got[1] == 0 && got[2] == 5 && silent && refused,
                   "no connection, no stream: datagrams stay whole, 0 bytes are data");
}
