/*
 * cut_character.c - decoding what one recv returned.
 *
 * Of:       the notes, N0 to N4 (each decodes what recv(1024) returned)
 * Decided:  POSIX recv(2), mbrtowc(3); RFC 3629 3 (UTF-8)
 * Predict:  1023 letters, then a character of 3 bytes; recv(1024), decode. What happens?
 *   a) the decoder finds a character cut in two
 *   b) recv returns 1026 bytes, for it never cuts a character
 *   c) recv returns 1023 bytes and leaves the character for the next call
 * Answer:   a
 * Why:      recv counts bytes and knows no characters, so a piece may end inside one. Keep the
 *           decoder's state (or the incomplete bytes) from one recv to the next.
 */
#define _POSIX_C_SOURCE 200809L /* sockets and alarm, also under -std=c17 */
#include <arpa/inet.h>
#include <errno.h>
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wchar.h>

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

/* Decodes size bytes from *state on, where an incomplete end stays; the characters, or -1. */
static int decode(const char *bytes, size_t size, mbstate_t *state) {
    int characters = 0;
    for (size_t used; size > 0; bytes += used, size -= used, characters++) {
        used = mbrtowc(NULL, bytes, size, state);
        if (used >= (size_t)-2) return used == (size_t)-2 ? characters : -1; /* cut, or no UTF-8 */
    }
    return characters;
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0), alarm(5);
    puts("belief:   decode() of what recv returned is text");
    bool utf8 = setlocale(LC_CTYPE, "C.UTF-8") || setlocale(LC_CTYPE, "en_US.UTF-8");
    must(utf8 ? 0 : -1, "setlocale to UTF-8");
    puts("doing:    send 1023 letters and one character of 3 bytes, recv up to 1024, twice");
    int server, client = connected_pair(&server);
    char text[1026], one[1026], two[1026];
    memset(text, 'a', 1023), memcpy(text + 1023, "\xE6\x94\xB6", 3);
    must((int)send(client, text, sizeof text, 0), "send");
    recv(server, one, sizeof one, MSG_PEEK | MSG_WAITALL); /* until all of it is there */
    int first = must((int)recv(server, one, 1024, 0), "recv");
    int second = must((int)recv(server, two, 1024, 0), "recv");
    mbstate_t fresh = {0}, anew = {0}, kept = {0};
    int a = decode(one, (size_t)first, &fresh), b = decode(two, (size_t)second, &anew);
    int c = decode(one, (size_t)first, &kept), d = decode(two, (size_t)second, &kept);
    printf("happened: recv %d, %d; characters alone: %d, %d (-1: error)\n", first, second, a, b);
    printf("happened: one decoder for both: %d, then %d: %d characters\n", c, d, c + d);
    return verdict(a == 1023 && !mbsinit(&fresh) && b == -1 && c + d == 1024,
                   "a recv may end inside a character: keep the decoder's state");
}
