/*
 * close_unread_resets.c - what close does with bytes that nobody read.
 *
 * Of:       the notes, N4 ("close tells the other side")
 * Decided:  RFC 9293 3.6.1; RFC 2525 2.17; POSIX close(2)
 * Predict:  a server sends a long answer and closes, one byte of the request unread. The client?
 *   a) gets the whole answer, then the end (recv returns 0)
 *   b) gets nothing at all
 *   c) gets a part of the answer, then "Connection reset by peer"
 * Answer:   c
 * Why:      Closing with unread data sends RST instead of FIN, so that the peer learns that its
 * data was lost; what still waited in the send buffer is thrown away. Read to the end first.
 */
#define _POSIX_C_SOURCE 200809L /* sockets and alarm, also under -std=c17 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
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

/* A TCP connection over loopback: returns the client's end, *server is the accepted one. */
static int connected_pair(int *server) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
    int client = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
    must(bind(listener, (struct sockaddr *)&address, size), "bind");
    must(listen(listener, 1), "listen");
    must(getsockname(listener, (struct sockaddr *)&address, &size), "getsockname");
    must(connect(client, (struct sockaddr *)&address, size), "connect");
    *server = must(accept(listener, NULL, NULL), "accept");
    close(listener);
    return client;
}

/* ---- The experiment ---- */

/* The server answers one byte until its buffer is full, then closes, the request read or unread.
   Returns whether the client got the whole answer and a proper end. */
static bool whole_answer(bool read_first) {
    int server, client = connected_pair(&server);
    static char data[65536];
    must((int)send(client, "?", 1, 0), "send");
    must((int)recv(server, data, 1, read_first ? 0 : MSG_PEEK), "recv"); /* it is there */
    must(fcntl(server, F_SETFL, O_NONBLOCK), "fcntl");
    long sent = 0, got = 0;
    ssize_t n;
    while ((n = send(server, data, sizeof data, 0)) > 0) sent += n;
    close(server);
    while ((n = recv(client, data, sizeof data, 0)) > 0) got += n;
    printf("happened: request %s: %ld bytes sent, %ld received, then %s\n",
           read_first ? "read" : "unread", sent, got, n == 0 ? "the end" : strerror(errno));
    close(client);
    return n == 0 && got == sent;
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0), alarm(5);
    puts("belief:   close tells the other side that all was sent");
    puts("doing:    answer, close, with the request read and with one byte of it unread");
    bool after_reading = whole_answer(true), unread = whole_answer(false);
    return verdict(after_reading && !unread,
                   "close with unread data sends RST and destroys data on its way");
}
