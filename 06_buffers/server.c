/*
 * server.c - lesson 06, what lies between send and recv: the slow reader.
 *
 * Run:         ./server [-s BYTES] [-r BYTES] [HOST [PORT [BYTES_PER_SECOND]]]
 * Talk to it:  ./client, in a second terminal
 * New:         what has arrived waits in the kernel until recv takes it; when the buffer is full,
 *              TCP makes the sender wait
 * Not yet:     whether all has come: an end of file does not tell, framing_server.c does
 */
#define _POSIX_C_SOURCE 200809L /* without it, -std=c17 hides the socket functions */
#define _DARWIN_C_SOURCE        /* without it, macOS then hides SO_NWRITE */
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    ARGUMENTS = 3,         /* HOST, PORT, BYTES_PER_SECOND */
    LOWEST_PORT = 0,       /* 0: the kernel picks a free port */
    BACKLOG = 128,         /* connections that may wait for accept */
    RECEIVE_SIZE = 131072, /* bytes that one recv takes at most: 1024 would be 2.6 times slower */
    READS = 20,            /* recvs a second of a slow reader */
    ADDRESS_SIZE = 80,     /* bytes of an address in words, up to [IPv6%interface]:port */
    PERIOD = 65521,        /* bytes after which the pattern repeats: a prime, as no buffer's size */
    WIDEST = 500,          /* columns of a terminal that the bars use at most */
    MILLISECOND = 1000000, /* in nanoseconds, as now() counts */
    SECOND = 1000 * MILLISECOND,
    COPYING = MILLISECOND,    /* a call that takes longer has waited: copying takes less */
    TICK = 100 * MILLISECOND, /* between two rows or pictures */
};
static const char *host = "127.0.0.1", *port = "19536";
static long long pace;                /* BYTES_PER_SECOND; 0: as fast as it can */
static int asked_send, asked_receive; /* sizes of the buffers; 0: as the kernel likes */
static const char program[] = "server", transferred[] = "received", call[] = "recv",
                  partially[] = "recvs not full";
static const char usage[] =
    "usage: server [-s BYTES] [-r BYTES] [HOST [PORT [BYTES_PER_SECOND]]]\n"
    "       (127.0.0.1 19536 0; PORT 0 to 65535, 0: any free one; 0 bytes: no limit)\n"
    "-s  ask for a send buffer of so many bytes    -r  for a receive buffer\n";

static struct progress {
    long long bytes, calls, partial, again; /* again: failures with EAGAIN */
    long long blocked, since;               /* ns in calls that blocked; start of the present one */
    long long time;                         /* of this record */
    const char *content;                    /* what the summary says of it */
} drawn, progress = {.content = ", content intact"};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of progress */
static pthread_t watcher;
static long long damaged = -1; /* position of the first wrong byte */
static int watched, wake[2];   /* the socket; a pipe that wakes the watcher */
static int unwritten;          /* error of standard output, 0: none */
static long long start;        /* of the transfer, in ns as now() counts them */

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

/* Returns text as a whole number; if it is none from lowest to highest, ends the program with exit
 * status 2. POSIX strtoll(3) */
static long long whole_number(const char *text, long long lowest, long long highest) {
    errno = 0;
    long long number = strtoll(text, NULL, 10);
    bool digits = text[0] != '\0' && text[strspn(text, "0123456789")] == '\0';
    if (digits && errno == 0 && number >= lowest && number <= highest) return number;
    fputs(usage, stderr);
    exit(2);
}

/* Returns the nanoseconds on a clock that nobody sets. POSIX clock_gettime(3) */
static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * SECOND + time.tv_nsec;
}

/* Returns the pattern, of PERIOD + count bytes: the byte at position p of a transfer is
 * pattern[p % PERIOD], so that count bytes from any position lie in one piece. */
static char *make_pattern(size_t count) {
    char *pattern = malloc(PERIOD + count);
    unsigned value = 0;
    if (pattern == NULL) exit(report("malloc", "the pattern", strerror(errno)));
    for (size_t p = 0; p < PERIOD + count; p++) {
        if (p % PERIOD == 0) value = 0;
        value = value * 69069 + 1; /* looks random: a byte that is missing shifts all the others */
        pattern[p] = (char)(value >> 24);
    }
    return pattern;
}

