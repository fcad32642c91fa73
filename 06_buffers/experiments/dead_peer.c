/*
 * dead_peer.c - whether a connection notices that its peer has stopped.
 *
 * Of:       common
 * Decided:  RFC 9293 3.8.4 (keep-alive), 3.8.6.1 (zero window); tcp(7) TCP_USER_TIMEOUT
 * Predict:  the peer's process is stopped for good; what do send and recv on the connection say?
 *   a) an error, after a few milliseconds
 *   b) nothing, until keep-alive finds out, here after 2 s
 *   c) nothing, and keep-alive finds nothing either
 * Answer:   c
 * Why:      The stopped process's kernel acknowledges data and answers keep-alive, so neither that
 *           nor TCP_USER_TIMEOUT, made for a dead machine, finds fault. Only an answer of the
 *           program itself, awaited with a deadline, tells that it lives.
 */
#define _POSIX_C_SOURCE 200809L /* sockets and signals, also under -std=c17 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
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
    puts("belief:   a dead peer is noticed");
    puts("doing:    stop the peer (SIGSTOP), send 10 times, wait 2.5 s with keep-alive; kill it");
    struct sockaddr_in address;
    int listener = listen_on_loopback(SOCK_STREAM, &address), sent = 0, one = 1;
    int client = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
    must(connect(client, (struct sockaddr *)&address, sizeof address), "connect");
    int server = must(accept(listener, NULL, NULL), "accept");
    must(setsockopt(server, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one), "SO_KEEPALIVE");
#ifdef TCP_USER_TIMEOUT /* Linux; elsewhere keep-alive begins after two hours */
    const int after_1_s[] = {TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT}, ms = 1000;
    must(setsockopt(server, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms), "TCP_USER_TIMEOUT");
    for (int i = 0; i < 3; i++)
        must(setsockopt(server, IPPROTO_TCP, after_1_s[i], &one, sizeof one), "keep-alive");
    printf("happened: keep-alive set to 1 s, 1 probe, and TCP_USER_TIMEOUT to %d ms\n", ms);
#endif
    pid_t peer = must(fork(), "fork");
    if (peer == 0) return close(server), raise(SIGSTOP);
    close(client), waitpid(peer, NULL, WUNTRACED); /* until it has stopped */
    for (int i = 0; i < 10; i++) sent += send(server, "hello", 5, 0) == 5;
    bool silent = poll(&(struct pollfd){.fd = server, .events = POLLIN}, 1, 2500) == 0;
    printf("happened: %d of 10 sends succeeded; 2.5 s of %s\n", sent, silent ? "silence" : "news");
    kill(peer, SIGKILL), waitpid(peer, NULL, 0);
    int error = recv(server, &one, 1, 0) == -1 ? errno : 0;
    printf("happened: only when its process had ended recv returned: %s\n", strerror(error));
    return verdict(
        sent == 10 && silent,
        "neither send nor keep-alive notices a stopped peer; a deadline of your own does");
}
