/*
 * server.c - lesson 04, HTTP: requests and answers are text, over the socket of lesson 01.
 *
 * Run:         ./server [HOST [PORT [ROOT]]]      (ROOT: a directory to serve, such as www)
 * Talk to it:  a browser, curl or ./client, at http://127.0.0.1:8080/
 * New:         a protocol: where a request ends, what it may say; a fixed pool of threads that
 *              all wait in accept, so that no crowd starts more; deadlines for slow visitors
 * Not yet:     secrecy (https is HTTP over TLS), a second request on the same connection
 */
#define _POSIX_C_SOURCE 200809L /* without it, -std=c17 hides the socket functions */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    ARGUMENTS = 3,         /* HOST, PORT, ROOT */
    LOWEST_PORT = 0,       /* 0: the kernel picks a free port */
    BACKLOG = 4096,        /* connections that may wait for accept; the kernel may allow fewer */
    POOL_SIZE = 512,       /* threads, each with one visitor at a time */
    STACK_SIZE = 1048576,  /* bytes of stack for each thread; a page never used costs nothing */
    HEAD_SIZE = 8192,      /* bytes that the head of a request may have */
    ANSWER_SIZE = 131072,  /* bytes that one send hands to the kernel at most */
    ADDRESS_SIZE = 80,     /* bytes of an address in words, up to [IPv6%interface]:port */
    SILENCE = 10,          /* seconds in which a visitor must send or take something */
    PATIENCE = 30,         /* seconds that a whole request may take */
    HURRY = 2,             /* both when no thread is free: the next one must not wait long */
    LINGER = 2,            /* seconds to read on after an answer to an unread request */
    MILLISECOND = 1000000, /* in nanoseconds, as now() counts */
    SECOND = 1000 * MILLISECOND,
    PAGE_SIZE = 5 * HEAD_SIZE + 1024, /* bytes of a page that shows a request */
    DESCRIPTORS = 3 * POOL_SIZE + 16, /* a visitor, a folder, a file in it; 16: what else is open */
};
static const char *host = "127.0.0.1", *port = "8080";
static const char program[] = "server";
static const char usage[] = "usage: server [HOST [PORT [ROOT]]]    (127.0.0.1 8080)\n"
                            "PORT 0 to 65535, 0: any free one; ROOT: a directory to serve\n";

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

/* Returns the nanoseconds on a clock that nobody sets. POSIX clock_gettime(3) */
static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * SECOND + time.tv_nsec;
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

static int listener, root = -1; /* root: the descriptor of ROOT, -1 without one */
static atomic_int pool, busy;   /* threads: all of them, and those that have a visitor */

/* A status is "CODE REASON: EXPLANATION", and NULL as long as nothing is wrong. RFC 9110 15 */
static const char ok[] = "200 OK: This page came through a TCP socket, in answer to your request:";
static const char moved[] = "301 Moved Permanently: a directory ends in /";
static const char bad_line[] = "400 Bad Request: the first line must be METHOD TARGET HTTP/1.1";
static const char forbidden[] = "403 Forbidden: this is not for you";
static const char not_found[] = "404 Not Found: there is no such file";
static const char too_slow[] = "408 Request Timeout: silent for too long, or over 30 s in all";
static const char left_early[] = "left before the end of the request"; /* nobody gets this one */

/* Waits until client has sent something (POLLIN) or can take something (POLLOUT). Returns false
 * after 10 s, 2 s when no thread is free, or at end on the clock of now. POSIX poll(2) */
static bool wait_for(int client, short event, long long end) {
    struct pollfd ready = {.fd = client, .events = event};
    long long left = (end - now()) / MILLISECOND, most = 1000 * (busy < pool ? SILENCE : HURRY);
    return left > 0 && poll(&ready, 1, (int)(left < most ? left : most)) != 0;
}

/* Receives a head and the empty line that ends it, and keeps both; more: something may follow.
 * Returns NULL, left_early, 400, 408, 414 or 431. RFC 9112 2.2 */
