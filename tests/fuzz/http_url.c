/*
 * http_url.c - fuzzes what lesson 04's client makes of a URL: a request of one line and three
 * headers, whatever the URL says.
 */
#define main lesson_main
#include "../../04_http_get/client.c"
#undef main
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 8);
    if (text == NULL) abort();
    /* half of the inputs get past the scheme */
    snprintf(text, 8, "%s", size % 2 ? "http://" : "");
    size_t start = strlen(text);
    if (size > 0) memcpy(text + start, data, size);
    text[start + size] = '\0';
    if (write_request(text) == NULL) {
        const char *line = request;
        int lines = 0;
        for (const char *end; (end = strstr(line, "\r\n")) != NULL; line = end + 2, lines++)
            for (const char *c = line; c < end; c++)
                if (iscntrl((unsigned char)*c)) abort();
        if (lines != 5 || *line != '\0' || strncmp(request, "GET /", 5) != 0) abort();
        if (strcspn(request + 4, " ") != (size_t)(strstr(request, " HTTP/1.1\r\n") - request - 4))
            abort();
    }
    free(text);
    return 0;
}
