/*
 * port_check.c - lesson 04: which TCP ports of a machine have a listener?
 *
 * Run:         ./port_check [HOST] PORT|FROM-TO ...
 * New:         a socket that does not block: connect returns at once, poll tells how it went,
 *              so that hundreds of connections can be under way in one thread
 * Not yet:     TCP cannot tell a filtered port from a lost packet: both are "no answer"
 */
#define _POSIX_C_SOURCE 200809L /* without it, -std=c17 hides the socket functions */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    AT_ONCE = 200,     /* connections under way at the same time: macOS allows 256 descriptors */
    PATIENCE = 1000,   /* milliseconds that a port has for its answer */
    ADDRESS_SIZE = 80, /* bytes of an address in words, up to [IPv6%interface]:port */
};
static const char *host = "127.0.0.1";
static const char program[] = "port_check";
static const char usage[] =
    "usage: port_check [HOST] PORT|FROM-TO ...    (127.0.0.1)\n"
    "PORT, FROM and TO 1 to 65535. Check only machines you are responsible for.\n";

/* ---- Helpers: the same text in every lesson that has them ---- */

/* Says on stderr which operation failed, on what and why. Returns the exit status for it, 1. */
static int report(const char *operation, const char *object, const char *reason) {
    fprintf(stderr, "%s: %s %s: %s\n", program, operation, object, reason);
    return 1;
}

