/*
 * gbk_client.c - lesson 01, one exchange in GBK, an encoding of Chinese older than UTF-8.
 *
 * Run:         ./gbk_client [HOST [PORT [MESSAGE]]]   (MESSAGE in UTF-8, as you type it)
 * Talk to it:  ./gbk_server, first, in another terminal
 * New:         a socket carries bytes: what they mean is for the two programs to agree on
 * Not yet:     a character that two recvs share: lesson 02
 */
#define _POSIX_C_SOURCE 200809L /* without it, -std=c17 hides the socket functions */
#include <errno.h>
#include <fcntl.h>
#include <iconv.h>
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
    ARGUMENTS = 3,       /* HOST, PORT, MESSAGE */
    LOWEST_PORT = 1,     /* nobody listens on port 0 */
    RECEIVE_SIZE = 1024, /* bytes that one recv takes at most */
    TEXT_SIZE = 4096,    /* bytes that MESSAGE must stay below, in UTF-8 */
    ADDRESS_SIZE = 80,   /* bytes of an address in words, up to [IPv6%interface]:port */
    PATIENCE = 5,        /* seconds to wait for a silent server, as silence says, too */
};
static const char *host = "127.0.0.1", *port = "8080", *message = "你好服务端，我是客户端小黑!";
static const char silence[] = "no answer within 5 seconds: is it busy?";
static const char program[] = "gbk_client";
static const char usage[] =
    "usage: gbk_client [HOST [PORT [MESSAGE]]]    (127.0.0.1 8080 '你好服务端，我是客户端小黑!')\n"
    "PORT 1 to 65535; MESSAGE has 1 to 4095 bytes\n";

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

/* The character of each pair of GBK bytes, in UTF-8, terminated by zero; "" where there is none. */
static char utf8_of[0x10000][5];

/* Fills utf8_of. Returns 0, or -1 with errno where iconv knows no GBK. One pair at a time, and in
 * this direction alone, because musl's iconv decodes GBK but cannot encode it. POSIX iconv(3) */
static int learn_gbk(void) {
    iconv_t codec = iconv_open("UTF-8", "GBK");
    if (codec == (iconv_t)-1) return -1;
    for (unsigned code = 0x8140; code <= 0xFEFE; code++) {
        char pair[] = {(char)(code >> 8), (char)code}, *in = pair, *out = utf8_of[code];
        size_t left = sizeof pair, room = 4;
        /* in is a char ** here and a const char ** there: a void * fits both */
        if (iconv(codec, (void *)&in, &left, &out, &room) != 0 || left > 0) utf8_of[code][0] = 0;
    }
    return iconv_close(codec);
}

/* Writes text, which is UTF-8, to gbk in GBK. Returns its bytes, at most size, the bytes of text;
 * ends the program with exit status 1 if there is a character that GBK has not. */
static size_t encode(const char *text, size_t size, char *gbk) {
    char *end = gbk, shown_text[4 * TEXT_SIZE + 1];
    for (size_t i = 0, length; i < size; i += length) {
        unsigned code = 0x8140;
        length = 1;
        if ((unsigned char)text[i] < 0x80) { /* ASCII is the same in both */
            *end++ = text[i];
            continue;
        }
        while (code <= 0xFEFE && (utf8_of[code][0] == 0 || /* none begins another one */
                                  strncmp(text + i, utf8_of[code], strlen(utf8_of[code])) != 0))
            code++;
        if (code > 0xFEFE)
            exit(report("encode", shown(text + i, size - i, shown_text), "not in GBK"));
        length = strlen(utf8_of[code]);
        *end++ = (char)(code >> 8);
        *end++ = (char)code;
    }
    return (size_t)(end - gbk);
}

/* Prints bytes as they are, then what they mean in GBK, as shown shows it; bytes that are no GBK,
 * half a character too, as \xNN. who: the line's beginning. */
static void print_gbk(const char *who, const char *bytes, size_t count) {
    char hex[3 * TEXT_SIZE + 1] = "", text[4 * TEXT_SIZE + 1], *end = text;
    for (size_t i = 0, length; i < count; i += length) {
        unsigned first = (unsigned char)bytes[i];
        unsigned code = i + 1 < count ? first << 8 | (unsigned char)bytes[i + 1] : 0;
        bool pair = utf8_of[code][0] != 0;
        shown(pair ? utf8_of[code] : bytes + i, pair ? strlen(utf8_of[code]) : 1, end);
        end += strlen(end);
        length = pair ? 2 : 1;
    }
    for (size_t i = 0; i < count; i++) snprintf(hex + 3 * i, 4, " %02x", (unsigned char)bytes[i]);
    printf("%s %zu bytes:%s\n%s in GBK: %s\n", who, count, hex, who, text);
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

/* Sends MESSAGE, in GBK, and prints the answer. Returns 0, or 1 after a failure that it has
 * reported. */
static int exchange(int server, const char *peer, const char *gbk, size_t size) {
    char received[RECEIVE_SIZE];

    /* 3. send */
    print_gbk("sending", gbk, size);
    if (send_all(server, gbk, size) == -1) return report("send", peer, why());

    /* 4. receive */
    ssize_t count = receive(server, received);
    if (count == -1) return report("recv", peer, why());
    if (count == 0) return report("recv", peer, "the server closed without an answer");
    print_gbk("received", received, (size_t)count);
    if (ferror(stdout)) return report("write", "standard output", strerror(errno));
    return 0;
}

int main(int argc, char *argv[]) {
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    char own[ADDRESS_SIZE], peer[ADDRESS_SIZE], gbk[TEXT_SIZE];

    read_arguments(argc, argv);
    if (argc > 3) message = argv[3];
    if (message[0] == '\0' || strlen(message) >= TEXT_SIZE) return fputs(usage, stderr), 2;
    if (learn_gbk() == -1) return report("iconv_open", "GBK", strerror(errno));
    size_t gbk_size = encode(message, strlen(message), gbk);
    if (fcntl(STDOUT_FILENO, F_GETFD) == -1 || fcntl(STDERR_FILENO, F_GETFD) == -1)
        return report("write", "standard output", strerror(errno)); /* or the socket would get it */
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ); /* each line at once, into a pipe too */
    signal(SIGPIPE, SIG_IGN);              /* sending to a server that has left fails, no more */

    /* 1. create, 2. connect */
    int server = connect_to_server(peer);
    getsockname(server, (struct sockaddr *)&address, &size);
    printf("%s connected to %s\n", address_name(&address, size, own), peer);

    /* 3. send, 4. receive */
    int status = exchange(server, peer, gbk, gbk_size);

    /* 5. close */
    close(server);
    return status;
}
