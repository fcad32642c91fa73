/*
 * https_on_80.c - an https URL fetched by stripping its scheme.
 *
 * Of:       the notes, N3 (its URL says https, its client connects to port 80)
 * Decided:  RFC 9110 4.2.2 (https); RFC 8446 5.1 (a TLS record starts with its type, 22 or 0x16)
 * Predict:  a client cuts "https://" off and sends its GET. What does the server's wire see?
 *   a) a TLS ClientHello
 *   b) encrypted bytes
 *   c) plain text that everyone on the way can read
 * Answer:   c
 * Why:      The scheme is an order to the client: speak TLS first, to port 443. TCP knows nothing
 * of it; TLS is a layer of its own between TCP and HTTP, and this client left it out.
 */
#define _POSIX_C_SOURCE 200809L /* sockets and alarm, also under -std=c17 */
#include <arpa/inet.h>
#include <errno.h>
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

/* A TCP connection over loopback: returns the client's end, *server is the accepted one. */
static int connected_pair(int *server) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
    int client = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
    must(bind(listener, (struct sockaddr *)&address, size), "bind");
    must(listen(listener, 1), "listen");
    must(getsockname(listener, (struct sockaddr *)&address, &size), "getsockname");
    must(connect(client, (struct sockaddr *)&address, size), "connect");
    *server = must(accept(listener, NULL, NULL), "accept");
    close(listener);
    return client;
}

/* ---- The experiment ---- */

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0), alarm(5);
    puts("belief:   an https URL can be fetched on port 80 without its scheme");
    puts("doing:    strip the scheme as the notes do, GET; show what the server gets (its port "
         "plays 80)");
    int server, client = connected_pair(&server);

    const char *url = "https://127.0.0.1/login?password=sesame";
    const char *host = strstr(url, "://") + 3, *path = strchr(host, '/');
    char request[256], got[256];
    int size = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %.*s\r\n\r\n", path,
                        (int)(path - host), host);
    must((int)send(client, request, (size_t)size, 0), "send");
    int received = must((int)recv(server, got, sizeof got - 1, 0), "recv");
    got[received] = '\0'; /* a string now: recv left one byte for it */

    int first = (unsigned char)got[0];
    int line = (int)strcspn(got, "\r");
    bool readable = strstr(got, "password=sesame") != NULL;
    printf("happened: first byte 0x%02x '%c'; a TLS ClientHello starts with 0x16\n", first, first);
    printf("happened: the server got: %.*s\n", line, got);
    printf("happened: the password is %s\n", readable ? "readable" : "hidden");
    close(server), close(client);
    return verdict(first != 0x16 && readable,
                   "that is plain HTTP, open to all; TLS is another layer");
}
