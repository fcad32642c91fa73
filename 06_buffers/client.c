/*
 * client.c - lesson 06, what lies between send and recv: the fast writer.
 *
 * Run:         ./client [-n] [-s BYTES] [-r BYTES] [-m BYTES] [HOST [PORT [BYTES]]]
 * Talk to it:  ./server 127.0.0.1 19536 4000000, first, in another terminal: the slow reader
 * New:         send returns when the kernel has taken the bytes, and blocks while it has no room
 * Not yet:     what the server has read, only the server can say: framing_client.c
 */
#define _POSIX_C_SOURCE 200809L /* without it, -std=c17 hides the socket functions */
#define _DARWIN_C_SOURCE        /* without it, macOS then hides SO_NWRITE */
#include <errno.h>
#include <fcntl.h>
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
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum {
    ARGUMENTS = 3,         /* HOST, PORT, BYTES */
    LOWEST_PORT = 1,       /* nobody listens on port 0 */
    ADDRESS_SIZE = 80,     /* bytes of an address in words, up to [IPv6%interface]:port */
    PATIENCE = 5,          /* seconds to wait for a silent server */
    PERIOD = 65521,        /* bytes after which the pattern repeats: a prime, as no buffer's size */
    WIDEST = 500,          /* columns of a terminal that the bars use at most */
    MILLISECOND = 1000000, /* in nanoseconds, as now() counts */
    SECOND = 1000 * MILLISECOND,
    COPYING = MILLISECOND,    /* a call that takes longer has waited: copying takes less */
    TICK = 100 * MILLISECOND, /* between two rows or pictures */
};
static const char *host = "127.0.0.1", *port = "19536";
static long long total = 16777216; /* BYTES */
static long long message = 131072; /* bytes that one send is given */
static bool nonblocking;
static int asked_send, asked_receive; /* sizes of the buffers; 0: as the kernel likes */
static const char silence[] = "no answer within 5 seconds: is it busy?";
static const char program[] = "client", transferred[] = "sent", call[] = "send",
                  partially[] = "of them partial";
static const char usage[] =
    "usage: client [-n] [-s BYTES] [-r BYTES] [-m BYTES] [HOST [PORT [BYTES]]]\n"
    "       (127.0.0.1 19536 16777216; PORT 1 to 65535)\n"
    "-n  do not block: EAGAIN, then poll waits     -m  bytes in one send (131072)\n"
    "-s  ask for a send buffer of so many bytes    -r  for a receive buffer\n";

static struct progress {
    long long bytes, calls, partial, again; /* again: failures with EAGAIN */
    long long blocked, since;               /* ns in calls that blocked; start of the present one */
    long long time;                         /* of this record */
    const char *content;                    /* what the summary says of it */
} drawn, progress = {.content = ""};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of progress */
static pthread_t watcher;
static int watched, wake[2]; /* the socket; a pipe that wakes the watcher */
static int unwritten;        /* error of standard output, 0: none */
static long long start;      /* of the transfer, in ns as now() counts them */

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

