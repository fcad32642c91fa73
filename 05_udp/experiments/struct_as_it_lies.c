/*
 * struct_as_it_lies.c - what is on the wire when a struct is sent.
 *
 * Of:       common
 * Decided:  C17 6.2.6.1 and 6.7.2.1; RFC 791 appendix B; POSIX htonl(3)
 * Predict:  struct { char; uint32_t = 1; uint16_t = 2; } is sent as it lies: how many bytes?
 *   a) 7, and they mean the same everywhere
 *   b) 7, with the bytes of the numbers in this machine's order
 *   c) more than 7: gaps between the fields go along, in this machine's order
 * Answer:   c
 * Why:      The compiler pads fields to the addresses that the machine likes, and stores numbers in
 *           the machine's order. What both ends must agree on is written byte by byte.
 */
#define _POSIX_C_SOURCE 200809L /* sockets, also under -std=c17 */
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct header {
    char kind;
    uint32_t length;
    uint16_t port;
};

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
    puts("belief:   byte order is theory: a struct can be sent as it lies in memory");
    puts("doing:    send kind 'A', length 1, port 2 (7 bytes): the struct, then byte by byte");
    struct sockaddr_in address;
    int receiver = listen_on_loopback(SOCK_DGRAM, &address), size[2];
    int sender = must(socket(AF_INET, SOCK_DGRAM, 0), "socket");
    must(connect(sender, (struct sockaddr *)&address, sizeof address), "connect");
    struct header header;
    memset(&header, 0xEE, sizeof header); /* whatever was in that memory before */
    header.kind = 'A', header.length = 1, header.port = 2;
    must((int)send(sender, &header, sizeof header, 0), "send");
    must((int)send(sender, (char[]){'A', 0, 0, 0, 1, 0, 2}, 7, 0), "send");
    uint32_t length[2];
    for (int packed = 0; packed < 2; packed++) {
        unsigned char bytes[64];
        size[packed] = must((int)recv(receiver, bytes, sizeof bytes, 0), "recv");
        memcpy(&length[packed], bytes + 1, 4), length[packed] = ntohl(length[packed]);
        printf("happened: %d bytes:", size[packed]);
        for (int i = 0; i < size[packed]; i++) printf(" %02x", bytes[i]);
        printf(": length %u\n", (unsigned)length[packed]);
    }
    return verdict(size[0] > 7 && length[0] != 1 && size[1] == 7 && length[1] == 1,
                   "a struct carries its gaps and its machine's byte order; write bytes instead");
}