static const char *receive_head(int client, char request[HEAD_SIZE + 1], bool *more) {
    const long long began = now();
    request[0] = '\0';
    for (size_t size = 0, start = 0; size < HEAD_SIZE;) {
        const long long patience = busy < pool ? PATIENCE : HURRY;
        if (!wait_for(client, POLLIN, began + patience * SECOND)) return too_slow;
        ssize_t count = recv(client, request + size, HEAD_SIZE - size, 0);
        if (count == -1 && (errno == EAGAIN || errno == EWOULDBLOCK)) continue;
        if (count <= 0) return left_early;
        request[size += (size_t)count] = '\0';
        if (start == 0 && strncmp(request, "\r\n", 2) == 0) { /* one empty line may come first */
            start = 2;
            size -= start;
            memmove(request, request + start, size + 1);
        }
        char *crlf = strstr(request, "\n\r\n"), *lf = strstr(request, "\n\n");
        char *end = crlf == NULL || (lf != NULL && lf < crlf) ? lf : crlf + 1; /* the first */
        if (end != NULL) {
            *more = end + 2 < request + size || start + size >= HEAD_SIZE; /* in the kernel */
            end[2] = '\0';
            return NULL;
        }
        if (strlen(request) < size) return "400 Bad Request: a zero byte";
        char *line = strchr(request, '\n'), *version = strstr(request, " HTTP/");
        if (line != NULL && (version == NULL || version > line)) return bad_line; /* HTTP/0.9 */
    }
    return strchr(request, '\n') == NULL ? "414 URI Too Long: 8192 bytes are the limit"
                                         : "431 Request Header Fields Too Large: over 8192 bytes";
}

/* Checks a head; more: a body follows it. Returns NULL, 400, 405, 501 or 505. RFC 9112 3 to 6 */
static const char *check_head(const char *head, bool *more) {
    static const char token[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for (const char *c = head; *c != '\0'; c++)
        if (iscntrl((unsigned char)*c) && *c != '\n' && *c != '\t' && strncmp(c, "\r\n", 2) != 0)
            return "400 Bad Request: a control character";
    char major[2], minor[2];
    int used = 0, hosts = 0;
    sscanf(head, "%*[^ \t\r\n]%*1[ ]%*[^ \t\r\n]%*1[ ]HTTP/%1[0-9].%1[0-9]%n", major, minor, &used);
    const char *line = head + used + (head[used] == '\r');
    if (used == 0 || *line++ != '\n' || head[strspn(head, token)] != ' ') return bad_line;
    if (major[0] != '1') return "505 HTTP Version Not Supported: this server speaks HTTP/1.1";
    for (; *line != '\r' && *line != '\n'; line = strchr(line, '\n') + 1) {
        size_t name = strspn(line, token);
        if (name == 0 || line[name] != ':') return "400 Bad Request: a header is NAME: VALUE";
        if (strncasecmp(line, "Content-Length:", 15) == 0) *more = true;
        if (strncasecmp(line, "Transfer-Encoding:", 18) == 0) *more = true;
        if (strncasecmp(line, "Host:", 5) != 0) continue;
        line += 5 + strspn(line + 5, " \t");
        line += strcspn(line, " \t\r\n\"#,/<>?@\\^`{|}");
        hosts += line[strspn(line, " \t\r")] == '\n' ? 1 : 2; /* not a name: as bad as two */
    }
    if (hosts > 1 || (hosts == 0 && minor[0] != '0'))
        return "400 Bad Request: HTTP/1.1 asks for one header Host, such as Host: 127.0.0.1";
    char method[12]; /* a longer one is cut, and then none of those */
    snprintf(method, sizeof method, " %.*s ", (int)strcspn(head, " "), head);
    if (strstr(" GET HEAD ", method) != NULL) return NULL;
    return strstr(" POST PUT DELETE CONNECT OPTIONS TRACE ", method) != NULL
               ? "405 Method Not Allowed: this server knows GET and HEAD"
               : "501 Not Implemented: this server knows GET and HEAD";
}

/* Decodes the path at the start of text, %41 to A. Returns false if it cannot. RFC 3986 2.1 */
static bool decode(const char *text, char *path) {
    for (; *text != '?' && *text != ' '; text++, path++) {
        *path = *text;
        if (*text != '%') continue;
        bool digits = isxdigit((unsigned char)text[1]) && isxdigit((unsigned char)text[2]);
        *path = digits ? (char)strtol((char[]){text[1], text[2], '\0'}, NULL, 16) : '\0';
        if (*path == '\0') return false;
        text += 2;
    }
    *path = '\0';
    return true;
}

/* Opens the file at path below ROOT, one component after the other, which cuts path up, and through
 * no symbolic link: nothing leads out at any moment. Returns -1 with errno. POSIX openat(2) */
static int open_below(char *path) {
    int file = root;
    char *rest = NULL, *name = strtok_r(path, "/", &rest);
    for (; name != NULL && file != -1; name = strtok_r(NULL, "/", &rest)) {
        int folder = file;
        file = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK); /* no FIFO keeps us */
        if (folder != root) close(folder); /* changes errno only if it fails, and it does not */
    }
    return file;
}

