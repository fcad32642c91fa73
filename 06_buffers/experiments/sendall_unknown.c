/*
 * sendall_unknown.c - what is known when sending everything fails.
 *
 * Of:       the notes, N1
 * Decided:  POSIX send(2); RFC 9293 3.10.7.1
 * Predict:  send_all of 8 MiB fails after it handed over n bytes; how many did the peer read?
 *   a) none: it is all or nothing
 *   b) n
 *   c) anything from 0 to n
 * Answer:   c
 * Why:      n counts what the kernel took. How much of it lay in buffers when the connection broke
 *           is not told: only an answer of the peer's program says what it has read.
 */
#define _POSIX_C_SOURCE 200809L /* sockets and fork, also under -std=c17 */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ALL = 8 << 20 };

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

/* Sends all the bytes (POSIX send(2)); returns how many the kernel took, fewer on an error. */
static int send_all(int peer, const char *bytes, int count) {
    int sent = 0;
    for (int n; sent < count; sent += n)
        if ((n = (int)send(peer, bytes + sent, (size_t)(count - sent), 0)) == -1) break;
    return sent;
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0), alarm(5), signal(SIGPIPE, SIG_IGN);
    puts("belief:   sendall sends everything, or it fails and nothing has come");
    puts("doing:    send_all of 8 MiB, twice, to a peer that reads a part and leaves");
    struct sockaddr_in address;
    int listener = listen_on_loopback(SOCK_STREAM, &address), small = 65536, lost = 0;
    must(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), "SO_RCVBUF");
    static char bytes[ALL];
    for (int wanted = 1000; wanted <= 1000000; wanted *= 1000) {
        int client = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
        must(connect(client, (struct sockaddr *)&address, sizeof address), "connect");
        int server = must(accept(listener, NULL, NULL), "accept");
        if (must(fork(), "fork") == 0) /* the peer */
            return recv(server, bytes, (size_t)wanted, MSG_WAITALL) != wanted;
        close(server);
        int taken = send_all(client, bytes, ALL);
        printf("happened: the peer read %7d bytes, the kernel took %7d of %d: %s\n", wanted, taken,
               ALL, strerror(errno));
        lost += taken < ALL && taken > wanted;
    }
    return verdict(lost == 2,
                   "a failed sendall cannot know what arrived: less than the kernel took");
}
