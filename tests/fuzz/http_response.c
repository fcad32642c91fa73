/*
 * http_response.c - fuzzes how lesson 04's client takes a response: in whatever pieces it comes,
 * its end and its faults are the same, and what is printed is all that came.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
static ssize_t next_piece(int socket, void *buffer, size_t size, int flags);
static void printed(const char *bytes, size_t count);
#define recv next_piece
#define fwrite(bytes, size, count, file) printed(bytes, count)
#define fprintf(...) ((void)0) /* the status, on stderr */
#define main lesson_main
#include "../../04_http_get/client.c"
#undef main
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *bytes;            /* what the server sends */
static size_t all, came, out, piece; /* its bytes, those received, printed, of one recv */

/* Stands in for recv: brings the next piece. */
static ssize_t next_piece(int socket, void *buffer, size_t size, int flags) {
    (void)socket, (void)flags;
    size_t count = all - came < piece ? all - came : piece;
    if (count > size) count = size;
    memcpy(buffer, bytes + came, count);
    came += count;
    return (ssize_t)count;
}

/* Stands in for fwrite: what is printed must be what came, in order. */
static void printed(const char *text, size_t count) {
    if (out + count > came || memcmp(text, bytes + out, count) != 0) abort();
    out += count;
}

/* Takes the response in pieces of so many bytes, and counts them in taken. Returns what is wrong.
 */
static const char *take_in_pieces(size_t count, long long *taken) {
    struct response response = {.limit = HEAD_SIZE};
    came = out = 0;
    piece = count;
    const char *problem = take_response(&response);
    if (out != came || response.end != (long long)came || response.taken > response.end) abort();
    if (response.failure != NULL) abort();
    *taken = response.taken;
    return problem;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    bytes = (const char *)data + 1;
    all = size - 1;
    long long taken, again;
    const char *problem = take_in_pieces(all + 1, &taken);
    if (take_in_pieces(1 + data[0] % 16, &again) != problem || again != taken) abort();
    return 0;
}
