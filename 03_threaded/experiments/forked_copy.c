/*
 * forked_copy.c - when close ends a connection.
 *
 * Of:       common
 * Decided:  POSIX fork(2), close(2), shutdown(2)
 * Predict:  a server forks, then closes its descriptor of a connection; what does the client see?
 *   a) the end of the connection, at once
 *   b) nothing, as long as the child has its copy open
 *   c) a reset, for the child still uses the connection
 * Answer:   b
 * Why:      fork copies the descriptors, not the connection: it ends when the last copy is closed.
 *           shutdown acts on the connection itself, however many copies there are.
 */
#define _POSIX_C_SOURCE 200809L /* sockets and fork, also under -std=c17 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
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

/* ---- The experiment ---- */

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0), alarm(5);
    puts("belief:   closing a descriptor closes the connection");
    puts("doing:    accept, fork, close in the parent; then the same with shutdown");
    struct sockaddr_in address;
    int listener = listen_on_loopback(SOCK_STREAM, &address), first[2], last[2], end[2];
    for (int shuts = 0; shuts < 2; shuts++) {
        int client = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
        must(connect(client, (struct sockaddr *)&address, sizeof address), "connect");
        int server = must(accept(listener, NULL, NULL), "accept");
        must(pipe(end), "pipe");
        pid_t child = must(fork(), "fork");
        if (child == 0) { /* holds its copy until the parent closes the pipe */
            close(end[1]);
            _exit((int)read(end[0], &(char){0}, 1));
        }
        if (shuts) must(shutdown(server, SHUT_RDWR), "shutdown");
        close(server);
        struct pollfd news = {.fd = client, .events = POLLIN};
        first[shuts] = poll(&news, 1, shuts ? 2000 : 300) ? (int)recv(client, &end, 1, 0) : -1;
        close(end[1]), waitpid(child, NULL, 0), close(end[0]);
        last[shuts] = poll(&news, 1, 2000) ? (int)recv(client, &end, 1, 0) : -1;
        printf("happened: %s: %s; the copy closed, too: %s\n", shuts ? "shutdown" : "close",
               first[shuts] ? "silence for 300 ms" : "the end, at once",
               last[shuts] ? "silence" : "the end");
    }
    return verdict(first[0] == -1 && last[0] == 0 && first[1] == 0 && last[1] == 0,
                   "close ends the connection only with its last copy; shutdown ends it at once");
}
