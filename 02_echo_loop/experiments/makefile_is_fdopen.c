/*
 * makefile_is_fdopen.c - what Python's makefile, fileno and settimeout are in C.
 *
 * Of:       the notes, N1 (the table of socket methods)
 * Decided:  POSIX fdopen(3), fileno(3), fgets(3); setsockopt(2): SO_RCVTIMEO
 * Predict:  two lines have come; fgets reads the first; what does recv on the socket find then?
 *   a) the second line
 *   b) nothing: stdio has read it already
 *   c) both lines: fgets only looks
 * Answer:   b
 * Why:      fdopen makes a stream with a buffer of its own, and fgets fills that with all that is
 *           there. From then on read by the stream alone; fileno only names the socket below it.
 */
#define _POSIX_C_SOURCE 200809L /* sockets and fdopen, also under -std=c17 */
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
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
    puts("belief:   a socket and the file made of it can be read by turns");
    puts("doing:    send two lines; fgets one from fdopen, recv with 300 ms, fgets the other");
    struct sockaddr_in address;
    int listener = listen_on_loopback(SOCK_STREAM, &address);
    int client = connect_loopback(SOCK_STREAM, &address);
    int server = must(accept(listener, NULL, NULL), "accept");
    struct timeval limit = {.tv_usec = 300 * 1000}; /* settimeout(0.3), and gettimeout() */
    socklen_t size = sizeof limit;
    must(setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &limit, size), "SO_RCVTIMEO");
    must(getsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &limit, &size), "SO_RCVTIMEO");
    FILE *file = fdopen(server, "r"); /* makefile() */
    must(file ? 0 : -1, "fdopen");
    printf("happened: the socket is descriptor %d, fileno gives %d; timeout %ld ms\n", server,
           fileno(file), (long)limit.tv_sec * 1000 + (long)limit.tv_usec / 1000);
    must((int)send(client, "one\ntwo\n", 8, 0), "send");
    char one[80] = "", two[80] = "";
    bool lines = fgets(one, sizeof one, file);
    int n = (int)recv(server, two, 1, 0);
    bool empty = n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK);
    printf("happened: fgets: %.3s; recv: %s\n", one, empty ? "nothing in its time" : "something");
    lines = lines && fgets(two, sizeof two, file) && !strcmp(one, "one\n") && !strcmp(two, "two\n");
    printf("happened: fgets: %.3s\n", two);
    return verdict(lines && empty && fileno(file) == server,
                   "fdopen reads ahead: after the first fgets, read by the stream alone");
}