/* Returns name with an address as 127.0.0.1:19527 or [::1]:19527. POSIX getnameinfo(3) */
static char *address_name(const void *address, socklen_t size, char name[ADDRESS_SIZE]) {
    char ip[64], service[8];
    if (getnameinfo(address, size, ip, sizeof ip, service, sizeof service,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return strcpy(name, "unknown address");
    snprintf(name, ADDRESS_SIZE, strchr(ip, ':') == NULL ? "%s:%s" : "[%s]:%s", ip, service);
    return name;
}

/* ---- The lesson ---- */

/* A connection under way; socket is -1 when it has ended. */
struct attempt {
    struct sockaddr_storage address;
    socklen_t size; /* of the address, in bytes */
    int socket;
    const char *result;
};

/* Reads PORT or FROM-TO. Returns whether it is that. */
static bool read_ports(const char *text, long *from, long *to) {
    static const char digits[] = "0123456789";
    size_t first = strspn(text, digits), second = 0;
    if (text[first] == '-') second = strspn(text + first + 1, digits);
    *from = *to = strtol(text, NULL, 10);
    if (second > 0) *to = strtol(text + first + 1, NULL, 10);
    size_t size = first + (text[first] == '-' ? 1 + second : 0);
    return first > 0 && text[size] == '\0' && text[size - 1] != '-' && *from >= 1 && *from <= *to &&
           *to <= 65535;
}

/* Returns what the error of a connection says about the port: a SYN is refused, while a reset
 * (EPIPE: behind an end) comes from a listener that has accepted. RFC 9293 3.10.7 */
static const char *result_of(int error) {
    if (error == 0 || error == ECONNRESET || error == EPIPE) return "open";
    return error == ECONNREFUSED ? "closed" : "no answer";
}

/* Starts to connect. POSIX connect(2): EINPROGRESS, and poll tells the end */
static void start(struct attempt *a) {
    a->result = "no answer";
    a->socket = socket(a->address.ss_family, SOCK_STREAM, 0); /* 1. create */
    if (a->socket == -1) exit(report("socket", host, strerror(errno)));
    fcntl(a->socket, F_SETFL, O_NONBLOCK);
    /* 2. connect */
    int error = connect(a->socket, (struct sockaddr *)&a->address, a->size) == 0 ? 0 : errno;
    if (error == EINPROGRESS || error == EINTR) return;
    a->result = result_of(error);
    close(a->socket);
    a->socket = -1;
}

/* Takes the outcome of a connection that poll has reported. */
static void finish(struct attempt *a) {
    struct sockaddr_storage own = {0}, peer = {0};
    socklen_t size = sizeof own, peer_size = sizeof peer, error_size = sizeof(int);
    int error = 0;
    getsockopt(a->socket, SOL_SOCKET, SO_ERROR, &error, &error_size); /* 3. ask how it went */
    getsockname(a->socket, (struct sockaddr *)&own, &size);
    getpeername(a->socket, (struct sockaddr *)&peer, &peer_size);
    a->result = result_of(error);
    /* on loopback the kernel may pick the very port that we look for as our own: then we have
     * connected to ourselves, and nobody listens there */
    if (memcmp(&own, &peer, size) == 0) a->result = "closed";
    close(a->socket); /* 4. close */
    a->socket = -1;
}

/* Checks count ports at once and prints a line for each. */
static void check(struct attempt attempts[], size_t count) {
    struct pollfd polled[AT_ONCE];
    struct timespec start_time, now;
    clock_gettime(CLOCK_MONOTONIC, &start_time);
    for (size_t i = 0; i < count; i++) start(&attempts[i]);
    for (;;) {
        size_t waiting = 0;
        for (size_t i = 0; i < count; i++) {
            polled[i] = (struct pollfd){.fd = attempts[i].socket, .events = POLLOUT};
            if (attempts[i].socket != -1) waiting++;
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
        long passed = (long)(now.tv_sec - start_time.tv_sec) * 1000 +
                      (now.tv_nsec - start_time.tv_nsec) / 1000000;
        if (waiting == 0 || passed >= PATIENCE) break;
        if (poll(polled, (nfds_t)count, (int)(PATIENCE - passed)) < 1) continue; /* -1 is skipped */
        for (size_t i = 0; i < count; i++)
            if (attempts[i].socket != -1 && polled[i].revents != 0) finish(&attempts[i]);
    }
    for (struct attempt *a = attempts; a < attempts + count; a++) {
        char name[ADDRESS_SIZE];
        if (a->socket != -1) close(a->socket);
        printf("%s %s\n", address_name(&a->address, a->size, name), a->result);
        if (ferror(stdout)) exit(report("write", "standard output", strerror(errno)));
    }
}

/* Adds the ports from..to of one address to the count attempts that wait for their check, which
 * comes whenever AT_ONCE wait. Returns how many wait then. */
static size_t add(struct attempt attempts[], size_t count, const struct addrinfo *a, long from,
                  long to) {
    for (long number = from; number <= to; number++) {
        if (count == AT_ONCE) check(attempts, count), count = 0;
        struct attempt *attempt = &attempts[count++];
        *attempt = (struct attempt){.size = a->ai_addrlen};
        memcpy(&attempt->address, a->ai_addr, a->ai_addrlen);
        if (a->ai_family == AF_INET6)
            ((struct sockaddr_in6 *)&attempt->address)->sin6_port = htons((in_port_t)number);
        else
            ((struct sockaddr_in *)&attempt->address)->sin_port = htons((in_port_t)number);
    }
    return count;
}

int main(int argc, char *argv[]) {
    static struct attempt attempts[AT_ONCE];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *addresses;
    bool help = argc > 1 && (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0);
    long from, to;
    int first = 1;
    size_t count = 0;

    if (argc > 1 && !read_ports(argv[1], &from, &to)) host = argv[first++];
    bool valid = first < argc && host[0] != '-' && host[0] != '\0';
    for (int i = first; i < argc; i++) valid = valid && read_ports(argv[i], &from, &to);
    if (help || !valid) return fputs(usage, help ? stdout : stderr), help ? 0 : 2;
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ); /* each line at once, into a pipe too */
    signal(SIGPIPE, SIG_IGN);              /* nobody reads our output any more: the write fails */

    /* every address of the name: what is open on one may be closed on another */
    int error = getaddrinfo(host, NULL, &hints, &addresses);
    if (error != 0) return report("resolve", host, gai_strerror(error));
    for (struct addrinfo *a = addresses; a != NULL; a = a->ai_next)
        for (int i = first; i < argc; i++)
            if (read_ports(argv[i], &from, &to)) count = add(attempts, count, a, from, to);
    check(attempts, count);
    freeaddrinfo(addresses);
    return 0;
}
