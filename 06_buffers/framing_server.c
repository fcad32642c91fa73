/*
 * framing_server.c - lesson 06, messages in a stream: ten of them, received in three ways.
 *
 * Run:         ./framing_server [HOST [PORT]]
 * Talk to it:  ./framing_client, in a second terminal
 * New:         TCP keeps the bytes and their order, not the messages' ends: a length before each,
 *              or a newline behind it, brings them back, and tells a whole talk from a broken one
 * Not yet:     a text with a newline in it cannot go by newline
 */
#define _POSIX_C_SOURCE 200809L /* without it, -std=c17 hides the socket functions */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ARGUMENTS = 2,       /* HOST, PORT */
    LOWEST_PORT = 0,     /* 0: the kernel picks a free port */
    BACKLOG = 128,       /* connections that may wait for accept */
    RECEIVE_SIZE = 16,   /* bytes that one recv takes at most: few, so that messages are split */
    MESSAGE_SIZE = 1024, /* bytes that a message may have: a peer's length is not to be believed */
    ADDRESS_SIZE = 80,   /* bytes of an address in words, up to [IPv6%interface]:port */
};
static const char *host = "127.0.0.1", *port = "19536";
static const char program[] = "framing_server";
static const char usage[] = "usage: framing_server [HOST [PORT]]    (127.0.0.1 19536)\n"
                            "PORT 0 to 65535, 0: any free one\n";

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

/* Returns the bytes of the character at text, which has size bytes; 0 if that is no valid UTF-8
 * or a control character, which could drive the terminal. RFC 3629 4 */
static size_t printable(const char *text, size_t size) {
    int first = (unsigned char)text[0], two = size < 2 ? 0 : first << 8 | (unsigned char)text[1];
    size_t length = first >= ' ' && first <= '~' ? 1 : 0;
    if (two >= 0xC2A0 && two <= 0xDFBF) length = 2;
    if (two >= 0xE0A0 && two <= 0xEFBF) length = 3;
    if (two >= 0xEDA0 && two <= 0xEDBF) length = 0; /* surrogates: UTF-16's */
    if (two >= 0xF090 && two <= 0xF48F) length = 4;
    for (size_t i = 1; i < length; i++)
        if (i == size || (text[i] & 0xC0) != 0x80) return 0;
    return length;
}

/* Returns text, of 4 * count + 1 bytes, with bytes on one line, as a C string shows them. */
static char *shown(const char *bytes, size_t count, char *text) {
    static const char letters[256] = {['\n'] = 'n', ['\t'] = 't', ['\r'] = 'r', ['\\'] = '\\'};
    char *end = text;
    for (size_t i = 0, length; i < count; i += length) {
        unsigned char c = (unsigned char)bytes[i];
        length = letters[c] != '\0' ? 0 : printable(bytes + i, count - i);
        memcpy(end, bytes + i, length);
        end += length;
        if (length > 0) continue;
        end += letters[c] != '\0' ? snprintf(end, 3, "\\%c", letters[c])
                                  : snprintf(end, 5, "\\x%02x", c);
        length = 1;
    }
    *end = '\0';
    return text;
}

/* Returns a socket that listens on the first address of HOST that works; if none does, ends the
 * program with exit status 1. POSIX getaddrinfo(3), socket(2), bind(2), listen(2) */
static int open_listener(void) {
    struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM}, *addresses, *a;
    char name[ADDRESS_SIZE];
    int listener = -1, error = getaddrinfo(host, port, &hints, &addresses);
    if (error != 0) exit(report("resolve", host, gai_strerror(error)));
    for (a = addresses; a != NULL; a = a->ai_next) {
        address_name(a->ai_addr, a->ai_addrlen, name);
        listener = socket(a->ai_family, a->ai_socktype, a->ai_protocol); /* 1. create */
        if (listener == -1) continue;
        /* what is left of an earlier run's connections must not keep the port from us */
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
        if (bind(listener, a->ai_addr, a->ai_addrlen) == 0 && /* 2. bind */
            listen(listener, BACKLOG) == 0)                   /* 3. listen */
            break;
        close(listener);
    }
    if (a == NULL) exit(report("bind", name, strerror(errno)));
    freeaddrinfo(addresses);
    return listener;
}

/* Ends the program on SIGINT and SIGTERM, wherever it is: POSIX allows _exit(2) at any moment. */
static void stop(int number) {
    (void)number;
    _exit(0);
}

/* ---- The lesson ---- */

/* Says that the client's messages broke off, and after how many. Returns 1. */
static int broken(const char *peer, ssize_t count, int messages) {
    char reason[80];
    snprintf(reason, sizeof reason, "the client left after %d whole messages", messages);
    return report("recv", peer, count == -1 ? strerror(errno) : reason);
}

