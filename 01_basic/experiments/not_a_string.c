/*
 * not_a_string.c - received bytes and strlen.
 *
 * Of:       common
 * Decided:  POSIX recv(2) (its return value is the length); C17 7.1.1 (what a string is)
 * Predict:  into one buffer, all zero before: first "Hello, server!", then "get". strlen says?
 *   a) 3
 *   b) 14
 *   c) 17
 * Answer:   b
 * Why:      recv writes the bytes that came and nothing after them: no terminating zero. The end of
 *           the longer message before still stands there; only recv's result says where to stop.
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

/* Sends size bytes to the peer and receives them there into buffer; returns recv's result. */
static ssize_t carry(int from, int to, const char *message, size_t size, char *buffer) {
    must((int)send(from, message, size, 0), "send");
    return must((int)recv(to, buffer, 1024, 0), "recv");
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0), alarm(5);
    puts("belief:   received bytes are a C string");
    puts("doing:    receive 14 bytes, then 3, then 3 with a zero among them, into one buffer");
    int server, client = connected_pair(&server);
    char buffer[1025] = {0}; /* a byte more than recv may fill: strlen here ends inside it */

    ssize_t first = carry(client, server, "Hello, server!", 14, buffer);
    printf("happened: recv %zd, strlen %zu: \"%s\"\n", first, strlen(buffer), buffer);
    ssize_t second = carry(client, server, "get", 3, buffer);
    size_t stale = strlen(buffer);
    printf("happened: recv %zd, strlen %zu: \"%s\"\n", second, stale, buffer);
    printf("happened: printed by recv's result: \"%.*s\"\n", (int)second, buffer);
    ssize_t third = carry(client, server, "a\0b", 3, buffer);
    size_t cut = strlen(buffer);
    printf("happened: recv %zd, strlen %zu: the zero hides what follows it\n", third, cut);
    return verdict(second == 3 && stale == 14 && third == 3 && cut == 1,
                   "received bytes are no string: recv's result alone is their length");
}
