/*
 * numbered_client.c - lesson 05, datagrams with a number: only the answer to this line counts.
 *
 * Run:         ./numbered_client [HOST [PORT]]      (Ctrl-D ends it)
 * Talk to it:  ./numbered_server, in another terminal; ../scripts/lossy_relay.py between the two
 * New:         a header: 4 bytes before the text, a number in network byte order
 * Not yet:     it counts from 1, so a forger can guess the number; real protocols begin anywhere
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
    ARGUMENTS = 2,       /* HOST, PORT */
    LOWEST_PORT = 1,     /* nobody listens on port 0 */
    RECEIVE_SIZE = 1024, /* bytes of a datagram that we take at most; the largest has 65,507 */
    HEADER_SIZE = 4,     /* of these: the number */
    ADDRESS_SIZE = 80,   /* bytes of an address in words, up to [IPv6%interface]:port */
    PATIENCE = 1,        /* seconds to wait for the answer */
    TRIES = 3,           /* how often a line is sent at most */
};
#ifdef __linux__ /* recv returns a datagram's real length, also when it took less of it */
enum { ROOM = RECEIVE_SIZE, FLAGS = MSG_TRUNC };
static const char at_least[] = "";
#else /* a byte more than we take tells that it was longer, not by how much */
enum { ROOM = RECEIVE_SIZE + 1, FLAGS = 0 };
static const char at_least[] = "at least ";
#endif
static const char *host = "127.0.0.1", *port = "19535";
static const char program[] = "numbered_client";
static const char usage[] = "usage: numbered_client [HOST [PORT]]    (127.0.0.1 19535)\n"
                            "PORT 1 to 65535; sends each line of standard input\n";

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

/* Returns the addresses of HOST; if it has none, ends the program with exit status 1. Nothing
 * tells yet whether a server is there. POSIX getaddrinfo(3) */
static struct addrinfo *find_addresses(void) {
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM}, *addresses;
    int error = getaddrinfo(host, port, &hints, &addresses);
    if (error != 0) exit(report("resolve", host, gai_strerror(error)));
    return addresses;
}

/* Returns errno in words: EAGAIN is how a wait ends that took too long. */
static const char *reason(void) {
    bool timed_out = errno == EAGAIN || errno == EWOULDBLOCK;
    return timed_out ? "no answer, sent 3 times, 1 second each" : strerror(errno);
}

/* ---- The lesson ---- */

static char peer[ADDRESS_SIZE];       /* the address in use */
static const struct addrinfo *chosen; /* where to begin: the first, or the one that answered */
static const char *operation;         /* what was done last, for the report if it failed */
static int server = -1;

/* Prints an answer, of which the first RECEIVE_SIZE bytes are at received, without its first
 * header bytes. Returns 0, or 1 after a failure that it has reported: a cut answer is one. */
static int print_answer(const char *received, ssize_t length, size_t header) {
    char text[4 * RECEIVE_SIZE + 1], problem[ADDRESS_SIZE];
    bool cut = length > RECEIVE_SIZE; /* the rest of it is gone: no recv will bring it */
    size_t count = cut ? RECEIVE_SIZE : (size_t)length;

    printf("%s\n", shown(received + header, count - header, text));
    if (ferror(stdout)) return report("write", "standard output", strerror(errno));
    snprintf(problem, sizeof problem, "an answer of %s%zd bytes, cut off after %d", at_least,
             length, RECEIVE_SIZE);
    return cut ? report("recv", peer, problem) : 0;
}

/* Returns the microseconds since some fixed moment. POSIX clock_gettime(2) */
static long long microseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

/* Waits PATIENCE seconds in all for the answer with this header, and drops every other. Returns
 * the answer's length; -1 with errno, EAGAIN when none came. POSIX recv(2), SO_RCVTIMEO */