/* Says that a message has more than MESSAGE_SIZE bytes. Returns 1. */
static int too_long(const char *peer) {
    return report("recv", peer, "a message of more than 1024 bytes");
}

/* Prints a message that came whole. */
static void print_message(int number, const char *message, size_t size) {
    char text[4 * MESSAGE_SIZE + 1];
    printf("  message %d: %zu bytes: %s\n", number, size, shown(message, size, text));
}

/* Receives count bytes, in as many recvs as it takes. Returns count; less if the client's bytes
 * end before; -1 with errno. POSIX recv(2) */
static ssize_t receive_exactly(int client, void *bytes, size_t count) {
    size_t have = 0;
    while (have < count) {
        ssize_t more = recv(client, (char *)bytes + have, count - have, 0);
        if (more == -1) return -1;
        if (more == 0) break;
        have += (size_t)more;
    }
    return (ssize_t)have;
}

/* The wrong way: takes each recv for a message. Returns 0, or 1 after a failure it has reported. */
static int as_recv_gives_them(int client, const char *peer) {
    char received[MESSAGE_SIZE], text[4 * RECEIVE_SIZE + 1];
    int recvs = 0;
    /* looks at the bytes and leaves them there until all have come: a server that was busy */
    ssize_t count = recv(client, received, sizeof received, MSG_PEEK | MSG_WAITALL);
    while (count > 0 && (count = recv(client, received, RECEIVE_SIZE, 0)) > 0)
        printf("  recv %d: %zd bytes: %s\n", ++recvs, count, shown(received, (size_t)count, text));
    if (count == -1) return broken(peer, count, 0);
    printf("  the end: %d recvs; whether the client was done, nothing tells\n", recvs);
    return 0;
}

/* Four bytes, in network byte order, tell how many bytes the message has; none: the end. Returns
 * 0, or 1 after a failure that it has reported. POSIX ntohl(3) */
static int by_length(int client, const char *peer) {
    char message[MESSAGE_SIZE];
    for (int number = 1;; number++) {
        uint32_t length;
        ssize_t count = receive_exactly(client, &length, sizeof length);
        if (count != sizeof length) return broken(peer, count, number - 1);
        size_t size = ntohl(length);
        if (size > sizeof message) return too_long(peer);
        if (size == 0) return printf("  the end: %d messages\n", number - 1), 0;
        count = receive_exactly(client, message, size);
        if (count != (ssize_t)size) return broken(peer, count, number - 1);
        print_message(number, message, size);
    }
}

/* A newline ends each message; an empty one: the end. What came behind the newline is kept for the
 * next message. Returns 0, or 1 after a failure that it has reported. */
static int by_newline(int client, const char *peer) {
    char line[MESSAGE_SIZE + RECEIVE_SIZE], *newline;
    size_t have = 0;
    ssize_t count;
    int messages = 0;
    while ((count = recv(client, line + have, RECEIVE_SIZE, 0)) > 0) {
        have += (size_t)count;
        while ((newline = memchr(line, '\n', have)) != NULL) {
            size_t size = (size_t)(newline - line);
            if (size == 0) return printf("  the end: %d messages\n", messages), 0;
            if (size > MESSAGE_SIZE) return too_long(peer);
            print_message(++messages, line, size);
            have -= size + 1;
            memmove(line, newline + 1, have);
        }
        if (have > MESSAGE_SIZE) return too_long(peer);
    }
    return broken(peer, count, messages);
}

int main(int argc, char *argv[]) {
    static const struct {
        const char *name;
        int (*receive)(int client, const char *peer);
    } ways[] = {{"as recv gives them", as_recv_gives_them},
                {"by length", by_length},
                {"by newline", by_newline}};
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    char name[ADDRESS_SIZE];
    int client, status = 0;

    read_arguments(argc, argv);
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ); /* each line at once, into a pipe too */
    signal(SIGPIPE, SIG_IGN);              /* a reader of our output that has left is no trouble */
    struct sigaction end = {.sa_handler = stop};
    sigaction(SIGINT, &end, NULL);
    sigaction(SIGTERM, &end, NULL);

    /* 1. create, 2. bind, 3. listen */
    int listener = open_listener();
    getsockname(listener, (struct sockaddr *)&address, &size);
    printf("listening on %s\n", address_name(&address, size, name));

    for (size_t way = 0; way < sizeof ways / sizeof ways[0] && status == 0; way++) {
        /* 4. accept: a connection for each way */
        size = sizeof address;
        client = accept(listener, (struct sockaddr *)&address, &size);
        if (client == -1) return report("accept", name, strerror(errno));
        printf("%s:\n", ways[way].name);

        /* 5. talk */
        address_name(&address, size, name);
        status = ways[way].receive(client, name);

        /* 6. close */
        close(client);
    }
    return status;
}
