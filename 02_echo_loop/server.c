/*
 * server.c - lesson 02, a conversation: every message is answered, client after client.
 *
 * Run:         ./server [HOST [PORT [REPLY]]]
 * Talk to it:  ./client, in a second terminal
 * New:         two loops, around recv and around accept; Ctrl-C ends it in good order
 * Not yet:     a second client waits until the first one leaves: lesson 03
 */
#define _POSIX_C_SOURCE 200809L /* without it, -std=c17 hides the socket functions */
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    ARGUMENTS = 3,       /* HOST, PORT, REPLY */
    LOWEST_PORT = 0,     /* 0: the kernel picks a free port */
    BACKLOG = 128,       /* connections that may wait for accept */
    RECEIVE_SIZE = 1024, /* bytes that one recv takes at most */
    REPLY_SIZE = 4096,   /* bytes that REPLY may have, its terminating zero included */
    ADDRESS_SIZE = 80,   /* bytes of an address in words, up to [IPv6%interface]:port */
};
static const char *host = "127.0.0.1", *port = "19534", *reply = "Echo: {}";
static const char program[] = "server";
static const char usage[] = "usage: server [HOST [PORT [REPLY]]]    (127.0.0.1 19534 'Echo: {}')\n"
                            "PORT 0 to 65535, 0: any free one; {} in REPLY: what was received\n";

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

/* Sends all count bytes. Returns 0, or -1 with errno: some may have arrived. POSIX send(2) */
static int send_all(int socket, const char *bytes, size_t count) {
    for (size_t sent = 0; sent < count;) {
        ssize_t taken = send(socket, bytes + sent, count - sent, 0);
        if (taken == -1 && errno != EINTR) return -1; /* EINTR: only a signal */
        if (taken > 0) sent += (size_t)taken;
    }
    return 0;
}

/* Writes into answer the template, the received bytes in the place of its first {}: one buffer,
 * for one send. Returns the bytes of the answer, less than REPLY_SIZE + count. */
static size_t fill_in(char *answer, const char *template, const char *received, size_t count) {
    const char *mark = strstr(template, "{}");
    if (mark == NULL) return strlen(strcpy(answer, template));
    size_t before = (size_t)(mark - template), after = strlen(mark + 2);
    memcpy(answer, template, before);
    memcpy(answer + before, received, count);
    memcpy(answer + before + count, mark + 2, after);
    return before + count + after;
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

/* After a failed accept, mostly for want of descriptors: says why, every 10 s at most, and waits
 * 100 ms, so that the server neither ends nor spins. Returns true: try again. */
static bool accept_failed(const char *name) {
    static _Atomic time_t said; /* 04 calls it in many threads */
    if (time(NULL) - said >= 10) report("accept", name, strerror(errno)), said = time(NULL);
    nanosleep(&(struct timespec){.tv_nsec = 100 * 1000 * 1000}, NULL);
    return true;
}

/* ---- The lesson ---- */

/* Talks with one client. Returns 0, or 1 after a failure that it has reported. POSIX recv(2) */
static int serve_client(int client) {
    char received[RECEIVE_SIZE], peer[ADDRESS_SIZE];
    char text[REPLY_SIZE + 4 * RECEIVE_SIZE + 1]; /* the line to print first, then the answer */
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    ssize_t count;

    getpeername(client, (struct sockaddr *)&address, &size);
    printf("%s connected\n", address_name(&address, size, peer));
    while ((count = recv(client, received, sizeof received, 0)) > 0) {
        printf("%s sent %zd bytes: %s\n", peer, count, shown(received, (size_t)count, text));
        if (send_all(client, text, fill_in(text, reply, received, (size_t)count)) == -1)
            return report("send", peer, strerror(errno));
    }
    if (count == -1) return report("recv", peer, strerror(errno));
    printf("%s finished\n", peer);
    return 0;
}

int main(int argc, char *argv[]) {
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    char name[ADDRESS_SIZE];
    int client;

    read_arguments(argc, argv);
    if (argc > 3) reply = argv[3];
    if (strlen(reply) >= REPLY_SIZE) return fputs(usage, stderr), 2;
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ); /* each line at once, into a pipe too */
    signal(SIGPIPE, SIG_IGN);              /* sending to a client that has left fails, no more */
    struct sigaction end = {.sa_handler = stop};
    sigaction(SIGINT, &end, NULL);
    sigaction(SIGTERM, &end, NULL);

    /* 1. create, 2. bind, 3. listen */
    int listener = open_listener();
    getsockname(listener, (struct sockaddr *)&address, &size);
    printf("listening on %s\n", address_name(&address, size, name));

    /* 4. accept: the client gets a socket of its own */
    while ((client = accept(listener, NULL, NULL)) != -1 || accept_failed(name)) {
        if (client == -1) continue;

        /* 5. talk */
        serve_client(client);

        /* 6. close */
        close(client);
    }
}
