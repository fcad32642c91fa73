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
#include <limits.h>
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
    HEAD_SIZE = 262144,    /* bytes that the head of a response may have */
    URL_SIZE = 8192,       /* bytes that a URL may have: more than most servers take */
    ADDRESS_SIZE = 80,     /* bytes of an address in words, up to [IPv6%interface]:port */
    PATIENCE = 10,         /* seconds to wait for a silent server */
    SECOND = 1000000000,   /* in nanoseconds, as now() counts */
};
static char host[256], port[6], authority[272]; /* of the URL; authority: HOST[:PORT] */
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
 * or a control character, which could drive the terminal. RFC 3629 */
static size_t printable(const char *text, size_t size) {
    static const long lowest[] = {0, ' ', 0xA0, 0x800, 0x10000}; /* code point for each length */
    long c = (unsigned char)text[0];
    size_t length = c < 0x80 ? 1 : c < 0xC0 ? 0 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : c < 0xF8 ? 4 : 0;
    c = length < 2 ? c : c & (0x7F >> length);
    for (size_t i = 1; i < length; i++) {
        if (i == size || (text[i] & 0xC0) != 0x80) return 0;
        c = c << 6 | (text[i] & 0x3F);
    }
    bool valid = c >= lowest[length] && c != 0x7F && (c < 0xD800 || c > 0xDFFF) && c <= 0x10FFFF;
    return valid ? length : 0;
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
    while (count > 0) {
        ssize_t sent = send(socket, bytes, count, 0);
        if (sent == -1 && errno == EINTR) continue; /* only a signal */
        if (sent == -1) return -1;
        bytes += sent;
        count -= (size_t)sent;
    }
    return 0;
}

/* Returns errno in words: EAGAIN and EINPROGRESS are how a wait ends that took too long. */
static const char *why(void) {
    bool timed_out = errno == EAGAIN || errno == EWOULDBLOCK || errno == EINPROGRESS;
    return timed_out ? silence : strerror(errno);
}

