/*
 * http_request.c - fuzzes what lesson 04's server does with the bytes of a visitor, up to the file
 * that it opens and the answer that it writes.
 */
#define main lesson_main
#include "../../04_http_get/server.c"
#undef main
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char request[HEAD_SIZE + 1], page[PAGE_SIZE], answer[ANSWER_SIZE];
    const char *type = "";
    long long length = 0;
    bool more = false;
    int file = -1, ends[2];
    if (size == 0 || size > 3 * HEAD_SIZE) return 0;
    if (root == -1 && data[0] % 2) root = open("04_http_get/www", O_RDONLY | O_DIRECTORY);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == -1) abort();
    if (send(ends[0], data + 1, size - 1, 0) != (ssize_t)(size - 1)) abort();
    close(ends[0]);
    const char *status = receive_head(ends[1], request, &more);
    close(ends[1]);
    if (strlen(request) > HEAD_SIZE) abort();
    if (status == left_early) return 0;
    if (status == NULL) status = check_head(request, &more);
    if (status == NULL) status = open_target(request, &file, &type, &length);
    if (status == ok && strncmp(request, "GET ", 4) != 0 && strncmp(request, "HEAD ", 5) != 0)
        abort();
    if (file != -1 && status != ok) abort();
    if (file != -1) close(file);
    if (write_page(page, status, request) >= PAGE_SIZE) abort();
    if (write_head(answer, status, type, length, request) + PAGE_SIZE > ANSWER_SIZE) abort();
    char *location = strstr(answer, "Location: ");
    if (location != NULL && (location[10] != '.' || location[11] != '/')) abort();
    shown(request, strcspn(request, "\r\n"), answer);
    return 0;
}