/* Returns errno in words: the four named here are how a wait ends that took too long. */
static const char *why(void) {
    bool timed_out = errno == EAGAIN || errno == EWOULDBLOCK || errno == EINPROGRESS ||
                     errno == EALREADY; /* connect again, after a signal */
    return timed_out ? silence : strerror(errno);
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

/* Takes the options and BYTES; ends the program as read_arguments does. POSIX getopt(3) */
static void read_options(int argc, char *argv[]) {
    int option;
    while ((option = getopt(argc, argv, ":ns:r:m:")) != -1)
        if (option == 's')
            asked_send = (int)whole_number(optarg, 1, INT_MAX);
        else if (option == 'r')
            asked_receive = (int)whole_number(optarg, 1, INT_MAX);
        else if (option == 'm')
            message = whole_number(optarg, 1, 1 << 30);
        else if (option == 'n')
            nonblocking = true;
        else
            read_arguments(argc, argv); /* help or no option of ours: this ends the program */
    argc -= optind - 1;
    argv += optind - 1;
    read_arguments(argc, argv);
    if (argc > 3) total = whole_number(argv[3], 0, LLONG_MAX);
}

/* Sends BYTES bytes of the pattern. Returns 0, or -1 with errno. POSIX send(2) */
static int send_pattern(int server, const char *pattern) {
    for (long long position = 0; position < total;) {
        long long left = total - position;
        size_t size = (size_t)(left < message ? left : message);
        call_begins();
        ssize_t sent = send(server, pattern + position % PERIOD, size, 0);
        int error = errno;
        bool full = sent == -1 && (error == EAGAIN || error == EWOULDBLOCK); /* only with -n */
        if (full) {
            pthread_mutex_lock(&lock);
            progress.again++;
            pthread_mutex_unlock(&lock);
            poll(&(struct pollfd){.fd = server, .events = POLLOUT}, 1, -1);
        }
        call_ended(sent, size, full);
        if (full || (sent == -1 && error == EINTR)) continue; /* there is room, or only a signal */
        if (sent == -1) return errno = error, -1;
        position += sent; /* less than size: a partial send, the rest comes next */
    }
    return 0;
}

/* Says that no more comes, and waits until the server has closed, or for 5 s with everything
 * acknowledged. What the server says is thrown away: unread, it would make of our close a reset,
 * which drops the send queue. Returns 0, or -1 with errno. POSIX shutdown(2) */
static int drain(int server) {
    struct pollfd end = {.fd = server, .events = POLLIN};
    char said[1024];
    if (shutdown(server, SHUT_WR) == -1) return -1;
    for (long long since = now(); (now() - since) / SECOND < PATIENCE;) {
        int ready = poll(&end, 1, PATIENCE * 1000);
        if (queue_length(server, SO_SNDBUF) > 0) since = now();
        ssize_t count = ready == 1 ? recv(server, said, sizeof said, 0) : 1;
        if (count < 1) return (int)count;
    }
    return 0;
}

int main(int argc, char *argv[]) {
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    char own[ADDRESS_SIZE], peer[ADDRESS_SIZE];

    read_options(argc, argv);
    if (fcntl(STDOUT_FILENO, F_GETFD) == -1 || fcntl(STDERR_FILENO, F_GETFD) == -1)
        return report("write", "standard output", strerror(errno)); /* or the socket would get it */
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ); /* each line at once, into a pipe too */
    signal(SIGPIPE, SIG_IGN);              /* sending to a server that has left fails, no more */
    char *pattern = make_pattern((size_t)message);

    /* 1. create, 2. connect */
    int server = connect_to_server(peer);
    getsockname(server, (struct sockaddr *)&address, &size);
    fprintf(stderr, "%s connected to %s\n", address_name(&address, size, own), peer);
    ask_for_buffer(server, SO_SNDBUF, asked_send);
    ask_for_buffer(server, SO_RCVBUF, asked_receive);
    /* a send may block for as long as the server likes: that is the lesson */
    setsockopt(server, SOL_SOCKET, SO_SNDTIMEO, &(struct timeval){0}, sizeof(struct timeval));
    if (nonblocking) fcntl(server, F_SETFL, fcntl(server, F_GETFL) | O_NONBLOCK);

    /* 3. send, 4. receive the end */
    start_watching(server);
    const char *operation = "send";
    int status = 0, result = send_pattern(server, pattern);
    if (result == 0) operation = "recv", result = drain(server);
    int error = errno;
    stop_watching();
    if (result == -1) {
        status = report(operation, peer, strerror(error));
        fprintf(stderr,
                "handed to the kernel: %lld bytes, %d of them never acknowledged;\n"
                "how many the server has read is unknown\n",
                progress.bytes, queue_length(server, SO_SNDBUF));
    }
    if (unwritten != 0) status = report("write", "standard output", strerror(unwritten));

    /* 5. close */
    close(server);
    free(pattern);
    return status;
}
