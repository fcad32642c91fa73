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
    RECEIVE_SIZE =
        262144,         /* bytes that one recv takes at most: 1024 would cost 2.6 times as long */
    HEAD_SIZE = 262144, /* bytes that the head of a response may have */
    LINE_SIZE = 1024,   /* bytes of a line that matter: status, Content-Length and so on */
    ADDRESS_SIZE = 80,  /* bytes of an address in words, up to [IPv6%interface]:port */
    PATIENCE = 10,      /* seconds to wait for a silent server */
};
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
    static const char special[] = "\n\t\r\\", letters[] = "ntr\\";
    char *end = text;
    for (size_t i = 0, length; i < count; i += length) {
        length = printable(bytes + i, count - i);
        if (length == 1 && bytes[i] != '\\') {
            *end++ = bytes[i]; /* nearly always, so it comes first */
        } else if (length > 1) {
            memcpy(end, bytes + i, length);
            end += length;
        } else {
            const char *found = memchr(special, bytes[i], 4);
            end += found != NULL ? snprintf(end, 3, "\\%c", letters[found - special])
                                 : snprintf(end, 5, "\\x%02x", (unsigned char)bytes[i]);
            length = 1;
        }
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

/* Receives up to RECEIVE_SIZE bytes, as soon as there are any. Returns how many; 0 when the
 * server sends no more; -1 with errno. POSIX recv(2) */
static ssize_t receive(int server, char received[RECEIVE_SIZE]) {
    ssize_t count;
    do count = recv(server, received, RECEIVE_SIZE, 0);
    while (count == -1 && errno == EINTR); /* only a signal */
    return count;
}

/* ---- The lesson ---- */

struct url {
    char host[256], port[6];
    bool brackets;    /* around an IPv6 address */
    const char *path; /* with the query and the fragment */
};

/* Takes a URL apart. Returns NULL, or what is wrong with it. RFC 3986 3 */
static const char *parse_url(const char *text, struct url *url) {
    for (const char *c = text; *c != '\0'; c++)
        if (iscntrl((unsigned char)*c)) return "a control character could forge a second request";
    if (strncasecmp(text, "https://", 8) == 0)
        return "https needs TLS, an encrypting layer between TCP and HTTP; curl has it";
    if (strncasecmp(text, "http://", 7) != 0) return "a URL must begin with http://";
    const char *name = text + 7, *end = name + strcspn(name, "/?#");
    if (memchr(name, '@', (size_t)(end - name)) != NULL)
        return "no user name or password: they would travel readable for everyone";
    url->brackets = name[0] == '[';
    name += url->brackets;
    size_t size = strcspn(name, url->brackets ? "]/?#" : "[]:/?#");
    const char *colon = name + size + url->brackets;
    if (size == 0 || size >= sizeof url->host || (url->brackets && name[size] != ']'))
        return "no host, or none of at most 255 bytes; an IPv6 address stands in [ ]";
    snprintf(url->host, sizeof url->host, "%.*s", (int)size, name);
    snprintf(url->port, sizeof url->port, "%.*s", end - colon > 1 ? (int)(end - colon - 1) : 2,
             end - colon > 1 ? colon + 1 : "80");
    long number = strtol(url->port, NULL, 10);
    if ((colon != end && *colon != ':') || end - colon > 6 || number < 1 || number > 65535 ||
        url->port[strspn(url->port, "0123456789")] != '\0')
        return "PORT is a number from 1 to 65535";
    url->path = end;
    return NULL;
}

/* Returns the request for a URL, in memory of its own: what must not stand in a request becomes
 * %XX, and the fragment stays here. RFC 9112 3, RFC 3986 2.1 */
static char *write_request(const struct url *url) {
    size_t size = 3 * strlen(url->path) + 512;
    char *request = malloc(size), *end = request;
    if (request == NULL) exit(report("malloc", url->host, strerror(errno)));
    end += snprintf(end, size, "GET %s", url->path[0] == '/' ? "" : "/");
    for (const char *c = url->path; *c != '\0' && *c != '#'; c++)
        if (strchr(" \"<>\\^`{|}", *c) != NULL || (unsigned char)*c > '~')
            end += snprintf(end, 4, "%%%02X", (unsigned char)*c);
        else
            *end++ = *c;
    bool usual = strcmp(url->port, "80") == 0;
    snprintf(end, 512,
             " HTTP/1.1\r\nHost: %s%s%s%s%s\r\nConnection: close\r\nUser-Agent: %s\r\n\r\n",
             url->brackets ? "[" : "", url->host, url->brackets ? "]" : "", usual ? "" : ":",
             usual ? "" : url->port, "sockets-course/4");
    return request;
}

/* Where in the response the next byte stands, and what is known of it. */
struct response {
    enum { STATUS, HEADER, BODY, CHUNK_SIZE, CHUNK, CHUNK_END, TRAILER, UNTIL_CLOSE, DONE } part;
    long long left;      /* bytes of the body or chunk still to come; -1: not told */
    const char *problem; /* what makes it no proper response, NULL if nothing does */
    size_t head, length; /* bytes of the head so far, and of the line */
    char line[LINE_SIZE], status[LINE_SIZE];
    bool chunked;
};

/* Remembers a problem; what still comes is only printed. */
static void complain(struct response *r, const char *problem) {
    r->problem = problem;
    r->part = UNTIL_CLOSE;
}

/* Reads the digits of a length in base 10 or 16. Returns -1 if these are none. */
static long long read_length(const char *digits, int base) {
    digits += strspn(digits, " \t");
    const char *end = digits + strspn(digits, base == 10 ? "0123456789" : "0123456789abcdefABCDEF");
    errno = 0;
    long long length = strtoll(digits, NULL, base);
    bool valid = end > digits && errno == 0;
    end += strspn(end, " \t");
    return valid && (*end == '\0' || (base == 16 && *end == ';')) ? length : -1;
}

/* Understands a line of the response that is not part of its body. RFC 9112 4 to 7 */
static void take_line(struct response *r) {
    const char *line = r->line;
    size_t size = strlen(line);
    if (r->part == STATUS) {
        bool valid = strncmp(line, "HTTP/", 5) == 0 && size > 11 && line[8] == ' ' &&
                     strspn(line + 9, "0123456789") == 3;
        strcpy(r->status, valid ? line + 9 : "");
        r->part = HEADER, r->left = -1, r->chunked = false;
        if (!valid) complain(r, "this is no HTTP response");
    } else if (r->part == HEADER && size > 0) {
        if (strncasecmp(line, "Content-Length:", 15) == 0) {
            long long before = r->left;
            r->left = read_length(line + 15, 10);
            if (r->left == -1 || (before != -1 && before != r->left))
                complain(r, "its Content-Length is none");
        } else if (strncasecmp(line, "Transfer-Encoding:", 18) == 0) {
            while (isblank((unsigned char)line[size - 1])) size--; /* the colon stops it */
            r->chunked = size > 24 && strncasecmp(line + size - 7, "chunked", 7) == 0;
        }
    } else if (r->part == HEADER) {
        bool none = strncmp(r->status, "204", 3) == 0 || strncmp(r->status, "304", 3) == 0;
        r->part = r->status[0] == '1' ? STATUS /* 100 Continue: more to come */
                  : none              ? DONE
                  : r->chunked        ? CHUNK_SIZE
                  : r->left > 0       ? BODY
                  : r->left == 0      ? DONE
                                      : UNTIL_CLOSE;
    } else if (r->part == CHUNK_SIZE) {
        r->left = read_length(line, 16);
        r->part = r->left == 0 ? TRAILER : CHUNK;
        if (r->left == -1) complain(r, "a chunk without its size");
    } else if (r->part == CHUNK_END) {
        r->part = CHUNK_SIZE;
        if (size > 0) complain(r, "a chunk longer than its size");
    } else if (size == 0) /* of the trailer */
        r->part = DONE;
}

/* Follows the response through its next bytes. Returns how many of them belong to it. */
static size_t follow(struct response *r, const char *bytes, size_t count) {
    size_t used = 0;
    while (used < count && r->part != DONE) {
        if (r->part == UNTIL_CLOSE) return count;
        if (r->part == BODY || r->part == CHUNK) {
            size_t part = r->left < (long long)(count - used) ? (size_t)r->left : count - used;
            used += part;
            r->left -= (long long)part;
            if (r->left == 0) r->part = r->part == BODY ? DONE : CHUNK_END;
            continue;
        }
        char byte = bytes[used++];
        /* a zero byte, which would end the text of the line, counts as a blank: RFC 9110 5.5 */
        if (r->length < LINE_SIZE - 1) r->line[r->length++] = byte == '\0' ? ' ' : byte;
        if (r->part <= HEADER && ++r->head > HEAD_SIZE) complain(r, "its head has no end");
        if (byte != '\n') continue;
        r->line[r->length] = '\0';
        r->line[strcspn(r->line, "\r\n")] = '\0';
        r->length = 0;
        take_line(r);
    }
    return used;
}

/* Returns what is missing in a response that is over, NULL if nothing is. RFC 9112 8 */
static const char *missing(const struct response *r) {
    if (r->problem != NULL || r->part == DONE || r->part == UNTIL_CLOSE) return r->problem;
    if (r->part == STATUS && r->head == 0) return "the server closed without an answer";
    if (r->part == STATUS && strncmp(r->line, "HTTP/", r->length < 5 ? r->length : 5) != 0)
        return "this is no HTTP response";
    if (r->part <= HEADER) return "its head has no end";
    return r->part == BODY ? "fewer bytes than its Content-Length" : "its last chunk is missing";
}

/* Writes bytes to standard output: as they are, but to a terminal, which they could drive, as
 * text. Returns 0, or -1 with errno. POSIX write(2) */
static int print(const char *bytes, size_t count) {
    static int terminal = -1;
    static char text[4 * RECEIVE_SIZE + 1];
    if (terminal == -1) terminal = isatty(STDOUT_FILENO);
    while (count > 0) {
        ssize_t done = 0;
        if (terminal == 0) {
            if ((done = write(STDOUT_FILENO, bytes, count)) == -1 && errno != EINTR) return -1;
            if (done == -1) continue;
        } else {
            const char *newline = memchr(bytes, '\n', count);
            size_t part = newline != NULL ? (size_t)(newline - bytes) : count;
            done = (ssize_t)part + (newline != NULL);
            if (printf("%s%s", shown(bytes, part, text), newline == NULL ? "" : "\n") < 0 ||
                fflush(stdout) != 0)
                return -1;
        }
        bytes += done;
        count -= (size_t)done;
    }
    return 0;
}

/* Returns errno in words: EAGAIN and EINPROGRESS are how a wait ends that took too long. */
static const char *reason(void) {
    bool timed_out = errno == EAGAIN || errno == EWOULDBLOCK || errno == EINPROGRESS;
    return timed_out ? "silent for 10 seconds" : strerror(errno);
}

/* Returns a socket connected to the first address of the URL's host that answers, and its name
 * in peer, or ends the program. POSIX getaddrinfo(3), socket(2), connect(2) */
static int connect_to_host(const struct url *url, char peer[ADDRESS_SIZE]) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *addresses;
    struct timeval patience = {.tv_sec = PATIENCE};
    int error = getaddrinfo(url->host, url->port, &hints, &addresses);
    if (error != 0) exit(report("resolve", url->host, gai_strerror(error)));
    for (struct addrinfo *a = addresses; a != NULL; a = a->ai_next) {
        address_name(a->ai_addr, a->ai_addrlen, peer);
        fprintf(stderr, "resolved %s: %s\n", url->host, peer);
        int server = socket(a->ai_family, a->ai_socktype, a->ai_protocol); /* 1. create */
        if (server == -1) continue;
        setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        setsockopt(server, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        do error = connect(server, a->ai_addr, a->ai_addrlen); /* 2. connect */
        while (error == -1 && errno == EINTR);
        if (error == 0) {
            freeaddrinfo(addresses);
            fprintf(stderr, "connected to %s\n", peer);
            return server;
        }
        close(server);
    }
    exit(report("connect", peer, reason()));
}

/* Sends the request and prints the response, however large, as it arrives. Returns 0, or 1 after
 * a failure that it has reported. */
static int fetch(int server, const char *peer, const char *request) {
    static char received[RECEIVE_SIZE];
    struct response response = {.left = -1};
    struct timespec start, now;
    const char *problem = NULL;
    long long total = 0;
    ssize_t count = 1;

    /* 3. send */
    clock_gettime(CLOCK_MONOTONIC, &start);
    if (send_all(server, request, strlen(request)) == -1) problem = reason();

    /* 4. receive, until the response is complete or the server closes */
    while (problem == NULL && count > 0 && response.part != DONE) {
        count = receive(server, received);
        if (count == -1) problem = reason();
        if (count < 1) break;
        size_t size = follow(&response, received, (size_t)count);
        total += (long long)size;
        if (print(received, size) == -1) return report("write", "standard output", strerror(errno));
    }
    if (problem == NULL) problem = missing(&response);
    clock_gettime(CLOCK_MONOTONIC, &now);
    double seconds =
        (double)(now.tv_sec - start.tv_sec) + (double)(now.tv_nsec - start.tv_nsec) / 1e9;
    if (response.status[0] != '\0')
        fprintf(stderr, "status %s\n", shown(response.status, strlen(response.status), received));
    fprintf(stderr, "received %lld bytes in %.3f seconds\n", total, seconds);
    return problem == NULL ? 0 : report("recv", peer, problem);
}

int main(int argc, char *argv[]) {
    const char *text = argc > 1 ? argv[1] : "http://127.0.0.1:8080/";
    bool help = strcmp(text, "-h") == 0 || strcmp(text, "--help") == 0;
    char peer[ADDRESS_SIZE];
    struct url url;

    if (help || argc > 2 || text[0] == '-')
        return fputs(usage, help ? stdout : stderr), help ? 0 : 2;
    const char *problem = parse_url(text, &url);
    if (problem != NULL) return report("read", "the URL", problem), 2;
    if (fcntl(STDOUT_FILENO, F_GETFD) == -1) /* closed: the socket would take its descriptor */
        return report("write", "standard output", strerror(errno));
    if (fcntl(STDERR_FILENO, F_GETFD) == -1) return 1; /* the same, with nobody to tell it */
    signal(SIGPIPE, SIG_IGN); /* sending to a server that has left fails, no more */

    /* 1. create, 2. connect */
    int server = connect_to_host(&url, peer);

    /* 3. send, 4. receive */
    char *request = write_request(&url);
    int status = fetch(server, peer, request);

    /* 5. close */
    free(request);
    close(server);
    return status;
}
