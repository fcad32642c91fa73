/* Makes every second pthread_create of a program fail, as at a limit: cc -include no_thread.h; with
 * -DEVERY=1 all of them. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <pthread.h>
#ifndef EVERY
#define EVERY 2
#endif

static int create_or_fail(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument) {
    static int calls;
    return ++calls % EVERY == 0 ? EAGAIN : pthread_create(thread, attributes, run, argument);
}
#define pthread_create create_or_fail
