/*
 * newline_ends_message.c - what ends a message on TCP.
 *
 * Of:       common
 * Decided:  RFC 9293 2.2 (a byte stream); POSIX recv(2)
 * Predict:  the peer sends "one\n" and "two\n"; both have arrived. What does one recv return?
 *   a) "one\n"
 *   b) "one\ntwo\n"
 *   c) "one" without the newline
 * Answer:   b
 * Why:      TCP carries bytes and no ends of messages: neither the newline nor the pause between
 * two sends reaches recv as a sign. The program must look for its own ends, and keep the rest.
 */
#define _POSIX_C_SOURCE 200809L /* sockets and alarm, also under -std=c17 */
#include <arpa/inet.h>
#include <errno.h>
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

/* Sends two pieces with a pause of pause_ms between them; when both are there, one recv into
   got (1024 bytes). Returns its result. */
static int one_recv(int from, int to, const char *first, int pause_ms, const char *second,
                    char *got) {
    size_t all = strlen(first) + strlen(second);
    must((int)send(from, first, strlen(first), 0), "send");
    poll(NULL, 0, pause_ms);
    if (*second) must((int)send(from, second, strlen(second), 0), "send");
    recv(to, got, all, MSG_PEEK | MSG_WAITALL); /* a busy receiver: it looks when all is there */
    return must((int)recv(to, got, 1024, 0), "recv");
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0), alarm(5);
    puts("belief:   a newline or a pause ends a message");
    puts("doing:    send two lines; half a line; two pieces 100 ms apart; one recv for each");
    int server, client = connected_pair(&server);
    char got[1024];

    int lines = one_recv(client, server, "one\n", 0, "two\n", got);
    bool merged = memchr(got, '\n', (size_t)lines) != got + lines - 1;
    printf("happened: two lines of 4 bytes: one recv gave %d\n", lines);
    int half = one_recv(client, server, "thr", 0, "", got);
    bool newline = memchr(got, '\n', (size_t)half) != NULL;
    printf("happened: 3 bytes of a line: one recv gave %d, newline %s\n", half,
           newline ? "there" : "not there");
    int paused = one_recv(client, server, "pa", 100, "use", got);
    printf("happened: 2 bytes, 100 ms, 3 bytes: one recv gave %d\n", paused);
    return verdict(lines == 8 && merged && half == 3 && !newline && paused == 5,
                   "neither ends anything: TCP is a byte stream, the program finds the ends");
}