/* Returns the content type for the end of a file's name. RFC 9110 8.3 */
static const char *content_type(const char *path) {
    static const char *const types[] = {
        ".html", "text/html",       ".css",  "text/css",      ".js",   "text/javascript",
        ".txt",  "text/plain",      ".md",   "text/plain",    ".json", "application/json",
        ".pdf",  "application/pdf", ".svg",  "image/svg+xml", ".png",  "image/png",
        ".jpg",  "image/jpeg",      ".jpeg", "image/jpeg",    ".gif",  "image/gif",
        ".webp", "image/webp",      ".ico",  "image/x-icon"};
    const char *end = strrchr(path, '.');
    for (size_t i = 0; end != NULL && i < sizeof types / sizeof types[0]; i += 2)
        if (strcasecmp(end, types[i]) == 0) return types[i + 1];
    return "application/octet-stream";
}

/* Finds what a checked head asks for. Returns ok, with the descriptor, type and size of a file, or
 * file -1 for the built-in page; or 301, 400, 403, 404 or 503. RFC 9112 3.2 */
static const char *open_target(const char *head, int *file, const char **type, long long *size) {
    char path[HEAD_SIZE + sizeof "index.html"];
    struct stat info = {0};
    const char *target = strchr(head, ' ') + 1; /* "/path", or "http://host/path" */
    if (strncasecmp(target, "http://", 7) == 0) target += 7 + strcspn(target + 7, "/? ");
    if (strchr("/? ", target[0]) == NULL) return "400 Bad Request: the target is no path";
    if (!decode(target, path)) return "400 Bad Request: after % come two digits, never 00";
    bool folder = path[0] == '\0' || path[strlen(path) - 1] == '/';
    if (root == -1) return path[strspn(path, "/")] == '\0' ? ok : not_found;
    if (strstr(path, "/..") != NULL) return forbidden;
    if (folder) strcat(path, "index.html");
    *type = content_type(path); /* before path is cut up */
    if ((*file = open_below(path)) == -1) {
        if (errno == EMFILE || errno == ENFILE) return "503 Service Unavailable: try again later";
        return errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG ? not_found : forbidden;
    }
    if (fstat(*file, &info) == 0 && S_ISREG(info.st_mode)) return *size = info.st_size, ok;
    close(*file), *file = -1;
    return S_ISDIR(info.st_mode) && !folder ? moved : forbidden;
}

/* Writes the page for a status, for 200 with the request as harmless ASCII. Returns its bytes. */
static size_t write_page(char page[PAGE_SIZE], const char *status, const char *request) {
    static const char top[] =
        "<!DOCTYPE html>\n<html lang=\"en\">\n<title>%.*s</title>\n"
        "<link rel=\"icon\" href=\"data:,\">\n<h1>%.*s</h1>\n<p>%s</p>\n<pre>";
    int name = (int)strcspn(status, ":");
    char *to = page + snprintf(page, PAGE_SIZE, top, name, status, name, status, status + name + 2);
    for (const char *c = status == ok ? request : ""; *c != '\0'; c++) {
        bool plain = (*c >= ' ' && *c <= '~') || *c == '\n';
        const char *form = *c == '&' ? "&amp;" : *c == '<' ? "&lt;" : plain ? "%c" : "\\x%02x";
        if (*c != '\r') to += snprintf(to, 6, form, (unsigned char)*c);
    }
    return (size_t)(to + snprintf(to, 8, "</pre>\n") - page);
}

/* Writes the head of an answer. Returns its bytes. RFC 9112 4, RFC 9110 6.6.1 (the date) */
static size_t write_head(char answer[ANSWER_SIZE], const char *status, const char *type,
                         long long size, const char *request) {
    char date[40];
    time_t seconds = time(NULL);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&seconds, &(struct tm){0}));
    char *end = answer + snprintf(answer, ANSWER_SIZE,
                                  "HTTP/1.1 %.*s\r\nDate: %s\r\nContent-Type: %s%s\r\n"
                                  "Content-Length: %lld\r\nConnection: close\r\n",
                                  (int)strcspn(status, ":"), status, date, type,
                                  strncmp(type, "text/", 5) == 0 ? "; charset=utf-8" : "", size);
    if (strncmp(status, "405", 3) == 0) end += snprintf(end, 19, "Allow: GET, HEAD\r\n");
    if (status == moved) { /* relative to its parent: //name would be another host */
        const char *query = strpbrk(strchr(request, ' ') + 1, "? "), *name = query;
        while (name[-1] != '/') name--;
        end += snprintf(end, 2 * HEAD_SIZE, "Location: ./%.*s/%.*s\r\n", (int)(query - name), name,
                        (int)strcspn(query, " "), query);
    }
    return (size_t)(end + snprintf(end, 3, "\r\n") - answer);
}

/* Sends used bytes of answer, and then left bytes of a file, in parts; in front of the first part
 * stands the head: one send for both. Returns NULL, or what went wrong. POSIX read(2), send(2) */
