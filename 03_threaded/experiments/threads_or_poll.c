/*
 * threads_or_poll.c - a thread for each client, or one loop with poll.
 *
 * Of:       common
 * Decided:  no standard: measured here, POSIX poll(2) and pthread_create(3)
 * Predict:  1 client, then 64, ask a threaded server and one that polls: which is faster?
 *   a) the threads, with 1 and with 64
 *   b) poll, with 1 and with 64
 *   c) it depends: on the clients, the work, the cores
 * Answer:   c
 * Why:      poll costs one more call a round, but one round serves all that have asked; threads
 *           cost a switch a client, but use all cores. Both serve everybody: measure your case.
 */
#define _POSIX_C_SOURCE 200809L /* sockets, poll and threads, also under -std=c17 */
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* ---- Helpers: the same text in every experiment that has them ---- */

/* Prints the verdict; returns the exit status, 0 or 1; COURSE_EXPECT_WRONG inverts both. */
static int verdict(bool as_documented, const char *truth) {
    if (getenv("COURSE_EXPECT_WRONG")) as_documented = !as_documented;
    printf("verdict:  %s%s\n", as_documented ? "" : "NOT AS DOCUMENTED: ", truth);
    return as_documented ? 0 : 1;
}

/* Milliseconds on a clock that never goes back. */
static double now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* ---- The experiment ---- */

enum { MANY = 64, TRIPS = 1920 };
static int ends[MANY][2]; /* of each connection: [0] the client's, [1] the server's */
static int share;         /* how many of them a thread serves: all, or one */
static bool polls;        /* whether it asks poll first who has something to say */

/* A server's thread: serves its share of the connections, from *first on, until a client leaves. */
static void *serve(void *first) {
    struct pollfd all[MANY];
    for (int i = 0; i < share; i++)
        all[i] = (struct pollfd){((int(*)[2])first)[i][1], POLLIN, POLLIN};
    while (!polls || poll(all, (nfds_t)share, 2000) > 0)
        for (int i = 0; i < share; i++) {
            char byte;
            if (!all[i].revents) continue;
            if (recv(all[i].fd, &byte, 1, 0) != 1) return NULL;
            send(all[i].fd, &byte, 1, 0);
        }
    return NULL;
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0), alarm(5);
    puts("belief:   threads are always faster than one loop");
    puts("doing:    1,920 round trips of 1 client and of 64, threaded and with poll");
    double us[4];
    int done = 0;
    for (int run = 0; run < 4; run++) {
        int n = run % 2 ? MANY : 1, failed = 0;
        polls = run > 1, share = polls ? n : 1;
        pthread_t thread[MANY];
        for (int i = 0; i < n; i++) failed |= socketpair(AF_UNIX, SOCK_STREAM, 0, ends[i]);
        for (int i = 0; i < n && !failed; i += share)
            failed = pthread_create(&thread[i], NULL, serve, ends[i]);
        if (failed) return puts("verdict:  inconclusive: no sockets or threads"), 3;
        us[run] = -now_ms() * 1e3 / TRIPS;
        for (int trip = 0; trip < TRIPS / n; trip++) {
            for (int i = 0; i < n; i++) send(ends[i][0], "x", 1, 0);
            for (int i = 0; i < n; i++) done += (int)recv(ends[i][0], &(char){0}, 1, 0);
        }
        us[run] += now_ms() * 1e3 / TRIPS;
        for (int i = 0; i < n; i++) shutdown(ends[i][0], SHUT_RDWR);
        for (int i = 0; i < n; i += share) pthread_join(thread[i], NULL);
    }
    for (int i = 0; i < 2; i++)
        printf("happened: %d client(s): threads %4.1f us a trip, poll %4.1f us, ratio %.1f\n",
               i ? MANY : 1, us[i], us[i + 2], us[i] / us[i + 2]);
    return verdict(done == 4 * TRIPS, "both serve all; which is faster depends: measure it");
}
