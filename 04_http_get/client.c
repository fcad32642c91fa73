/*
 * client.c - lesson 04, HTTP: fetches what a URL names and prints the whole response.
 *
 * Run:         ./client [URL]      (http://HOST[:PORT][/PATH][?QUERY])
 * Talk to it:  ./server, or any server of the web that still speaks http
 * New:         a request is text; the response says itself where it ends, and may be cut short
 * Not yet:     https, which is the same text in an encrypted layer, TLS
 */
#define _POSIX_C_SOURCE 200809L /* without it, -std=c17 hides the socket functions */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum {
    RECEIVE_SIZE = 262144, /* bytes of one recv at most: 1024 would cost 2.6 times as long */
    HEAD_SIZE = 262144,    /* bytes of a response's lines in a row: its head, or a trailer */
    URL_SIZE = 8192,       /* bytes that a URL may have: more than most servers take */
    ADDRESS_SIZE = 80,     /* bytes of an address in words, up to [IPv6%interface]:port */
    PATIENCE = 10,         /* seconds to wait for a silent server */
    SECOND = 1000000000,   /* in nanoseconds, as now() counts */
};
static char host[256], port[6] = "80", request[3 * URL_SIZE + 512]; /* as the URL says */
static const char silence[] = "no answer within 10 seconds: is it busy?";
static const char program[] = "client";
static const char usage[] = "usage: client [URL]    (http://127.0.0.1:8080/)\n"
                            "URL http://HOST[:PORT][/PATH][?QUERY]\n";

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

/* Returns the nanoseconds on a clock that nobody sets. POSIX clock_gettime(3) */
static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * SECOND + time.tv_nsec;
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

/* Takes host and port out of a URL and writes the request: what must not stand in one becomes %XX,
 * a fragment is left out. Returns NULL, or what is wrong. RFC 3986, RFC 9112 3 */
static const char *write_request(const char *url) {
    int used = 0, digits = 0;
    if (strncasecmp(url, "http://", 7) != 0)
        return "only http://; https needs TLS, which encrypts below HTTP";
    const char *name = url + 7;
    if (strlen(url) > URL_SIZE) return "longer than 8192 bytes, more than most servers take";
    for (const char *c = url; *c != '\0'; c++)
        if (iscntrl((unsigned char)*c)) return "a control character could forge a second request";
    if (name[strcspn(name, "@/?#")] == '@')
        return "no user name or password: anyone could read them";
    sscanf(name, name[0] == '[' ? "[%255[^][/?#]]%n" : "%255[^][:/?#]%n", host, &used);
    sscanf(name + used, ":%5[0-9]%n", port, &digits); /* 80 stays if there is none */
    const char *path = name + used + digits;
    if (used == 0 || strchr("/?#", *path) == NULL || atoi(port) < 1 || atoi(port) > 65535)
        return "HOST is a name, IPv4 or [IPv6] address, PORT 1 to 65535";

    char *to = request + snprintf(request, 6, "GET %s", path[0] == '/' ? "" : "/");
    for (; *path != '\0' && *path != '#'; path++) {
        bool plain = strchr(" \"<>\\^`{|}", *path) == NULL && (unsigned char)*path <= '~';
        to += snprintf(to, 4, plain ? "%c" : "%%%02X", (unsigned char)*path);
    }
    snprintf(to, 512,
             " HTTP/1.1\r\nHost: %.*s\r\nConnection: close\r\nUser-Agent: lesson-04\r\n\r\n",
             atoi(port) == 80 ? used : used + digits, name);
    return NULL;
}

/* A response, and how far it has been taken. Its bytes are counted from 0. */
struct response {
    int server, code;       /* code: the status, 0 if none came */
    const char *failure;    /* why recv failed, NULL if it did not */
    long long start, end;   /* received holds the bytes from start to end */
    long long taken, limit; /* so many bytes are taken; lines may reach up to limit */
    char received[RECEIVE_SIZE], line[HEAD_SIZE + 1]; /* line: the last one taken, as text */
};

/* Prints bytes up to end, on a terminal as text that cannot drive it, or ends the program. */
static void print_bytes(const char *bytes, const char *end) {
    static char text[4 * RECEIVE_SIZE + 1];
    if (isatty(STDOUT_FILENO)) {
        const char *newline;
        for (; (newline = memchr(bytes, '\n', (size_t)(end - bytes))) != NULL; bytes = newline + 1)
            puts(shown(bytes, (size_t)(newline - bytes), text));
        fputs(shown(bytes, (size_t)(end - bytes), text), stdout);
    } else
        fwrite(bytes, 1, (size_t)(end - bytes), stdout);
    if (fflush(stdout) != 0 || ferror(stdout))
        exit(report("write", "standard output", strerror(errno)));
}

/* Receives more bytes and prints them. Returns false if no more come. POSIX recv(2) */
static bool more(struct response *r) {
    if (r->failure != NULL) return false; /* it would fail again */
    ssize_t count;
    do count = recv(r->server, r->received, RECEIVE_SIZE, 0);
    while (count == -1 && errno == EINTR); /* only a signal */
    if (count == -1) r->failure = why();
    if (count < 1) return false;
    print_bytes(r->received, r->received + count);
    r->start = r->end;
    r->end += count;
    return true;
}

