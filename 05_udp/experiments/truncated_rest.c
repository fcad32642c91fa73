/*
 * truncated_rest.c - where the rest of a long datagram goes.
 *
 * Of:       common
 * Decided:  POSIX recv(2), recvmsg(2): MSG_TRUNC
 * Predict:  datagrams of 100 and of 4 bytes wait; recv of 10 bytes, then again: what comes second?
 *   a) the next 10 of the 100 bytes
 *   b) the 4 bytes of the second datagram
 *   c) an error, for data was lost
 * Answer:   b
 * Why:      One recv takes one datagram, and what its buffer cannot hold is thrown away. Only
 *           recvmsg says so, by MSG_TRUNC in its msg_flags.
 */
#define _POSIX_C_SOURCE 200809L /* sockets, also under -std=c17 */
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
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
    puts("belief:   the rest of a long datagram comes with the next recv");
    puts("doing:    send 100 bytes and \"next\", twice; recv 10 bytes at a time, then recvmsg");
    struct sockaddr_in address;
    int receiver = listen_on_loopback(SOCK_DGRAM, &address);
    int sender = connect_loopback(SOCK_DGRAM, &address);
    char longer[100], buffer[10];
    memset(longer, '-', sizeof longer);
    for (int i = 0; i < 2; i++) {
        must((int)send(sender, longer, sizeof longer, 0), "send");
        must((int)send(sender, "next", 4, 0), "send");
    }
    int first = must((int)recv(receiver, buffer, sizeof buffer, 0), "recv");
    int second = must((int)recv(receiver, buffer, sizeof buffer, 0), "recv");
    printf("happened: recv, recv: %d bytes of 100, then %d bytes: \"%.*s\"\n", first, second,
           second, buffer);
    bool next = second == 4 && memcmp(buffer, "next", 4) == 0, cut[2];
    for (int i = 0; i < 2; i++) {
        struct iovec room = {.iov_base = buffer, .iov_len = sizeof buffer};
        struct msghdr message = {.msg_iov = &room, .msg_iovlen = 1};
        int got = must((int)recvmsg(receiver, &message, 0), "recvmsg");
        cut[i] = message.msg_flags & MSG_TRUNC;
        printf("happened: recvmsg: %2d bytes, MSG_TRUNC %s\n", got, cut[i] ? "set" : "not set");
    }
    return verdict(first == 10 && next && cut[0] && !cut[1],
                   "the rest is thrown away; recvmsg tells by MSG_TRUNC, recv does not");
}
