/*
 * bare_loop.c - the least that answers a request for a file: what scripts/bench measures lesson
 * 04's server against. It reads no request, knows one file, one visitor at a time, no deadline, no
 * error.
 *
 * Run:  ./bare_loop PORT FILE    (a file of at most 4096 bytes; a signal ends it)
 */
#define _POSIX_C_SOURCE 200809L /* without it, -std=c17 hides the socket functions */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char *argv[]) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    char request[4096], body[4096], answer[8192];
    if (argc != 3) return 2;
    address.sin_port = htons((uint16_t)strtol(argv[1], NULL, 10));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    signal(SIGPIPE, SIG_IGN); /* a visitor who has left ends nothing */
    int listener = socket(AF_INET, SOCK_STREAM, 0), client;
    if (bind(listener, (struct sockaddr *)&address, sizeof address) == -1 ||
        listen(listener, 4096) == -1) {
        perror("bare_loop");
        return 1;
    }
    while ((client = accept(listener, NULL, NULL)) != -1) {
        ssize_t count = recv(client, request, sizeof request, 0);
        int file = open(argv[2], O_RDONLY);
        if (count > 0 && file != -1 && (count = read(file, body, sizeof body)) >= 0) {
            int head = sprintf(answer, "HTTP/1.1 200 OK\r\nContent-Length: %zd\r\n\r\n", count);
            memcpy(answer + head, body, (size_t)count);
            send(client, answer, (size_t)head + (size_t)count, 0);
        }
        close(file);
        close(client);
    }
    return 1;
}