/* Takes a line, as text without its end. Returns false if that does not come, or beyond limit. */
static bool take_line(struct response *r) {
    size_t length = 0;
    char c = '\0';
    while (c != '\n' && r->taken < r->limit && (r->taken < r->end || more(r))) {
        c = r->received[r->taken++ - r->start];
        r->line[length++] = c == '\0' ? ' ' : c; /* it would end the text: RFC 9110 5.5 */
    }
    r->line[length] = '\0';
    r->line[strcspn(r->line, "\r\n")] = '\0';
    return c == '\n';
}

/* Takes count bytes of the body. Returns false if the server closes before their end. */
static bool take_body(struct response *r, long long count) {
    while (r->end - r->taken < count)
        if (!more(r)) return false;
    r->taken += count;
    r->limit = r->taken + HEAD_SIZE;
    return true;
}

/* Takes a body in chunks: each a line with its size, so many bytes, an empty line; the last has
 * size 0, a trailer may follow. Returns false if that is not what comes. RFC 9112 7.1 */
static bool take_chunks(struct response *r) {
    long long size = -1;
    while (size != 0 && take_line(r)) {
        size_t digits = strspn(r->line, "0123456789abcdefABCDEF");
        if (digits == 0 || strchr("; \t", r->line[digits]) == NULL) return false;
        size = strtoll(r->line, NULL, 16);
        if (size > 0 && (!take_body(r, size) || !take_line(r) || r->line[0] != '\0')) return false;
    }
    while (size == 0 && take_line(r))
        if (r->line[0] == '\0') return true;
    return false;
}

/* Takes the whole response. Returns NULL, or what is wrong with it. RFC 9112 4 to 8 */
static const char *take_response(struct response *r) {
    char *line = r->line, digits[19], junk;
    long long length = -1;
    bool chunked = false;
    do { /* 100 Continue: the head of the true response follows */
        if (!take_line(r) && line[0] == '\0') return "the server closed without an answer";
        if (strncmp(line, "HTTP/", 5) != 0 || strlen(line) < 12 || line[8] != ' ' ||
            strspn(line + 9, "0123456789") != 3)
            return "this is no HTTP response";
        r->code = atoi(line + 9);
        while (line[0] != '\0') {
            if (!take_line(r)) return "its head has no end";
            if (r->code < 200) continue;
            if (strncasecmp(line, "Transfer-Encoding:", 18) == 0) chunked = true;
            if (strncasecmp(line, "Content-Length:", 15) != 0) continue;
            if (sscanf(line + 15, " %18[0-9] %c", digits, &junk) != 1 ||
                (length != -1 && length != atoll(digits)))
                return "its Content-Length is no number, or two differ";
            length = atoll(digits);
        }
    } while (r->code < 200);
    if (r->code == 204 || r->code == 304) return NULL;
    if (chunked) return take_chunks(r) ? NULL : "a chunk is damaged, or the last one is missing";
    if (length != -1) return take_body(r, length) ? NULL : "fewer bytes than its Content-Length";
    while (more(r)) continue; /* until the server closes */
    return NULL;
}

int main(int argc, char *argv[]) {
    const char *url = argc > 1 ? argv[1] : "http://127.0.0.1:8080/";
    bool help = strcmp(url, "-h") == 0 || strcmp(url, "--help") == 0;
    struct response r = {.limit = HEAD_SIZE};
    char peer[ADDRESS_SIZE];

    if (help || argc > 2 || url[0] == '-')
        return fputs(usage, help ? stdout : stderr), help ? 0 : 2;
    const char *problem = write_request(url);
    if (problem != NULL) return report("read", "the URL", problem), 2;
    if (fcntl(STDOUT_FILENO, F_GETFD) == -1 || fcntl(STDERR_FILENO, F_GETFD) == -1)
        return report("write", "standard output", strerror(errno)); /* or the socket would get it */
    signal(SIGPIPE, SIG_IGN); /* sending to a server that has left fails, no more */

    /* 1. create, 2. connect */
    r.server = connect_to_server(peer);
    fprintf(stderr, "resolved %s, connected to %s\n", host, peer);
    const long long then = now();

    /* 3. send */
    if (send_all(r.server, request, strlen(request)) == -1) return report("send", peer, why());

    /* 4. receive, until the response is complete or the server closes */
    problem = take_response(&r);
    if (r.failure != NULL) problem = r.failure;
    if (problem != NULL) take_body(&r, HEAD_SIZE); /* what else comes; it may have no end */
    if (isatty(STDOUT_FILENO)) puts("");           /* a page need not end its last line */
    if (r.code != 0) fprintf(stderr, "status %d\n", r.code);
    fprintf(stderr, "received %lld bytes in %.3f seconds\n", r.end, (double)(now() - then) / 1e9);

    /* 5. close */
    close(r.server);
    return problem == NULL ? 0 : report("recv", peer, problem);
}
