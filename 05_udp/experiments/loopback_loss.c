/*
 * loopback_loss.c - whether UDP inside one machine can lose datagrams.
 *
 * Of:       common
 * Decided:  RFC 768; POSIX setsockopt(2), SO_RCVBUF
 * Predict:  1,000 datagrams are sent here before the receiver reads: how many does it get?
 *   a) 1,000: there is no network that could lose any
 *   b) as many as its receive buffer holds, and no sendto fails
 *   c) as many as its buffer holds, and the other sendto calls fail
 * Answer:   b
 * Why:      A datagram that finds the receive buffer full is dropped, and nobody is told. UDP has
 *           no flow control, so a receiver slower than its sender loses data anywhere.
 */
#define _POSIX_C_SOURCE 200809L /* sockets, also under -std=c17 */
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DATAGRAMS = 1000, SIZE = 1000 };

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
    puts("belief:   UDP on one machine loses nothing");
    puts("doing:    1,000 datagrams of 1,000 bytes: each read at once, then none until the end");
    struct sockaddr_in address;
    int receiver = listen_on_loopback(SOCK_DGRAM, &address), room = 65536;
    int sender = connect_loopback(SOCK_DGRAM, &address), got[2] = {0}, sent[2] = {0};
    must(setsockopt(receiver, SOL_SOCKET, SO_RCVBUF, &room, sizeof room), "SO_RCVBUF");
    must(getsockopt(receiver, SOL_SOCKET, SO_RCVBUF, &room, &(socklen_t){sizeof room}),
         "SO_RCVBUF");
    char datagram[SIZE] = {0};
    for (int late = 0; late < 2; late++) {
        for (int i = 0; i < DATAGRAMS; i++) {
            sent[late] += send(sender, datagram, SIZE, 0) == SIZE;
            if (!late) got[late] += recv(receiver, datagram, SIZE, 0) == SIZE;
        }
        while (late && recv(receiver, datagram, SIZE, MSG_DONTWAIT) == SIZE) got[late]++;
        printf("happened: %s: %d sends succeeded, %d datagrams came, %d lost\n",
               late ? "read late   " : "read at once", sent[late], got[late],
               sent[late] - got[late]);
    }
    printf("happened: the receive buffer is of %d bytes\n", room);
    return verdict(got[0] == DATAGRAMS && got[1] < sent[1] && got[1] > 0,
                   "a full receive buffer drops datagrams on one machine too, and no send fails");
}