static const char *send_answer(int client, char *answer, size_t used, int file, long long left) {
    size_t done = 0;
    for (bool ready = true; used > 0 || left > 0;) {
        if (left > 0 && done == 0 && used < ANSWER_SIZE) {
            size_t room = ANSWER_SIZE - used;
            ssize_t count = read(file, answer + used, left < (long long)room ? (size_t)left : room);
            if (count < 1) return "the file is shorter than it was";
            used += (size_t)count, left -= count;
        }
        ssize_t sent = send(client, answer + done, used - done, 0);
        bool full = sent == -1 && (errno == EAGAIN || errno == EWOULDBLOCK);
        if (sent == -1 && !full) return strerror(errno);
        if (full && !ready) return "nothing was taken for too long";
        /* poll wants much room, a third of the buffer: after its deadline, send decides */
        ready = !full || wait_for(client, POLLOUT, LLONG_MAX);
        if (!full) done += (size_t)sent;
        if (done == used) done = used = 0;
    }
    return NULL;
}

/* Answers one request of peer. Returns 0, or 1 after a failure that it has reported. RFC 9112 */
static int serve_client(int client, const char *peer) {
    char request[HEAD_SIZE + 1], page[PAGE_SIZE], answer[ANSWER_SIZE];
    const char *type;
    long long length;
    bool more = false;
    int file = -1;
    fcntl(client, F_SETFL, O_NONBLOCK); /* wait_for waits, and no longer than it may */
    const char *status = receive_head(client, request, &more);
    if (status == left_early) return report("recv", peer, left_early);
    if (status == NULL) status = check_head(request, &more);
    if (status == NULL) status = open_target(request, &file, &type, &length);

    if (file == -1) type = "text/html", length = (long long)write_page(page, status, request);
    size_t used = write_head(answer, status, type, length, request);
    if (strncmp(request, "HEAD ", 5) == 0) length = 0; /* the head tells it, but no body comes */
    if (file == -1) memcpy(answer + used, page, (size_t)length), used += (size_t)length;
    const char *problem = send_answer(client, answer, used, file, file == -1 ? 0 : length);
    if (file != -1) close(file);
    if (problem != NULL) return report("send", peer, problem);
    printf("%s %s: %.3s, %lld bytes\n", peer, shown(request, strcspn(request, "\r\n"), answer),
           status, length); /* answer has been sent: its room is free */
    if (more || length > ANSWER_SIZE || (status[0] >= '4' && status != too_slow)) {
        /* to close with bytes unread is a reset, which may destroy the answer: RFC 9112 9.6 */
        const long long end = now() + 1LL * LINGER * SECOND;
        shutdown(client, SHUT_WR);
        while (wait_for(client, POLLIN, end) && recv(client, answer, ANSWER_SIZE, 0) > 0) continue;
    }
    return 0;
}

/* What each thread of the pool runs: visitor after visitor, for ever. */
static void *work(void *name) {
    struct sockaddr_storage address;
    char peer[ADDRESS_SIZE];
    for (;; busy--) {
        /* 4. accept: the client gets a socket of its own */
        socklen_t size = sizeof address;
        int client = accept(listener, (struct sockaddr *)&address, &size);
        busy++;
        if (client == -1 && accept_failed(name)) continue;

        /* 5. talk */
        serve_client(client, address_name(&address, size, peer));

        /* 6. close */
        close(client);
    }
    return NULL;
}

int main(int argc, char *argv[]) {
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    struct rlimit limit = {0};
    char name[ADDRESS_SIZE];
    int threads = 0, error = 0, spare;

    read_arguments(argc, argv);
    while ((spare = open("/dev/null", O_RDWR)) != -1 && spare <= STDERR_FILENO) continue;
    close(spare); /* standard streams that were closed end there now, not at a visitor */
    if (argc > 3 && (root = open(argv[3], O_RDONLY | O_DIRECTORY)) == -1)
        return report("open", argv[3], strerror(errno));
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ); /* each line at once, into a pipe too */
    signal(SIGPIPE, SIG_IGN);              /* sending to a client that has left fails, no more */
    struct sigaction end = {.sa_handler = stop};
    sigaction(SIGINT, &end, NULL);
    sigaction(SIGTERM, &end, NULL);

    /* 1. create, 2. bind, 3. listen */
    listener = open_listener();
    getsockname(listener, (struct sockaddr *)&address, &size);
    address_name(&address, size, name);
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    flockfile(stdout); /* nobody prints before the first line */
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
    setrlimit(RLIMIT_NOFILE, &limit);
    pool = limit.rlim_cur < 16 + 3 ? 1 : (int)(limit.rlim_cur - 16) / 3; /* one at least */
    while (threads < pool && (error = pthread_create(&thread, &attributes, work, name)) == 0)
        threads++;
    if (error != 0) report("pthread_create", name, strerror(error)), pool = threads;
    if (threads == 0) return 1;
    printf("listening on %s\n", name);
    funlockfile(stdout);
    for (;;) pause(); /* the signals end it */
}
