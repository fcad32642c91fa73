/*
 * client.c - lesson 02, a conversation: each line is sent, each answer printed.
 *
 * Run:         ./client [HOST [PORT]]      (an empty line or Ctrl-D ends it)
 * Talk to it:  ./server, first, in another terminal
 * New:         a loop around send and recv
 * Not yet:     an answer that comes in two pieces, or unasked: lesson 03
 */
#define _POSIX_C_SOURCE 200809L /* without it, -std=c17 hides the socket functions */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum {
    ARGUMENTS = 2,       /* HOST, PORT */
    LOWEST_PORT = 1,     /* nobody listens on port 0 */
    RECEIVE_SIZE = 1024, /* bytes that one recv takes at most */
    ADDRESS_SIZE = 80,   /* bytes of an address in words, up to [IPv6%interface]:port */
    PATIENCE = 5,        /* seconds to wait for a silent server, as silence says, too */
};
static const char *host = "127.0.0.1", *port = "19534";
static const char silence[] = "no answer within 5 seconds: is it busy?";
static const char program[] = "client";
static const char usage[] = "usage: client [HOST [PORT]]    (127.0.0.1 19534)\n"
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

/* Receives bytes into received. Returns how many, 0 at the end, -1 with errno. POSIX recv(2) */
static ssize_t receive(int server, char received[RECEIVE_SIZE]) {
    ssize_t count;
    do count = recv(server, received, RECEIVE_SIZE, 0);
    while (count == -1 && errno == EINTR); /* only a signal; the wait begins anew */
    return count;
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

/* Sends size bytes and prints the answer. Returns 0, or 1 after a failure it has reported. */
static int exchange(int server, const char *peer, const char *message, size_t size) {
    char received[RECEIVE_SIZE], text[4 * RECEIVE_SIZE + 1];

    /* 3. send */
    if (send_all(server, message, size) == -1) return report("send", peer, why());

    /* 4. receive */
    ssize_t count = receive(server, received);
    if (count == -1) return report("recv", peer, why());
    if (count == 0) return report("recv", peer, "the server closed without an answer");
    printf("%s\n", shown(received, (size_t)count, text));
    if (ferror(stdout)) return report("write", "standard output", strerror(errno));
    return 0;
}

int main(int argc, char *argv[]) {
    char peer[ADDRESS_SIZE], *line = NULL;
    size_t size = 0;
    ssize_t length = 0;
    int status = 0;

    read_arguments(argc, argv);
    if (fcntl(STDIN_FILENO, F_GETFD) == -1)
        return report("read", "standard input", strerror(errno));
    if (fcntl(STDOUT_FILENO, F_GETFD) == -1 || fcntl(STDERR_FILENO, F_GETFD) == -1)
        return report("write", "standard output", strerror(errno)); /* or the socket would get it */
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ); /* each line at once, into a pipe too */
    signal(SIGPIPE, SIG_IGN);              /* sending to a server that has left fails, no more */

    /* 1. create, 2. connect */
    int server = connect_to_server(peer);

    /* 3. send, 4. receive, again and again */
    bool terminal = isatty(STDIN_FILENO);
    while (status == 0) {
        if (terminal) fputs("message (an empty line ends): ", stdout), fflush(stdout);
        if ((length = getline(&line, &size, stdin)) == -1) break;
        if (line[length - 1] == '\n') length--;
        if (length == 0) break;
        status = exchange(server, peer, line, (size_t)length);
    }
    if (length == -1 && !feof(stdin)) status = report("read", "standard input", strerror(errno));
    if (length == -1 && feof(stdin) && terminal) puts(""); /* the shell's prompt gets a new line */

    /* 5. close */
    free(line);
    close(server);
    return status;
}
