/*
 * which_localhost.c - localhost, 127.0.0.1, ::1 and 0.0.0.0.
 *
 * Of:       common
 * Decided:  RFC 6761 6.3 (localhost); RFC 4291 2.5.3 (::1); Linux ip(7), INADDR_ANY
 * Predict:  a server listens on 127.0.0.1; a client that takes ::1 for "localhost" connects. So?
 *   a) it is connected: both mean this machine
 *   b) it fails: 127.0.0.1 and ::1 are two addresses
 *   c) the kernel turns ::1 into 127.0.0.1
 * Answer:   b
 * Why:      localhost is a name with one or two addresses, 127.0.0.1 is one address, 0.0.0.0 is all
 *           IPv4 addresses of the machine, the reachable ones too. Say the one you mean.
 */
#define _POSIX_C_SOURCE 200809L /* sockets and alarm, also under -std=c17 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- Helpers: the same text in every experiment that has them ---- */

/* Prints the verdict; returns the exit status, 0 or 1; COURSE_EXPECT_WRONG inverts both. */
static int verdict(bool as_documented, const char *truth) {
    if (getenv("COURSE_EXPECT_WRONG")) as_documented = !as_documented;
    printf("verdict:  %s%s\n", as_documented ? "" : "NOT AS DOCUMENTED: ", truth);
    return as_documented ? 0 : 1;
}

/* Passes a call's result on; a failed one (-1) ends the experiment as inconclusive, status 3. */
static int must(int result, const char *operation) {
    if (result != -1) return result;
    printf("verdict:  inconclusive: %s: %s\n", operation, strerror(errno));
    exit(3);
}

/* A socket bound to 127.0.0.1, its port (the kernel's pick) in *address; a stream listens. */
static int listen_on_loopback(int type, struct sockaddr_in *address) {
    int listener = must(socket(AF_INET, type, 0), "socket");
    socklen_t size = sizeof *address;
    *address = (struct sockaddr_in){.sin_family = AF_INET};
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    must(bind(listener, (struct sockaddr *)address, size), "bind");
    if (type == SOCK_STREAM) must(listen(listener, 8), "listen");
    must(getsockname(listener, (struct sockaddr *)address, &size), "getsockname");
    return listener;
}

/* ---- The experiment ---- */

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0), alarm(5);
    puts("belief:   localhost, 127.0.0.1 and 0.0.0.0 are the same");
    puts("doing:    resolve localhost; beside a listener on 127.0.0.1 try ::1 and bind 0.0.0.0");
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    int trouble = getaddrinfo("localhost", NULL, &hints, &list);
    if (trouble) printf("happened: localhost: %s\n", gai_strerror(trouble));
    for (struct addrinfo *each = list; each; each = each->ai_next) {
        char text[64] = "";
        getnameinfo(each->ai_addr, each->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST);
        printf("happened: localhost is %s\n", text);
    }
    if (list) freeaddrinfo(list);

    struct sockaddr_in address;
    listen_on_loopback(SOCK_STREAM, &address);
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = address.sin_port};
    six.sin6_addr = in6addr_loopback;
    int client = socket(AF_INET6, SOCK_STREAM, 0); /* -1 without IPv6: then connect fails, too */
    int refused = connect(client, (struct sockaddr *)&six, sizeof six) == -1 ? errno : 0;
    printf("happened: listener on 127.0.0.1, connect to ::1: %s\n", strerror(refused));
    int any = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
    address.sin_addr.s_addr = htonl(INADDR_ANY); /* bound only, never listening */
    int taken = bind(any, (struct sockaddr *)&address, sizeof address) == -1 ? errno : 0;
    printf("happened: beside it, bind to 0.0.0.0: %s\n", strerror(taken));
    return verdict(refused != 0 && taken == EADDRINUSE,
                   "a name, one address, and all addresses: three different things");
}
