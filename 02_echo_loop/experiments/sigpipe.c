/*
 * sigpipe.c - writing to a peer that has gone.
 *
 * Of:       common
 * Decided:  POSIX send(2): EPIPE and SIGPIPE; POSIX signal(2)
 * Predict:  the peer has closed; a program that handles every error writes on. What happens?
 *   a) the first write returns an error
 *   b) a later write returns an error
 *   c) the process ends without a word
 * Answer:   c
 * Why:      The first write only makes the peer answer RST; a write after that raises SIGPIPE, and
 *           its default ends the process. A program that ignores it gets the error EPIPE instead.
 */
#define _POSIX_C_SOURCE 200809L /* sockets and alarm, also under -std=c17 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
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

/* A child process writes to a peer that has closed, until an error; returns its wait status. */
static int write_to_the_gone(bool ignore_sigpipe) {
    int status, server, client = connected_pair(&server);
    close(server); /* the peer has gone */
    pid_t child = must(fork(), "fork");
    if (child == 0) {
        alarm(5);
        signal(SIGPIPE, ignore_sigpipe ? SIG_IGN : SIG_DFL);
        for (int i = 1; write(client, "hello", 5) != -1; i++) {
            printf("happened: write %d returned success\n", i);
            poll(&(struct pollfd){.fd = client}, 1, 100); /* until the RST is here */
        }
        printf("happened: the next returned an error: %s\n", strerror(errno));
        exit(0);
    }
    must(waitpid(child, &status, 0), "waitpid");
    return status;
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0), alarm(5);
    puts("belief:   a failed write returns an error");
    puts("doing:    the peer closes; write until an error; the same with SIGPIPE ignored");
    int first = write_to_the_gone(false);
    int killer = WIFSIGNALED(first) ? WTERMSIG(first) : 0;
    printf("happened: the next ended the process: signal %d (SIGPIPE is %d)\n", killer, SIGPIPE);
    int second = write_to_the_gone(true);
    return verdict(killer == SIGPIPE && WIFEXITED(second) && WEXITSTATUS(second) == 0,
                   "unless SIGPIPE is ignored, it ends the process without a word");
}
