/*
 * udp_flood.c - lesson 06, the contrast: the same fast writer and slow reader over UDP.
 *
 * Run:         ./udp_flood [DATAGRAMS]
 * Talk to it:  nobody, it holds both ends, on 127.0.0.1
 * New:         with UDP nothing holds the writer back: send never waits for the reader, and what
 *              finds the receive buffer full is dropped, without a word to either side
 */
#define _POSIX_C_SOURCE 200809L /* without it, -std=c17 hides the socket functions */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    DATAGRAM_SIZE = 1024,  /* bytes */
    SLOWNESS = 10,         /* the reader takes one datagram for so many sent */
    SILENCE = 200,         /* milliseconds without a datagram: no more come */
    MILLISECOND = 1000000, /* in nanoseconds, as now() counts */
    SECOND = 1000 * MILLISECOND,
};
static const char program[] = "udp_flood";
static const char usage[] = "usage: udp_flood [DATAGRAMS]    (10000)\n"
                            "DATAGRAMS 1 to 10000000, of 1024 bytes each\n";

/* ---- Helpers: the same text in every lesson that has them ---- */

/* Says on stderr which operation failed, on what and why. Returns the exit status for it, 1. */
static int report(const char *operation, const char *object, const char *reason) {
    fprintf(stderr, "%s: %s %s: %s\n", program, operation, object, reason);
    return 1;
}

/* Returns text as a whole number; if it is none from lowest to highest, ends the program with exit
 * status 2. POSIX strtoll(3) */
static long long whole_number(const char *text, long long lowest, long long highest) {
    errno = 0;
    long long number = strtoll(text, NULL, 10);
    bool digits = text[0] != '\0' && text[strspn(text, "0123456789")] == '\0';
    if (digits && errno == 0 && number >= lowest && number <= highest) return number;
    fputs(usage, stderr);
    exit(2);
}

/* Returns the nanoseconds on a clock that nobody sets. POSIX clock_gettime(3) */
static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * SECOND + time.tv_nsec;
}

/* Returns the bytes that the kernel lets a buffer of the socket have, SO_SNDBUF or SO_RCVBUF. It
 * is asked again and again, since the kernel may let them grow. POSIX getsockopt(3) */
static int buffer_size(int socket, int option) {
    int bytes = 0;
    getsockopt(socket, SOL_SOCKET, option, &bytes, &(socklen_t){sizeof bytes});
    return bytes;
}

/* ---- The lesson ---- */

static long long received, lost, first_lost = -1; /* datagrams; the number of one */

/* Receives a datagram if one comes in that many milliseconds, and counts those whose numbers are
 * missing before it. Returns whether one came. POSIX poll(2), recv(2) */
static bool take_one(int reader, int milliseconds) {
    unsigned char datagram[DATAGRAM_SIZE];
    uint32_t number;
    if (poll(&(struct pollfd){.fd = reader, .events = POLLIN}, 1, milliseconds) != 1) return false;
    if (recv(reader, datagram, sizeof datagram, 0) < (ssize_t)sizeof number)
        exit(report("recv", "a datagram", strerror(errno)));
    memcpy(&number, datagram, sizeof number);
    long long missing = (long long)ntohl(number) - received - lost;
    if (missing > 0 && first_lost == -1) first_lost = received + lost;
    lost += missing;
    received++;
    return true;
}

int main(int argc, char *argv[]) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    unsigned char datagram[DATAGRAM_SIZE] = {0};
    long long datagrams = 10000, refused = 0, slowest = 0;

    bool help = argc == 2 && (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0);
    if (help || argc > 2) return fputs(usage, help ? stdout : stderr), help ? 0 : 2;
    if (argc > 1) datagrams = whole_number(argv[1], 1, 10000000);
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ); /* each line at once, into a pipe too */
    signal(SIGPIPE, SIG_IGN);              /* nobody reads our output any more: the write fails */

    /* 1. create, 2. bind, connect: both ends, so that the reader hears no stranger */
    int reader = socket(AF_INET, SOCK_DGRAM, 0), writer = socket(AF_INET, SOCK_DGRAM, 0);
    if (reader == -1 || writer == -1) return report("socket", "UDP", strerror(errno));
    if (bind(writer, (struct sockaddr *)&address, size) == -1 ||
        getsockname(writer, (struct sockaddr *)&address, &size) == -1 ||
        connect(reader, (struct sockaddr *)&address, size) == -1 ||
        getsockname(reader, (struct sockaddr *)&address, &size) == -1 ||
        connect(writer, (struct sockaddr *)&address, size) == -1)
        return report("bind", "127.0.0.1", strerror(errno));
    printf("SO_RCVBUF of the reader: %d bytes\n", buffer_size(reader, SO_RCVBUF));

    /* 3. send, 4. receive, one for ten: each datagram has its number in its first four bytes */
    for (long long i = 0; i < datagrams; i++) {
        uint32_t number = htonl((uint32_t)(i - refused));
        memcpy(datagram, &number, sizeof number);
        long long begun = now();
        if (send(writer, datagram, sizeof datagram, 0) == -1) refused++; /* macOS: ENOBUFS */
        long long took = now() - begun;
        slowest = took > slowest ? took : slowest;
        if (i % SLOWNESS == SLOWNESS - 1) take_one(reader, 0);
    }
    long long in_time = received;
    while (take_one(reader, SILENCE)) {
    } /* what the buffer still holds */
    if (received + lost < datagrams - refused && first_lost == -1) first_lost = received + lost;
    lost = datagrams - refused - received; /* those behind the last one received, too */

    printf("sent %lld datagrams of %d bytes, %lld refused; the slowest send took %.3f ms\n",
           datagrams - refused, DATAGRAM_SIZE, refused, (double)slowest / MILLISECOND);
    printf("received %lld: %lld while the writer wrote, %lld that the buffer still held\n",
           received, in_time, received - in_time);
    if (lost > 0)
        printf("lost %lld, the first was number %lld: no call failed\n", lost, first_lost);
    else
        printf("lost 0: the buffer was never full\n");
    if (ferror(stdout)) return report("write", "standard output", strerror(errno));

    /* 5. close */
    close(writer);
    close(reader);
    return 0;
}
