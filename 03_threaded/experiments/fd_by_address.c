/*
 * fd_by_address.c - how the new thread learns which client is its own.
 *
 * Of:       common
 * Decided:  POSIX pthread_create(3), 4.12 Memory Synchronization
 * Predict:  1,000 threads are started with &client, the variable of the accept loop: what follows?
 *   a) each serves its own client: the address was right when the thread was created
 *   b) some clients get two threads or more, others none
 *   c) all threads serve the last client
 * Answer:   b
 * Why:      All threads share the one variable, and look at it when they get to run; by then the
 *           loop may have stored the next descriptor. Hand over the value, or memory of its own.
 */
#define _POSIX_C_SOURCE 200809L /* dup and threads, also under -std=c17 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { AT_ONCE = 100, ROUNDS = 10 };

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

/* ---- The experiment ---- */

enum { ADDRESS, VALUE, MALLOC, WAYS }; /* how the descriptor gets to the thread */
static int way;
static atomic_int served[1024]; /* how many threads took this descriptor for theirs */

/* The thread: counts itself at the descriptor it finds; a real one would serve that client. */
static void *serve(void *given) {
    served[way == VALUE ? (int)(intptr_t)given : *(atomic_int *)given]++;
    if (way == MALLOC) free(given);
    return NULL;
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0), alarm(5);
    puts("belief:   the address of the client's descriptor may be handed to its thread");
    puts("doing:    1,000 starts with &client, with its value, and with a copy from malloc");
    int lost[WAYS] = {0}, doubled[WAYS] = {0};
    for (int round = 0; round < WAYS * ROUNDS; round++) {
        way = round / ROUNDS;
        int clients[AT_ONCE];
        pthread_t threads[AT_ONCE];
        atomic_int client; /* atomic: never half a value, only one too new */
        for (int i = 0; i < AT_ONCE; i++) {
            client = clients[i] = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
            void *given = way == VALUE ? (void *)(intptr_t)client : &client;
            if (way == MALLOC) must((given = malloc(sizeof client)) ? 0 : -1, "malloc");
            if (way == MALLOC) atomic_init((atomic_int *)given, client);
            must(pthread_create(&threads[i], NULL, serve, given) ? -1 : 0, "pthread_create");
        }
        for (int i = 0; i < AT_ONCE; i++) pthread_join(threads[i], NULL);
        for (int i = 0; i < AT_ONCE; i++) {
            int times = atomic_exchange(&served[clients[i]], 0);
            lost[way] += times == 0, doubled[way] += times > 1;
            close(clients[i]);
        }
    }
    static const char *const name[] = {"&client", "value", "malloc"};
    for (int i = 0; i < WAYS; i++)
        printf("happened: %-7s %3d of 1000 clients lost, %3d served by two or more\n", name[i],
               lost[i], doubled[i]);
    if (lost[0] == 0) return puts("verdict:  inconclusive: every thread ran in time, by luck"), 3;
    return verdict(doubled[0] > 0 && lost[1] + doubled[1] + lost[2] + doubled[2] == 0,
                   "the thread reads the variable late: hand it the value, or memory of its own");
}
