/*
 * one_send_one_recv.c - whether recv gives back what one send sent.
 *
 * Of:       common; every program of the notes relies on it
 * Decided:  RFC 9293 2.2, 3.9.1; POSIX recv(2)
 * Predict:  "one", "two" and "three" are sent, then recv takes up to 1024 bytes: what comes?
 *   a) "one"
 *   b) "onetwothree"
 *   c) "one", "two" and "three", each with its length
 * Answer:   b
 * Why:      TCP carries a stream of bytes without marks: what lies in the receive buffer comes out
 *           together, and what is longer comes in parts. Messages need a length or an end mark.
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

enum { LONG = 10000 };

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
    puts("belief:   one send is one recv");
    puts(
        "doing:    send \"one\", \"two\", \"three\", then recv; send 10,000 bytes once, then recv");
    struct sockaddr_in address;
    int listener = listen_on_loopback(SOCK_STREAM, &address);
    int client = connect_loopback(SOCK_STREAM, &address);
    int server = must(accept(listener, NULL, NULL), "accept");
    char buffer[1024], bytes[LONG] = {0};
    must((int)send(client, "one", 3, 0), "send");
    must((int)send(client, "two", 3, 0), "send");
    must((int)send(client, "three", 5, 0), "send");
    must((int)recv(server, bytes, 11, MSG_PEEK | MSG_WAITALL), "recv"); /* until all are there */
    int merged = must((int)recv(server, buffer, sizeof buffer, 0), "recv"), calls = 0, got = 0;
    printf("happened: 3 sends came with 1 recv of %d bytes: \"%.*s\"\n", merged, merged, buffer);

    must((int)send(client, bytes, LONG, 0), "send");
    for (; got < LONG; calls++) got += must((int)recv(server, buffer, sizeof buffer, 0), "recv");
    printf("happened: 1 send of %d bytes came with %d recvs of at most 1024\n", got, calls);
    return verdict(merged == 11 && got == LONG && calls > 1,
                   "sends merge and split on their way: a stream of bytes has no messages");
}