/* Returns the bytes that the kernel lets a buffer of the socket have, SO_SNDBUF or SO_RCVBUF. It
 * is asked again and again, since the kernel may let them grow. POSIX getsockopt(3) */
static int buffer_size(int socket, int option) {
    int bytes = 0;
    getsockopt(socket, SOL_SOCKET, option, &bytes, &(socklen_t){sizeof bytes});
    return bytes;
}

/* Asks the kernel for a buffer of so many bytes (0: asks for nothing) and prints what it grants:
 * Linux doubles the number, since its own bookkeeping lies in the buffer too. socket(7) */
static void ask_for_buffer(int socket, int option, int bytes) {
    const char *name = option == SO_SNDBUF ? "SO_SNDBUF" : "SO_RCVBUF";
    char asked[32] = "not asked for";
    if (bytes > 0) snprintf(asked, sizeof asked, "asked for %d bytes", bytes);
    if (bytes > 0 && setsockopt(socket, SOL_SOCKET, option, &bytes, sizeof bytes) == -1)
        exit(report("setsockopt", name, strerror(errno)));
    fprintf(stderr, "%s: %s, granted %d\n", name, asked, buffer_size(socket, option));
}

/* Returns the bytes in a queue of the socket: taken by send and not yet acknowledged by the peer
 * (SO_SNDBUF), or arrived and not yet taken by recv (SO_RCVBUF); -1 if the system does not tell.
 * Linux tcp(7): SIOCOUTQ, SIOCINQ */
static int queue_length(int socket, int option) {
    int bytes = -1;
    if (option == SO_RCVBUF) return ioctl(socket, FIONREAD, &bytes) == 0 ? bytes : -1;
#if defined SO_NWRITE /* macOS */
    getsockopt(socket, SOL_SOCKET, SO_NWRITE, &bytes, &(socklen_t){sizeof bytes});
#elif defined FIONWRITE /* FreeBSD, NetBSD */
    ioctl(socket, FIONWRITE, &bytes);
#elif defined __linux__ /* SIOCOUTQ by its older name, which needs no header of the kernel's */
    ioctl(socket, TIOCOUTQ, &bytes);
#endif
    return bytes;
}

/* Notes that a call begins that may block. */
static void call_begins(void) {
    pthread_mutex_lock(&lock);
    progress.since = now();
    pthread_mutex_unlock(&lock);
}

/* Notes that it ended, with count bytes (-1: none) of those asked for; waited: surely not at once.
 */
static void call_ended(ssize_t count, size_t asked, bool waited) {
    pthread_mutex_lock(&lock);
    long long took = now() - progress.since;
    progress.since = 0;
    if (waited || took > COPYING) progress.blocked += took;
    if (count > 0) {
        progress.bytes += count;
        progress.calls++;
        progress.partial += (size_t)count < asked;
    }
    pthread_mutex_unlock(&lock);
}

/* Returns the progress until now: a call that blocks at this moment counts as blocked, and since
 * is when it began, 0 if none does. */
static struct progress progress_now(void) {
    pthread_mutex_lock(&lock);
    struct progress p = progress;
    pthread_mutex_unlock(&lock);
    p.time = now();
    if (p.since == 0 || p.time - p.since <= COPYING)
        p.since = 0;
    else
        p.blocked += p.time - p.since;
    return p;
}

/* Prints the last row or picture in words, on stderr: stdout has the rows. What a call in progress
 * has already moved would count when it returns. */
static void sum_up(void) {
    double blocked = (double)drawn.blocked / SECOND, time = (double)(drawn.time - start) / SECOND;
    fprintf(stderr, "%s %lld bytes in %lld %ss%s, %lld %s\nblocked %.3f s of %.3f s", transferred,
            drawn.bytes, drawn.calls, call, drawn.content, drawn.partial, partially, blocked, time);
    if (drawn.again > 0) fprintf(stderr, ", EAGAIN %lld times", drawn.again);
    fputs("\n", stderr);
}

/* Writes a queue into line, of size columns: its name, a bar of what is left of the width, its
 * bytes and its buffer's. */
