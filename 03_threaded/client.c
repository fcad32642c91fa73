/*
 * client.c - lesson 03, many at once: one thread sends, another prints what arrives.
 *
 * Run:         ./client [HOST [PORT]]      (exit, an empty line or Ctrl-D ends it)
 * Talk to it:  ./server, first, in another terminal
 * New:         a second thread, so that an answer may come at any time, in pieces, or unasked
 * Not yet:     where one answer ends and the next begins: lessons 04 and 06
 */
#define _POSIX_C_SOURCE 200809L /* without it, -std=c17 hides the socket functions */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
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

static char peer[ADDRESS_SIZE];
static int server;
static atomic_bool finished; /* the main thread sends no more */

/* Says what failed, as report does, and ends the program at once; of two threads only the first
 * does. exit(3) may wait for the main thread, which waits for a line: it does with musl. */
static void fail(const char *operation, const char *object, const char *reason) {
    static atomic_flag failing = ATOMIC_FLAG_INIT;
    while (atomic_flag_test_and_set(&failing)) pause(); /* for the end */
    int status = report(operation, object, reason);
    fflush(stdout);
    _exit(status);
}

/* The second thread: prints what arrives until the server ends; ends the program with exit status
 * 1 when that is too early, or when the server, told that we are done, stays silent. */
static void *print_answers(void *unused) {
    char received[RECEIVE_SIZE], text[4 * RECEIVE_SIZE + 1];
    for (;;) {
        bool last_wait = finished;
        ssize_t count = receive(server, received);
        if (count == -1 && (errno == EAGAIN || errno == EWOULDBLOCK) && !last_wait) continue;
        if (count == -1) fail("recv", peer, why());
        if (count == 0 && !finished) fail("recv", peer, "the server closed the connection");
        if (count == 0) return unused; /* NULL: there is nothing to tell */
        printf("%s\n", shown(received, (size_t)count, text));
        if (ferror(stdout)) fail("write", "standard output", strerror(errno));
    }
}

int main(int argc, char *argv[]) {
    char *line = NULL;
    size_t size = 0;
    ssize_t length = 0;
    pthread_t printer;

    read_arguments(argc, argv);
    if (fcntl(STDIN_FILENO, F_GETFD) == -1)
        return report("read", "standard input", strerror(errno));
    if (fcntl(STDOUT_FILENO, F_GETFD) == -1 || fcntl(STDERR_FILENO, F_GETFD) == -1)
        return report("write", "standard output", strerror(errno)); /* or the socket would get it */
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ); /* each line at once, into a pipe too */
    signal(SIGPIPE, SIG_IGN);              /* sending to a server that has left fails, no more */

    /* 1. create, 2. connect */
    server = connect_to_server(peer);

    /* 3. receive, in a thread of its own */
    int error = pthread_create(&printer, NULL, print_answers, NULL);
    if (error != 0) return report("pthread_create", peer, strerror(error));

    /* 4. send */
    while (!finished && (length = getline(&line, &size, stdin)) != -1) {
        if (line[length - 1] == '\n') length--;
        if (length == 4 && memcmp(line, "exit", 4) == 0) finished = true; /* it will close */
        if (length == 0) break;
        if (send_all(server, line, (size_t)length) == -1) fail("send", peer, why());
    }
    int status = 0;
    if (length == -1 && !feof(stdin)) status = report("read", "standard input", strerror(errno));

    /* 5. shut the sending side: the server sees the end, and what it still says arrives */
    finished = true;
    shutdown(server, SHUT_WR);
    pthread_join(printer, NULL);

    /* 6. close */
    free(line);
    close(server);
    return status;
}
