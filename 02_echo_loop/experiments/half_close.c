/*
 * half_close.c - what recv means by 0.
 *
 * Of:       the notes, N4 ("recv returns 0 bytes: the client went offline")
 * Decided:  POSIX recv(2), shutdown(2); RFC 9293 3.6.1 (half-closed)
 * Predict:  a client shuts its sending side; the server's recv returns 0 and it answers. So?
 *   a) the answer is lost: the client has gone
 *   b) send fails
 *   c) the client reads the answer
 * Answer:   c
 * Why:      0 says that no more will come from there, and no word about the other direction, or
 * about why: the kernel closes the socket of a program that was killed, too. A reset says that it
 * threw away what was still to be read; a machine that loses its power says nothing at all.
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
    puts("belief:   recv returns 0: the client is offline");
    puts("doing:    one client shuts its sending side, then reads; another one is reset");
    struct sockaddr_in address;
    int listener = listen_on_loopback(SOCK_STREAM, &address);
    char buffer[1024];

    int client = connect_loopback(SOCK_STREAM, &address);
    int server = must(accept(listener, NULL, NULL), "accept");
    must((int)send(client, "question", 8, 0), "send");
    must(shutdown(client, SHUT_WR), "shutdown");
    ssize_t question = recv(server, buffer, 1024, 0), end = recv(server, buffer, 1024, 0);
    printf("happened: server: recv %zd, then recv %zd\n", question, end);
    must((int)send(server, "answer", 6, 0), "send");
    ssize_t answer = recv(client, buffer, sizeof buffer, 0);
    printf("happened: the client \"offline\" since then: recv %zd of the 6 sent\n", answer);

    int resetting = connect_loopback(SOCK_STREAM, &address);
    int other = must(accept(listener, NULL, NULL), "accept");
    struct linger at_once = {.l_onoff = 1, .l_linger = 0}; /* close sends RST */
    must(setsockopt(resetting, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), "setsockopt");
    close(resetting);
    ssize_t reset = recv(other, buffer, sizeof buffer, 0);
    int error = reset == -1 ? errno : 0;
    printf("happened: a client that resets: recv %zd, %s\n", reset, strerror(error));
    return verdict(question == 8 && end == 0 && answer == 6 && error == ECONNRESET,
                   "0 means the peer shut its sending side; it may still read");
}