static void draw_queue(char *line, int columns, const char *name, int bytes, int limit) {
    char numbers[48] = "not told by this system", bar[WIDEST];
    if (bytes >= 0) snprintf(numbers, sizeof numbers, "%7d/%7d", bytes, limit);
    int width = columns - (int)(strlen(name) + strlen(numbers) + sizeof " [] ");
    long long filled = bytes < 1 || limit < 1 ? 0 : ((long long)bytes * width + limit - 1) / limit;
    for (int i = 0; i < width; i++) bar[i] = i < filled ? '#' : '.';
    snprintf(line, (size_t)columns, "%s [%.*s] %s", name, width < 0 ? 0 : width, bar, numbers);
}

/* Shows the transfer at this moment: on a terminal four lines in the place of the four before,
 * anywhere else a row of CSV. */
static void show(void) {
    char queues[2][WIDEST], rate[WIDEST], state[WIDEST];
    struct progress p = progress_now();
    double time = (double)(p.time - start) / SECOND;
    int out = queue_length(watched, SO_SNDBUF), in = queue_length(watched, SO_RCVBUF);

    if (isatty(STDOUT_FILENO)) {
        struct winsize window = {0};
        ioctl(STDOUT_FILENO, TIOCGWINSZ, &window);
        int columns = window.ws_col < 1 ? 80 : window.ws_col < WIDEST ? window.ws_col : WIDEST;
        draw_queue(queues[0], columns, "send queue", out, buffer_size(watched, SO_SNDBUF));
        draw_queue(queues[1], columns, "recv queue", in, buffer_size(watched, SO_RCVBUF));
        snprintf(rate, (size_t)columns, "%.1f s, %lld bytes, %.2f MB/s", time, p.bytes,
                 time > 0 ? (double)p.bytes / time / 1e6 : 0);
        snprintf(state, (size_t)columns,
                 p.since == 0 ? "%lld %ss" : "%lld %ss, BLOCKED since %.1f s", p.calls, call,
                 (double)(p.since - start) / SECOND);
        printf("%s\r%s\033[K\n%s\033[K\n%s\033[K\n%s\033[K\n",
               drawn.time > 0 ? "\033[4A" : "", /* four lines up */
               queues[0], queues[1], rate, state);
        fflush(stdout);
    } else
        printf("%.3f,%lld,%d,%d,%lld,%lld,%lld\n", time, p.bytes, out, in, p.calls, p.partial,
               p.blocked / MILLISECOND);
    if (ferror(stdout) && unwritten == 0) unwritten = errno;
    drawn = p;
}

/* Tells the thread that watches of SIGINT or SIGTERM; write(2) may be called at any time. */
static void interrupted(int number) {
    int error = errno;
    if (write(wake[1], &number, 1) == 1) errno = error; /* or the pipe is full: it knows */
}

/* The second thread: shows the transfer 10 times a second, and at its end. If that is SIGINT or
 * SIGTERM, it sums up and ends the program with exit status 0. POSIX poll(2) */
static void *watch(void *unused) {
    struct pollfd end = {.fd = wake[0], .events = POLLIN};
    long long next = start;
    do {
        while (next <= now()) next += TICK;
        poll(&end, 1, (int)((next - now()) / MILLISECOND) + 1);
        show();
    } while (end.revents == 0);
    if (read(wake[0], &(char){0}, 1) == 0) return unused; /* end of file: the transfer is over */
    sum_up();
    exit(0);
}

