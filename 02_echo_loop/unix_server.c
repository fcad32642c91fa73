/*
 * unix_server.c - lesson 02, the conversation over AF_UNIX: a file's name is the address.
 *
 * Run:         ./unix_server [PATH]
 * Talk to it:  ./unix_client, in a second terminal
 * New:         struct sockaddr_un; the socket's file, which is left behind and must be removed
 * Not yet:     a second client waits until the first one leaves: lesson 03
 */
#define _POSIX_C_SOURCE 200809L /* without it, -std=c17 hides the socket functions */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
    BACKLOG = 128,       /* connections that may wait for accept */
    RECEIVE_SIZE = 1024, /* bytes that one recv takes at most */
    REPLY_SIZE = 32,     /* bytes of the reply without what was received */
    NAME_SIZE = 32,      /* bytes of a client's name */
};
static const char *path = "./echo.sock", reply[] = "Echo: {}";
static const char program[] = "unix_server";
static const char usage[] = "usage: unix_server [PATH]    (./echo.sock)\n";

/* ---- Helpers: the same text in every lesson that has them ---- */

/* Takes PATH from the arguments; ends the program if these ask for help (exit status 0) or are
 * wrong usage (2). */
static void read_path(int argc, char *argv[]) {
    bool help = argc > 1 && (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0);
    if (argc > 1) path = argv[1];
    if (help || path[0] == '-' || path[0] == '\0' || argc > 2) {
        fputs(usage, help ? stdout : stderr);
        exit(help ? 0 : 2);
    }
}

/* Says on stderr which operation failed, on what and why. Returns the exit status for it, 1. */
static int report(const char *operation, const char *object, const char *reason) {
    fprintf(stderr, "%s: %s %s: %s\n", program, operation, object, reason);
    return 1;
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

/* Puts PATH into the address. Returns 0, or -1 with errno if it is too long, which it is soon: from
 * 104 bytes on BSD and macOS, from 108 on Linux. POSIX <sys/un.h> */
static int fill_address(struct sockaddr_un *address) {
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    errno = ENAMETOOLONG;
    if (strlen(path) >= sizeof address->sun_path) return -1;
    strcpy(address->sun_path, path);
    return 0;
}

/* Is the socket's file at the address what a server left that was killed? Asks by connecting:
 * where nobody listens any more, or not yet, that is refused. POSIX lstat(2), connect(2) */
static bool is_stale(const struct sockaddr_un *address) {
    struct stat file;
    if (lstat(path, &file) == -1 || !S_ISSOCK(file.st_mode)) return false; /* not ours to remove */
    int probe = socket(AF_UNIX, SOCK_STREAM, 0);
    fcntl(probe, F_SETFL, O_NONBLOCK); /* a live server's full queue must not hold us up */
    bool refused =
        connect(probe, (const void *)address, sizeof *address) == -1 && errno == ECONNREFUSED;
    close(probe);
    return refused;
}

static struct stat own; /* the file of our socket: another server may have replaced it since */

/* Returns a socket that listens at PATH, and notes its file in own; ends the program with exit
 * status 1 if it cannot. POSIX socket(2), bind(2), listen(2) */
static int listen_at_path(void) {
    struct sockaddr_un address;
    if (fill_address(&address) == -1) exit(report("bind", path, strerror(errno)));
    int listener = socket(AF_UNIX, SOCK_STREAM, 0); /* 1. create */
    if (listener == -1) exit(report("socket", path, strerror(errno)));
    int error = bind(listener, (void *)&address, sizeof address); /* 2. bind */
    if (error == -1 && errno == EADDRINUSE) {
        if (is_stale(&address)) unlink(path);
        error = bind(listener, (void *)&address, sizeof address);
    }
    if (error == -1 || lstat(path, &own) == -1 || listen(listener, BACKLOG) == -1) /* 3. listen */
        exit(report("bind", path, strerror(errno)));
    return listener;
}

/* Removes the socket's file and ends the program, on SIGINT and SIGTERM: POSIX allows lstat(2),
 * unlink(2) and _exit(2) at any moment. */
static void remove_and_stop(int number) {
    struct stat now;
    (void)number;
    if (own.st_ino != 0 && lstat(path, &now) == 0 && now.st_ino == own.st_ino &&
        now.st_dev == own.st_dev)
        unlink(path);
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

/* Talks with one client. Returns 0, or 1 after a failure that it has reported. POSIX recv(2) */
static int serve_client(int client) {
    static unsigned long clients; /* they have no address: we number them */
    char received[RECEIVE_SIZE], peer[NAME_SIZE];
    char text[4 * RECEIVE_SIZE + 1]; /* the line to print first, then the answer */
    ssize_t count;

    snprintf(peer, sizeof peer, "client %lu", ++clients);
    printf("%s connected\n", peer);
    while ((count = recv(client, received, sizeof received, 0)) > 0) {
        printf("%s sent %zd bytes: %s\n", peer, count, shown(received, (size_t)count, text));
        if (send_all(client, text, fill_in(text, reply, received, (size_t)count)) == -1)
            return report("send", peer, strerror(errno));
    }
    if (count == -1) return report("recv", peer, strerror(errno));
    printf("%s finished\n", peer);
    return 0;
}

int main(int argc, char *argv[]) {
    char text[4 * sizeof((struct sockaddr_un *)NULL)->sun_path + 1];
    int client;

    read_path(argc, argv);
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ); /* each line at once, into a pipe too */
    signal(SIGPIPE, SIG_IGN);              /* sending to a client that has left fails, no more */
    struct sigaction end = {.sa_handler = remove_and_stop};
    sigaction(SIGINT, &end, NULL);
    sigaction(SIGTERM, &end, NULL);

    /* 1. create, 2. bind, 3. listen */
    int listener = listen_at_path();
    printf("listening on %s\n", shown(path, strlen(path), text));

    /* 4. accept: the client gets a socket of its own */
    while ((client = accept(listener, NULL, NULL)) != -1 || accept_failed(path)) {
        if (client == -1) continue;

        /* 5. talk */
        serve_client(client);

        /* 6. close */
        close(client);
    }
}
