/*
 * http_response.c - fuzzes how lesson 04's client follows a response: in whatever pieces it comes,
 * its end and its faults are the same.
 */
#define main lesson_main
#include "../../04_http_get/client.c"
#undef main
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct response whole = {.left = -1}, pieces = {.left = -1};
    if (size == 0) return 0;
    size_t step = 1 + data[0] % 16, total = 0;
    const char *bytes = (const char *)data + 1;
    size--;
    size_t used = follow(&whole, bytes, size);
    while (total < size && pieces.part != DONE)
        total += follow(&pieces, bytes + total, size - total < step ? size - total : step);
    if (used > size || used != total) abort();
    if (whole.part != pieces.part || missing(&whole) != missing(&pieces)) abort();
    if (whole.part != DONE && used != size) abort();
    return 0;
}