/* Starts watching the transfer on a socket. POSIX pthread_create(3) */
static void start_watching(int socket) {
    struct sigaction action = {.sa_handler = interrupted, .sa_flags = SA_RESTART};
    watched = socket;
    start = now();
    if (!isatty(STDOUT_FILENO))
        printf("seconds,bytes,send_queue,receive_queue,%ss,partial,blocked_ms\n", call);
    show();
    int error = pipe(wake) == -1 ? errno : pthread_create(&watcher, NULL, watch, NULL);
    if (error != 0) exit(report("pthread_create", "the watching thread", strerror(error)));
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* Ends it: the last row or picture, then the words. POSIX pthread_join(3) */
static void stop_watching(void) {
    signal(SIGINT, SIG_IGN); /* it is ending already */
    signal(SIGTERM, SIG_IGN);
    close(wake[1]);
    pthread_join(watcher, NULL);
    sum_up();
}

/* ---- The lesson ---- */

/* Takes the options and BYTES_PER_SECOND; ends the program as read_arguments does. getopt(3) */
static void read_options(int argc, char *argv[]) {
    int option;
    while ((option = getopt(argc, argv, ":s:r:")) != -1)
        if (option == 's')
            asked_send = (int)whole_number(optarg, 1, INT_MAX);
        else if (option == 'r')
            asked_receive = (int)whole_number(optarg, 1, INT_MAX);
        else
            read_arguments(argc, argv); /* help or no option of ours: this ends the program */
    argc -= optind - 1;
    argv += optind - 1;
    read_arguments(argc, argv);
    if (argc > 3) pace = whole_number(argv[3], 0, LLONG_MAX);
}

/* Compares count bytes that came at a position of the transfer with the pattern, and notes the
 * first that is wrong. */
static void check(const char *received, const char *expected, size_t count, long long position) {
    if (damaged >= 0 || memcmp(received, expected, count) == 0) return;
    damaged = position;
    while (*received++ == *expected++) damaged++;
    pthread_mutex_lock(&lock);
    progress.content = ", content damaged";
    pthread_mutex_unlock(&lock);
}

/* Waits until a slow reader may have taken so many bytes. POSIX nanosleep(2) */
static void keep_pace(long long bytes) {
    long long due = start + (long long)((double)bytes / (double)pace * SECOND), left;
    while ((left = due - now()) > 0)
        nanosleep(&(struct timespec){left / SECOND, left % SECOND}, NULL);
}

/* Receives the pattern to its end. Returns 0, or -1 with errno. POSIX recv(2) */
static int receive_pattern(int client, const char *pattern) {
    static char received[RECEIVE_SIZE];
    long long position = 0, share = pace / READS + 1; /* a slow reader takes little at a time */
    size_t size = pace == 0 || share > RECEIVE_SIZE ? RECEIVE_SIZE : (size_t)share;
    for (;;) {
        call_begins();
        ssize_t count = recv(client, received, size, 0);
        int error = errno;
        call_ended(count, size, false);
        if (count == -1 && error == EINTR) continue; /* only a signal */
        if (count == -1) return errno = error, -1;
        if (count == 0) return 0;
        check(received, pattern + position % PERIOD, (size_t)count, position);
        position += count;
        if (pace > 0) keep_pace(position);
    }
}

int main(int argc, char *argv[]) {
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    char name[ADDRESS_SIZE], wrong[64];
    int client, status = 0;

    read_options(argc, argv);
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ); /* each line at once, into a pipe too */
    signal(SIGPIPE, SIG_IGN);              /* a reader of our output that has left is no trouble */
    struct sigaction end = {.sa_handler = stop};
    sigaction(SIGINT, &end, NULL);
    sigaction(SIGTERM, &end, NULL);
    char *pattern = make_pattern(RECEIVE_SIZE);

    /* 1. create, 2. bind, 3. listen */
    int listener = open_listener();
    /* the client's socket gets what the listener has, and the receive buffer must be known when
     * the connection is made: TCP then agrees on the unit that it is announced in */
    ask_for_buffer(listener, SO_SNDBUF, asked_send);
    ask_for_buffer(listener, SO_RCVBUF, asked_receive);
    getsockname(listener, (struct sockaddr *)&address, &size);
    printf("listening on %s\n", address_name(&address, size, name));

    /* 4. accept: the client gets a socket of its own */
    size = sizeof address;
    client = accept(listener, (struct sockaddr *)&address, &size);
    if (client == -1) return report("accept", name, strerror(errno));
    close(listener); /* one transfer: the next client shall not wait for it in vain */
    fprintf(stderr, "%s connected\n", address_name(&address, size, name));

    /* 5. talk */
    start_watching(client);
    int result = receive_pattern(client, pattern), error = errno;
    stop_watching();
    if (result == -1) status = report("recv", name, strerror(error));
    snprintf(wrong, sizeof wrong, "byte %lld is not what was sent there", damaged);
    if (damaged >= 0) status = report("check", name, wrong);

    /* 6. close */
    close(client);
    free(pattern);
    return status;
}
