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
    RECEIVE_SIZE =
        262144,         /* bytes that one recv takes at most: 1024 would cost 2.6 times as long */
    HEAD_SIZE = 262144, /* bytes that the head of a response may have */
    URL_SIZE = 8192,    /* bytes that a URL may have: more than most servers take */
    LINE_SIZE = 1024,   /* bytes of a line that matter: status, Content-Length and so on */
    ADDRESS_SIZE = 80,  /* bytes of an address in words, up to [IPv6%interface]:port */
    PATIENCE = 10,      /* seconds to wait for a silent server */
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

/* Writes an address as 127.0.0.1:19527 or [::1]:19527 into name. Returns name.
 * POSIX getnameinfo(3) */
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

/* Writes bytes into text as a C string literal would show them: one message, one line. Returns
 * text, of 4 * count + 1 bytes. */
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

/* Sends all count bytes. Returns 0, or -1 with errno: then it is unknown how many arrived.
 * POSIX send(2) */
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

/* Takes host and port out of a URL, and in path what follows them. Returns NULL, or what is wrong
 * with it. RFC 3986 3 */
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
    char *end = request + snprintf(request, 6, "GET %s", path[0] == '/' ? "" : "/");
    for (const char *c = path; *c != '\0' && *c != '#'; c++)
        if (strchr(" \"<>\\^`{|}", *c) != NULL || (unsigned char)*c > '~')
            end += snprintf(end, 4, "%%%02X", (unsigned char)*c);
        else
            *end++ = *c;
    snprintf(end, 512,
             " HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nUser-Agent: lesson-04\r\n\r\n",
             authority);
    return request;
}

/* A response, and how far it has been taken. */
struct response {
    int server;
    const char *next, *end; /* of the bytes that came and are not yet taken */
    long long total, code;  /* bytes taken so far, printed too; the status, 0 if none came */
    const char *problem;    /* why recv failed, NULL if it did not */
};

/* Receives more if all that came is taken. Returns false when no more comes. POSIX recv(2) */
static bool more(struct response *r) {
    static char received[RECEIVE_SIZE];
    ssize_t count = 0;
    if (r->next < r->end || r->problem != NULL) return r->next < r->end;
    do count = recv(r->server, received, sizeof received, 0);
    while (count == -1 && errno == EINTR); /* only a signal */
    if (count == -1) r->problem = why();
    if (count > 0) r->next = received, r->end = received + count;
    return count > 0;
}

/* Takes count bytes of those that came and prints them: as they are, but to a terminal, which they
 * could drive, as text. Ends the program if that fails. */
static void take(struct response *r, size_t count) {
    static char text[4 * RECEIVE_SIZE + 1];
    const char *bytes = r->next, *end = bytes + count, *newline;
    if (isatty(STDOUT_FILENO)) {
        for (; (newline = memchr(bytes, '\n', (size_t)(end - bytes))) != NULL; bytes = newline + 1)
            puts(shown(bytes, (size_t)(newline - bytes), text));
        fputs(shown(bytes, (size_t)(end - bytes), text), stdout);
    } else
        fwrite(bytes, 1, count, stdout);
    if (fflush(stdout) != 0 || ferror(stdout))
        exit(report("write", "standard output", strerror(errno)));
    r->next = end;
    r->total += (long long)count;
}

/* Takes a line and keeps its beginning, as text without the line end, in line. Returns false if
 * the server closed before its end, or if that is not among HEAD_SIZE bytes. */
static bool take_line(struct response *r, char line[LINE_SIZE]) {
    const char *newline = NULL;
    size_t length = 0, size = 0; /* bytes kept, bytes taken */
    while (newline == NULL && size <= HEAD_SIZE && more(r)) {
        newline = memchr(r->next, '\n', (size_t)(r->end - r->next));
        size_t part = (size_t)((newline != NULL ? newline + 1 : r->end) - r->next);
        /* a zero byte, which would end the text, counts as a blank: RFC 9110 5.5 */
        for (size_t i = 0; i < part && length < LINE_SIZE - 1; i++)
            line[length++] = r->next[i] == '\0' ? ' ' : r->next[i];
        take(r, part);
        size += part;
    }
    line[length] = '\0';
    if (length == LINE_SIZE - 1)
        line[length - 1] = '~'; /* no length ends so: half of one is none */
    line[strcspn(line, "\r\n")] = '\0';
    return newline != NULL && size <= HEAD_SIZE;
}

/* Takes count bytes of the body. Returns false if the server closed before their end. */
static bool take_body(struct response *r, long long count) {
    while (count > 0 && more(r)) {
        long long part = r->end - r->next < count ? r->end - r->next : count;
        take(r, (size_t)part);
        count -= part;
    }
    return count == 0;
}