/* Receives bytes into received. Returns how many, 0 at the end, -1 with errno. POSIX recv(2) */
static ssize_t receive(int server, char received[RECEIVE_SIZE]) {
    ssize_t count;
    do count = recv(server, received, RECEIVE_SIZE, 0);
    while (count == -1 && errno == EINTR); /* only a signal */
    return count;
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
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *addresses;
    struct timeval patience = {.tv_sec = PATIENCE};
    int error = getaddrinfo(host, port, &hints, &addresses);
    if (error != 0) exit(report("resolve", host, gai_strerror(error)));
    for (struct addrinfo *a = addresses; a != NULL; a = a->ai_next) {
        address_name(a->ai_addr, a->ai_addrlen, peer);
        int server = socket(a->ai_family, a->ai_socktype, a->ai_protocol); /* 1. create */
        if (server == -1) continue;
        setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        setsockopt(server, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        do error = connect(server, a->ai_addr, a->ai_addrlen); /* 2. connect */
        while (error == -1 && errno == EINTR);
        if (error == 0) {
            freeaddrinfo(addresses);
            return server;
        }
        close(server);
    }
    exit(report("connect", peer, why()));
}

/* ---- The lesson ---- */

/* Takes host and port out of a URL; the rest is path. Returns NULL, or what is wrong. RFC 3986 3 */
static const char *parse_url(const char *url, const char **path) {
    for (const char *c = url; *c != '\0'; c++)
        if (iscntrl((unsigned char)*c)) return "a control character could forge a second request";
    if (strncasecmp(url, "https://", 8) == 0)
        return "https needs TLS, which encrypts below HTTP; curl has it";
    if (strncasecmp(url, "http://", 7) != 0) return "a URL must begin with http://";
    if (strlen(url) > URL_SIZE) return "longer than 8192 bytes, more than most servers take";
    const char *name = url + 7;
    if (name[strcspn(name, "@/?#")] == '@')
        return "no user name or password: they would travel readable for everyone";
    int used = 0;
    sscanf(name, name[0] == '[' ? "[%255[^]/?#]]%n" : "%255[^][:/?#]%n", host, &used);
    if (used == 0 || strchr(":/?#", name[used]) == NULL)
        return "no host, or none of at most 255 bytes; an IPv6 address stands in [ ]";
    const char *digits = name + used + (name[used] == ':');
    size_t size = strspn(digits, "0123456789");
    long number = size == 0 ? 80 : strtol(digits, NULL, 10);
    if (strchr("/?#", digits[size]) == NULL || number < 1 || number > 65535)
        return "PORT is a number from 1 to 65535";
    snprintf(port, sizeof port, "%ld", number);
    snprintf(authority, sizeof authority, number == 80 ? "%.*s" : "%.*s:%s", used, name, port);
    *path = digits + size;
    return NULL;
}

/* Returns the request for a path: what must not stand in a request becomes %XX, and the fragment
 * stays here. RFC 9112 3, RFC 3986 2.1 */
static const char *write_request(const char *path) {
    static char request[3 * URL_SIZE + 512];
    char *to = request + snprintf(request, 6, "GET %s", path[0] == '/' ? "" : "/");
    for (const char *c = path; *c != '\0' && *c != '#'; c++) {
        bool plain = strchr(" \"<>\\^`{|}", *c) == NULL && (unsigned char)*c <= '~';
        to += snprintf(to, 4, plain ? "%c" : "%%%02X", (unsigned char)*c);
    }
    snprintf(to, 512, " HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nUser-Agent: lesson-04\r\n\r\n",
             authority);
    return request;
}

/* A response, and how far it has been taken. */
struct response {
    int server;
    const char *problem;          /* why recv failed, NULL if it did not */
    long long total, code;        /* bytes taken in all; the status, 0 if none came */
    long long printed, next, end; /* of received: what is printed, what is taken, all */
    char received[RECEIVE_SIZE], line[HEAD_SIZE + 1]; /* line: the last one taken, as text */
};

/* Prints what is taken, to a terminal as text that cannot drive it, or ends the program. */
static void print_taken(struct response *r) {
    static char text[4 * RECEIVE_SIZE + 1];
    const char *bytes = r->received + r->printed, *end = r->received + r->next, *newline;
    if (isatty(STDOUT_FILENO)) {
        for (; (newline = memchr(bytes, '\n', (size_t)(end - bytes))) != NULL; bytes = newline + 1)
            puts(shown(bytes, (size_t)(newline - bytes), text));
        fputs(shown(bytes, (size_t)(end - bytes), text), stdout);
    } else
        fwrite(bytes, 1, (size_t)(end - bytes), stdout);
    if (fflush(stdout) != 0 || ferror(stdout))
        exit(report("write", "standard output", strerror(errno)));
    r->printed = r->next;
}

/* If all that came is taken, prints it and receives more. Returns false when no more comes. */
static bool more(struct response *r) {
    if (r->next < r->end) return true;
    print_taken(r);
    ssize_t count = receive(r->server, r->received);
    if (count == -1) r->problem = why();
    if (count < 1) return false;
    r->printed = r->next = 0;
    r->end = count;
    return true;
}

/* Takes a line and keeps it as text. Returns false if its end is not among HEAD_SIZE bytes. */
static bool take_line(struct response *r) {
    size_t length = 0;
    char c = '\0';
    while (c != '\n' && length < HEAD_SIZE && more(r)) {
        c = r->received[r->next++];
        r->line[length++] = c == '\0' ? ' ' : c; /* it would end the text: RFC 9110 5.5 */
        r->total++;
    }
    r->line[length] = '\0';
    r->line[strcspn(r->line, "\r\n")] = '\0';
    return c == '\n';
}

/* Takes count bytes of the body. Returns false if the server closed before their end. */
static bool take_body(struct response *r, long long count) {
    while (count > 0 && more(r)) {
        long long part = r->end - r->next < count ? r->end - r->next : count;
        r->next += part;
        r->total += part;
        count -= part;
    }
    return count == 0;
}

/* Reads the digits of a length in base 10 or 16. Returns -1 if these are none. */
static long long read_length(const char *digits, int base) {
    digits += strspn(digits, " \t");
    const char *end = digits + strspn(digits, base == 10 ? "0123456789" : "0123456789abcdefABCDEF");
    long long length = end > digits ? strtoll(digits, NULL, base) : -1;
    end += strspn(end, " \t");
    return length < LLONG_MAX && (*end == '\0' || (base == 16 && *end == ';')) ? length : -1;
}

/* Takes a body in chunks, each a line with its size, so many bytes, and the end of a line; the last
 * has size 0, a trailer may follow. Returns NULL, or what is wrong. RFC 9112 7.1 */
static const char *take_chunks(struct response *r) {
    static const char unfinished[] = "its last chunk is missing";
    for (long long size = 1; size > 0;) {
        if (!take_line(r)) return unfinished;
        size = read_length(r->line, 16);
        if (size == -1) return "a chunk without its size";
        if (!take_body(r, size) || !take_line(r)) return unfinished;
        if (size > 0 && r->line[0] != '\0') return "a chunk longer than its size";
    }
    const long long start = r->total;
    while (r->line[0] != '\0')
        if (!take_line(r) || r->total - start > HEAD_SIZE) return unfinished;
    return NULL;
}

/* Takes the whole response. Returns NULL, or what is wrong with it. RFC 9112 4 to 8 */
static const char *take_response(struct response *r) {
    char *line = r->line;
    for (;;) {
        long long length = -1;
        bool coded = false, chunked = false;
        bool whole = take_line(r), http = strncmp(line, "HTTP/", 5) == 0;
        if (!whole && line[0] == '\0') return "the server closed without an answer";
        if (!whole && http) return "its head has no end";
        if (!http || strlen(line) < 12 || line[8] != ' ' || strspn(line + 9, "0123456789") != 3)
            return "this is no HTTP response";
        r->code = strtoll(line + 9, NULL, 10);
        while (line[0] != '\0') {
            if (!take_line(r) || r->total > HEAD_SIZE) return "its head has no end";
            if (strncasecmp(line, "Content-Length:", 15) == 0) {
                long long old = length;
                length = read_length(line + 15, 10);
                if (length < 0 || (old >= 0 && old != length)) return "its Content-Length is none";
            } else if (strncasecmp(line, "Transfer-Encoding:", 18) == 0) {
                coded = true; /* and the last of its codings counts */
                for (char *c = strtok(line + 18, ", \t"); c != NULL; c = strtok(NULL, ", \t"))
                    chunked = strcasecmp(c, "chunked") == 0;
            }
        }
        if (r->code < 200) continue; /* 100 Continue: the head of the true response follows */
        if (r->code == 204 || r->code == 304) return NULL;
        if (chunked) return take_chunks(r);
        if (coded || length == -1) return take_body(r, LLONG_MAX), NULL; /* until it closes */
        return take_body(r, length) ? NULL : "fewer bytes than its Content-Length";
    }
}

/* Sends the request, prints the response as it comes. Returns 0, or 1 after reporting a failure. */
static int fetch(int server, const char *peer, const char *request) {
    struct response r = {.server = server};
    const long long then = now();

    /* 3. send */
    if (send_all(server, request, strlen(request)) == -1) return report("send", peer, why());

    /* 4. receive, until the response is complete or the server closes */
    const char *problem = take_response(&r);
    if (problem != NULL && r.problem == NULL) take_body(&r, HEAD_SIZE); /* it may have no end */
    if (r.problem != NULL) problem = r.problem;
    print_taken(&r);

    if (isatty(STDOUT_FILENO) && r.total > 0 && r.received[r.next - 1] != '\n') puts("");
    if (r.code != 0) fprintf(stderr, "status %lld\n", r.code);
    fprintf(stderr, "received %lld bytes in %.3f seconds\n", r.total, (double)(now() - then) / 1e9);
    return problem == NULL ? 0 : report("recv", peer, problem);
}

int main(int argc, char *argv[]) {
    const char *url = argc > 1 ? argv[1] : "http://127.0.0.1:8080/", *path;
    bool help = strcmp(url, "-h") == 0 || strcmp(url, "--help") == 0;
    char peer[ADDRESS_SIZE];

    if (help || argc > 2 || url[0] == '-')
        return fputs(usage, help ? stdout : stderr), help ? 0 : 2;
    const char *problem = parse_url(url, &path);
    if (problem != NULL) return report("read", "the URL", problem), 2;
    if (fcntl(STDOUT_FILENO, F_GETFD) == -1 || fcntl(STDERR_FILENO, F_GETFD) == -1)
        return report("write", "standard output", strerror(errno)); /* or the socket would get it */
    signal(SIGPIPE, SIG_IGN); /* sending to a server that has left fails, no more */

    /* 1. create, 2. connect */
    int server = connect_to_server(peer);
    fprintf(stderr, "resolved %s, connected to %s\n", host, peer);

    /* 3. send, 4. receive */
    int status = fetch(server, peer, write_request(path));

    /* 5. close */
    close(server);
    return status;
}
