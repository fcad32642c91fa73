/*
 * framing_client.c - lesson 06, messages in a stream: ten of them, sent in three ways.
 *
 * Run:         ./framing_client [HOST [PORT]]
 * Talk to it:  ./framing_server, first, in another terminal
 * New:         a length before each message, or a newline behind it; the end is a message too
 * Not yet:     an answer that says which messages were taken
 */
#define _POSIX_C_SOURCE 200809L /* without it, -std=c17 hides the socket functions */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum {
    ARGUMENTS = 2,     /* HOST, PORT */
    LOWEST_PORT = 1,   /* nobody listens on port 0 */
    MESSAGES = 10,     /* and an empty one behind them: the end */
    FRAME_SIZE = 32,   /* bytes of the longest message with its length or newline */
    ADDRESS_SIZE = 80, /* bytes of an address in words, up to [IPv6%interface]:port */
    PATIENCE = 5,      /* seconds to wait for a silent server */
};
static const char *host = "127.0.0.1", *port = "19536";
static const char silence[] = "no answer within 5 seconds: is it busy?";
static const char program[] = "framing_client";
static const char usage[] = "usage: framing_client [HOST [PORT]]    (127.0.0.1 19536)\n"
                            "PORT 1 to 65535\n";

/* ---- Helpers: the same text in every lesson that has them ---- */

/* Takes HOST and PORT from the arguments; ends the program for help (0) or wrong usage (2). */
static void read_arguments(int argc, char *argv[]) {
    if (argc > 1) host = argv[1];
    if (argc > 2) port = argv[2];
    bool help = strcmp(host, "-h") == 0 || strcmp(host, "--help") == 0, option = host[0] == '-';
    long number = port[strspn(port, "0123456789")] == '\0' ? strtol(port, NULL, 10) : -1;
    bool valid = port[0] != '\0' && number >= LOWEST_PORT && number <= 65535;
    if (valid && !option && argc <= 1 + ARGUMENTS) return;
    fputs(usage, help ? stdout : stderr);
    exit(help ? 0 : 2);
}

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

/* Sends all count bytes. Returns 0, or -1 with errno: some may have arrived. POSIX send(2) */
static int send_all(int socket, const char *bytes, size_t count) {
    for (size_t sent = 0; sent < count;) {
        ssize_t taken = send(socket, bytes + sent, count - sent, 0);
        if (taken == -1 && errno != EINTR) return -1; /* EINTR: only a signal */
        if (taken > 0) sent += (size_t)taken;
    }
    return 0;
}

/* Returns errno in words: the four named here are how a wait ends that took too long. */
static const char *why(void) {
    bool timed_out = errno == EAGAIN || errno == EWOULDBLOCK || errno == EINPROGRESS ||
                     errno == EALREADY; /* connect again, after a signal */
    return timed_out ? silence : strerror(errno);
}

/* Returns a socket connected to the first address of HOST that answers, and its name in peer; if
 * none does, ends the program with exit status 1. POSIX getaddrinfo(3), socket(2), connect(2) */
static int connect_to_server(char peer[ADDRESS_SIZE]) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *addresses, *a;
    struct timeval patience = {.tv_sec = PATIENCE};
    int server = -1, error = getaddrinfo(host, port, &hints, &addresses);
    if (error != 0) exit(report("resolve", host, gai_strerror(error)));
    for (a = addresses; a != NULL; a = a->ai_next) {
        address_name(a->ai_addr, a->ai_addrlen, peer);
        server = socket(a->ai_family, a->ai_socktype, a->ai_protocol); /* 1. create */
        if (server == -1) continue;
        setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        setsockopt(server, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        do error = connect(server, a->ai_addr, a->ai_addrlen); /* 2. connect */
        while (error == -1 && errno == EINTR);
        if (error == 0) break;
        close(server);
    }
    if (a == NULL) exit(report("connect", peer, why()));
    freeaddrinfo(addresses);
    return server;
}

/* ---- The lesson ---- */

/* Each way writes one message as it goes over the wire into frame, and returns its bytes. */
static size_t as_it_is(char *frame, const char *message) {
    return strlen(strcpy(frame, message));
}

/* The message behind its length, four bytes in network byte order. POSIX htonl(3) */
static size_t with_length(char *frame, const char *message) {
    uint32_t length = htonl((uint32_t)strlen(message));
    memcpy(frame, &length, sizeof length);
    return sizeof length + strlen(strcpy(frame + sizeof length, message));
}

/* The message, and a newline behind it. */
static size_t with_newline(char *frame, const char *message) {
    return (size_t)snprintf(frame, FRAME_SIZE, "%s\n", message);
}

/* Sends the messages back to back, a send for each, and waits until the server has closed, for 5 s
 * or, if it talks, about twice that. Returns the bytes sent, or -1 with errno. POSIX shutdown(2) */
static long send_messages(int server, size_t (*write_frame)(char *frame, const char *message)) {
    static const char *messages[] = {"one",   "two",   "three", "four", "five", "six",
                                     "seven", "eight", "nine",  "ten",  ""};
    char frame[FRAME_SIZE];
    long bytes = 0;
    for (int i = 0; i <= MESSAGES; i++) {
        size_t size = write_frame(frame, messages[i]);
        if (send_all(server, frame, size) == -1) return -1;
        bytes += (long)size;
    }
    if (shutdown(server, SHUT_WR) == -1) return -1;
    time_t deadline = time(NULL) + PATIENCE;
    ssize_t count; /* of what it says: unread, that would make of our close a reset */
    do count = recv(server, frame, sizeof frame, 0);
    while (count == -1 ? errno == EINTR : count > 0 && time(NULL) <= deadline);
    return count == -1 ? -1 : bytes;
}

int main(int argc, char *argv[]) {
    static const struct {
        const char *name;
        size_t (*write_frame)(char *frame, const char *message);
    } ways[] = {{"as they are", as_it_is},
                {"each behind its length", with_length},
                {"each with a newline", with_newline}};
    char peer[ADDRESS_SIZE];

    read_arguments(argc, argv);
    if (fcntl(STDOUT_FILENO, F_GETFD) == -1 || fcntl(STDERR_FILENO, F_GETFD) == -1)
        return report("write", "standard output", strerror(errno)); /* or the socket would get it */
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ); /* each line at once, into a pipe too */
    signal(SIGPIPE, SIG_IGN);              /* sending to a server that has left fails, no more */

    for (size_t way = 0; way < sizeof ways / sizeof ways[0]; way++) {
        /* 1. create, 2. connect */
        int server = connect_to_server(peer);

        /* 3. send, 4. receive the end */
        long bytes = send_messages(server, ways[way].write_frame);
        if (bytes == -1) return report("send", peer, why());
        printf("sent %d messages, %s: %ld bytes\n", MESSAGES, ways[way].name, bytes);
        if (ferror(stdout)) return report("write", "standard output", strerror(errno));

        /* 5. close */
        close(server);
    }
    return 0;
}
