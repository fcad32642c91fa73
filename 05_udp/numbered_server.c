/*
 * numbered_server.c - lesson 05, datagrams with a number: the answer carries its request's number.
 *
 * Run:         ./numbered_server [HOST [PORT [REPLY]]]
 * Talk to it:  ./numbered_client, in a second terminal
 * New:         a header: 4 bytes before the text, a number in network byte order
 * Not yet:     it answers a repeated request again; where that must not happen (a payment), the
 *              server has to remember which numbers it has answered
 */
#define _POSIX_C_SOURCE 200809L /* without it, -std=c17 hides the socket functions */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
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
    ARGUMENTS = 3,       /* HOST, PORT, REPLY */
    LOWEST_PORT = 0,     /* 0: the kernel picks a free port */
    RECEIVE_SIZE = 1024, /* bytes of a datagram that we take at most; the largest has 65,507 */
    HEADER_SIZE = 4,     /* of these: the number */
    REPLY_SIZE = 131072, /* bytes that REPLY may have, its terminating zero included */
    ADDRESS_SIZE = 80,   /* bytes of an address in words, up to [IPv6%interface]:port */
};
#ifdef __linux__ /* recv returns a datagram's real length, also when it took less of it */
enum { ROOM = RECEIVE_SIZE, FLAGS = MSG_TRUNC };
static const char at_least[] = "";
#else /* a byte more than we take tells that it was longer, not by how much */
enum { ROOM = RECEIVE_SIZE + 1, FLAGS = 0 };
static const char at_least[] = "at least ";
#endif
static const char *host = "127.0.0.1", *port = "19535", *reply = "Echo: {}";
static const char program[] = "numbered_server";
static const char usage[] =
    "usage: numbered_server [HOST [PORT [REPLY]]]    (127.0.0.1 19535 'Echo: {}')\n"
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

/* Returns a datagram socket bound to the first address of HOST that works; if none does, ends the
 * program with exit status 1. POSIX getaddrinfo(3), socket(2), bind(2) */
static int open_socket(void) {
    struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_DGRAM}, *addresses;
    char name[ADDRESS_SIZE];
    int error = getaddrinfo(host, port, &hints, &addresses);
    if (error != 0) exit(report("resolve", host, gai_strerror(error)));
    for (struct addrinfo *a = addresses; a != NULL; a = a->ai_next) {
        address_name(a->ai_addr, a->ai_addrlen, name);
        int server = socket(a->ai_family, a->ai_socktype, a->ai_protocol); /* 1. create */
        if (server == -1) continue;
        /* :: is to serve IPv4 too; no SO_REUSEADDR: here it would let two servers share a port */
        if (a->ai_family == AF_INET6)
            setsockopt(server, IPPROTO_IPV6, IPV6_V6ONLY, &(int){0}, sizeof(int));
        if (bind(server, a->ai_addr, a->ai_addrlen) == 0) { /* 2. bind */
            freeaddrinfo(addresses);
            return server;
        }
        close(server);
    }
    exit(report("bind", name, strerror(errno)));
}

/* Ends the program on SIGINT and SIGTERM, wherever it is: POSIX allows _exit(2) at any moment. */
static void stop(int number) {
    (void)number;
    _exit(0);
}

/* After a failed recvfrom, mostly for want of memory: says why, every 10 s at most, and waits
 * 100 ms, so that the server neither ends nor spins. */
static void receive_failed(const char *name) {
    static time_t said;
    if (time(NULL) - said >= 10) {
        report("recvfrom", name, strerror(errno));
        said = time(NULL);
    }
    nanosleep(&(struct timespec){.tv_nsec = 100 * 1000 * 1000}, NULL);
}

/* ---- The lesson ---- */

/* Receives one datagram and answers it. Returns 0, or 1 after a failure that it has reported.
 * POSIX recvfrom(2), sendto(2), ntohl(3) */
static int serve_numbered(int server, const char *name) {
    static char received[ROOM];
    static char text[REPLY_SIZE + 4 * RECEIVE_SIZE + 1]; /* the line to print, then the answer */
    char peer[ADDRESS_SIZE];
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    ssize_t length;
    uint32_t number;

    /* 3. receive: a whole datagram, and who sent it */
    while ((length = recvfrom(server, received, ROOM, FLAGS, (struct sockaddr *)&address, &size)) ==
           -1)
        receive_failed(name);
    address_name(&address, size, peer);
    if (length < HEADER_SIZE) {
        printf("%s sent %zd bytes, too few for a number: %s\n", peer, length,
               shown(received, (size_t)length, text));
        return 0; /* none of our clients: nothing to answer */
    }
    bool cut = length > RECEIVE_SIZE; /* the rest of it is gone: no recv will bring it */
    size_t count = (cut ? RECEIVE_SIZE : (size_t)length) - HEADER_SIZE;
    memcpy(&number, received, HEADER_SIZE);
    printf("%s sent number %lu, %s%zd bytes%s: %s\n", peer, (unsigned long)ntohl(number),
           cut ? at_least : "", length - HEADER_SIZE, cut ? ", cut off after 1020" : "",
           shown(received + HEADER_SIZE, count, text));

    /* 4. send: the number as it came, then the reply */
    memcpy(text, &number, HEADER_SIZE);
    count = HEADER_SIZE + fill_in(text + HEADER_SIZE, reply, received + HEADER_SIZE, count);
    if (sendto(server, text, count, 0, (struct sockaddr *)&address, size) == -1)
        return report("sendto", peer, strerror(errno));
    return 0;
}

int main(int argc, char *argv[]) {
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    char name[ADDRESS_SIZE];

    read_arguments(argc, argv);
    if (argc > 3) reply = argv[3];
    if (strlen(reply) >= REPLY_SIZE) return fputs(usage, stderr), 2;
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ); /* each line at once, into a pipe too */
    signal(SIGPIPE, SIG_IGN);              /* nobody reads our output any more: serve on */
    struct sigaction end = {.sa_handler = stop};
    sigaction(SIGINT, &end, NULL);
    sigaction(SIGTERM, &end, NULL);

    /* 1. create, 2. bind: neither listen nor accept, as there are no connections */
    int server = open_socket();
    getsockname(server, (struct sockaddr *)&address, &size);
    printf("listening on %s\n", address_name(&address, size, name));

    /* 3. receive, 4. send, again and again */
    for (;;) serve_numbered(server, name);
}