static ssize_t receive_answer(uint32_t header, char received[ROOM]) {
    char problem[ADDRESS_SIZE];
    long long left, deadline = microseconds() + PATIENCE * 1000000LL;
    snprintf(problem, sizeof problem, "dropped what is no answer to number %lu",
             (unsigned long)ntohl(header));
    while ((left = deadline - microseconds()) > 0) {
        struct timeval patience = {.tv_sec = (time_t)(left / 1000000),
                                   .tv_usec = (suseconds_t)(left % 1000000)};
        setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        ssize_t length = recv(server, received, ROOM, FLAGS);
        if (length == -1 && errno == EINTR) continue; /* only a signal */
        if (length == -1) return -1;
        if (length >= HEADER_SIZE && memcmp(received, &header, HEADER_SIZE) == 0) return length;
        report("recv", peer, problem);
    }
    errno = EAGAIN;
    return -1;
}

/* Sends a line with its number, TRIES times at most, until its answer comes. Returns the answer's
 * length; -1 with errno, EAGAIN when none came. POSIX sendmsg(2), htonl(3) */
static ssize_t ask_numbered(uint32_t number, char *message, size_t size, char received[ROOM]) {
    uint32_t header = htonl(number);
    struct iovec parts[] = {{&header, sizeof header}, {message, size}};
    struct msghdr request = {.msg_iov = parts, .msg_iovlen = 2};
    ssize_t length = -1;
    for (int tries = 0; tries < TRIES; tries++) {
        /* 3. send: number and line together in one datagram, the same each time */
        operation = "send";
        if (sendmsg(server, &request, 0) == -1) return -1;

        /* 4. receive */
        operation = "recv";
        length = receive_answer(header, received);
        if (length != -1 || (errno != EAGAIN && errno != EWOULDBLOCK)) break;
    }
    return length;
}

/* Sends a line and prints the answer. Returns 0, or 1 after a failure that it has reported. One
 * socket serves for all lines: the number tells whose answer it is. POSIX socket(2), connect(2) */
static int exchange_numbered(char *message, size_t size) {
    static uint32_t number; /* of the line; after 4,294,967,295 it begins again at 0 */
    char received[ROOM];
    ssize_t length = -1;
    number++;
    for (const struct addrinfo *a = chosen; a != NULL && length == -1; a = a->ai_next) {
        address_name(a->ai_addr, a->ai_addrlen, peer);
        operation = "connect";
        if (server == -1) {
            server = socket(a->ai_family, a->ai_socktype, a->ai_protocol); /* 1. create */
            if (server == -1) continue;
            if (connect(server, a->ai_addr, a->ai_addrlen) == -1) { /* 2. connect */
                close(server);
                server = -1;
                continue;
            }
        }
        length = ask_numbered(number, message, size, received);
        if (length != -1) {
            chosen = a;
        } else {
            close(server);
            server = -1;
        }
    }
    return length == -1 ? report(operation, peer, reason())
                        : print_answer(received, length, HEADER_SIZE);
}

int main(int argc, char *argv[]) {
    char *line = NULL;
    size_t size = 0;
    ssize_t length = 0;
    int status = 0;

    read_arguments(argc, argv);
    if (fcntl(STDIN_FILENO, F_GETFD) == -1)
        return report("read", "standard input", strerror(errno));
    if (fcntl(STDOUT_FILENO, F_GETFD) == -1 || fcntl(STDERR_FILENO, F_GETFD) == -1)
        return report("write", "standard output", strerror(errno)); /* or the socket would get it */
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ); /* each line at once, into a pipe too */
    signal(SIGPIPE, SIG_IGN);              /* nobody reads our output any more: the write fails */
    struct addrinfo *addresses = find_addresses();
    chosen = addresses;

    /* 1. create, 2. connect at the first line, 3. send, 4. receive, again and again */
    bool terminal = isatty(STDIN_FILENO);
    while (status == 0) {
        if (terminal) fputs("message (Ctrl-D ends): ", stdout), fflush(stdout);
        if ((length = getline(&line, &size, stdin)) == -1) break;
        if (line[length - 1] == '\n') length--;
        status = exchange_numbered(line, (size_t)length);
    }
    if (length == -1 && !feof(stdin)) status = report("read", "standard input", strerror(errno));
    if (length == -1 && feof(stdin) && terminal) puts(""); /* the shell's prompt gets a new line */

    /* 5. close */
    free(line);
    if (server != -1) close(server);
    freeaddrinfo(addresses);
    return status;
}