/* Reads the digits of a length in base 10 or 16. Returns -1 if these are none. */
static long long read_length(const char *digits, int base) {
    digits += strspn(digits, " \t");
    const char *end = digits + strspn(digits, base == 10 ? "0123456789" : "0123456789abcdefABCDEF");
    errno = 0;
    long long length = end > digits ? strtoll(digits, NULL, base) : -1;
    end += strspn(end, " \t");
    return errno == 0 && (*end == '\0' || (base == 16 && *end == ';')) ? length : -1;
}

/* Takes a body in chunks, each a line with its size, so many bytes, and the end of a line; the last
 * has size 0, a trailer may follow. Returns NULL, or what is wrong. RFC 9112 7.1 */
static const char *take_chunks(struct response *r) {
    static const char unfinished[] = "its last chunk is missing";
    char line[LINE_SIZE];
    long long size;
    do {
        if (!take_line(r, line)) return unfinished;
        if ((size = read_length(line, 16)) == -1) return "a chunk without its size";
        if (!take_body(r, size) || !take_line(r, line)) return unfinished;
        if (size > 0 && line[0] != '\0') return "a chunk longer than its size";
    } while (size > 0);
    for (long long start = r->total; line[0] != '\0';)
        if (!take_line(r, line) || r->total - start > HEAD_SIZE) return unfinished;
    return NULL;
}

/* Takes the whole response. Returns NULL, or what is wrong with it. RFC 9112 4 to 8 */
static const char *take_response(struct response *r) {
    static const char no_http[] = "this is no HTTP response", endless[] = "its head has no end";
    char line[LINE_SIZE];
    long long length, before;
    bool coded, chunked;

    do { /* 100 Continue: the head of the true response follows */
        bool whole = take_line(r, line);
        if (!whole && line[0] == '\0') return "the server closed without an answer";
        if (strncmp(line, "HTTP/", 5) != 0) return no_http;
        if (!whole) return endless;
        if (strlen(line) < 12 || line[8] != ' ' || strspn(line + 9, "0123456789") != 3)
            return no_http;
        r->code = strtoll(line + 9, NULL, 10);
        for (length = -1, coded = chunked = false; line[0] != '\0';) {
            if (!take_line(r, line) || r->total > HEAD_SIZE) return endless;
            size_t size = strlen(line);
            if (strncasecmp(line, "Content-Length:", 15) == 0) {
                before = length;
                length = read_length(line + 15, 10);
                if (length == -1 || (before != -1 && before != length))
                    return "its Content-Length is none";
            } else if (strncasecmp(line, "Transfer-Encoding:", 18) == 0) {
                while (isblank((unsigned char)line[size - 1])) size--; /* the colon stops it */
                coded = true;
                chunked = strncasecmp(line + size - 7, "chunked", 7) == 0 &&
                          strchr(" \t,:", line[size - 8]) != NULL;
            }
        }
    } while (r->code < 200);
    if (r->code == 204 || r->code == 304) return NULL;
    if (chunked) return take_chunks(r);
    if (coded || length == -1) return take_body(r, LLONG_MAX), NULL; /* until the server closes */
    return take_body(r, length) ? NULL : "fewer bytes than its Content-Length";
}

/* Sends the request and prints the response, however large, as it arrives. Returns 0, or 1 after
 * a failure that it has reported. */
static int fetch(int server, const char *peer, const char *request) {
    struct response r = {.server = server};
    struct timespec start, now;

    /* 3. send */
    clock_gettime(CLOCK_MONOTONIC, &start);
    if (send_all(server, request, strlen(request)) == -1) return report("send", peer, why());

    /* 4. receive, until the response is complete or the server closes */
    const char *problem = take_response(&r);
    const long long enough = r.total + HEAD_SIZE; /* of what is wrong: it may have no end */
    while (problem != NULL && r.total < enough && more(&r)) take(&r, (size_t)(r.end - r.next));
    if (r.problem != NULL) problem = r.problem;

    clock_gettime(CLOCK_MONOTONIC, &now);
    long long ms = (now.tv_sec - start.tv_sec) * 1000LL + (now.tv_nsec - start.tv_nsec) / 1000000;
    if (isatty(STDOUT_FILENO) && r.total > 0 && r.next[-1] != '\n') puts("");
    if (r.code != 0) fprintf(stderr, "status %lld\n", r.code);
    fprintf(stderr, "received %lld bytes in %lld.%03lld seconds\n", r.total, ms / 1000, ms % 1000);
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
    if (fcntl(STDOUT_FILENO, F_GETFD) == -1) /* closed: the socket would take its descriptor */
        return report("write", "standard output", strerror(errno));
    if (fcntl(STDERR_FILENO, F_GETFD) == -1) return 1; /* the same, with nobody to tell it */
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
