/*
 * main_returns.c - a detached thread and the end of main.
 *
 * Of:       the notes, N4
 * Decided:  C17 5.1.2.2.3 and 7.22.4.4; POSIX exit(3), pthread_detach(3), pthread_join(3)
 * Predict:  a detached thread has sent 1 of 5 pieces, 50 ms apart; main returns: how many come?
 *   a) all 5: a detached thread runs on alone
 *   b) 5 or fewer: the process waits for the piece being sent, then ends
 *   c) those sent so far; the thread ends in the middle of its work
 * Answer:   c
 * Why:      Returning from main is calling exit, which ends the process and every thread in it,
 *           wherever each one is. If its work matters, main waits for it with pthread_join.
 */
#define _POSIX_C_SOURCE 200809L /* sockets and threads, also under -std=c17 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PIECES = 5 };

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

static int ends[2]; /* [0] of the observer, [1] of the process whose main ends */

/* The detached thread: sends PIECES bytes, each after 50 ms that stand for work. */
static void *work(void *unused) {
    for (int i = 0; i < PIECES; i++) {
        if (i > 0) nanosleep(&(struct timespec){.tv_nsec = 50 * 1000 * 1000}, NULL);
        if (send(ends[1], "x", 1, 0) == -1) break;
    }
    return unused;
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0), alarm(5);
    puts("belief:   a detached thread finishes its work, whatever main does");
    puts("doing:    a thread sends 5 pieces, 50 ms apart; after the first one main ends");
    int came[2];
    for (int joins = 0; joins < 2; joins++) {
        must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), "socketpair");
        pid_t child = must(fork(), "fork");
        close(ends[child != 0]);
        if (child == 0) {
            pthread_t thread;
            char go;
            if (pthread_create(&thread, NULL, work, NULL) != 0) return 3;
            if (!joins) pthread_detach(thread);
            must((int)recv(ends[1], &go, 1, 0), "recv"); /* the first piece has arrived */
            if (joins) pthread_join(thread, NULL);
            return 0;
        }
        char pieces[PIECES];
        must((int)recv(ends[0], pieces, 1, 0), "recv");
        must((int)send(ends[0], "g", 1, 0), "send");
        came[joins] = 1 + must((int)recv(ends[0], pieces, PIECES, MSG_WAITALL), "recv");
        close(ends[0]), waitpid(child, NULL, 0);
    }
    printf("happened: main returned: %d of %d pieces came\n", came[0], PIECES);
    printf("happened: main waited in pthread_join: %d of %d came\n", came[1], PIECES);
    return verdict(came[0] < PIECES && came[1] == PIECES,
                   "when main returns, every thread ends with it, in the middle of its work");
}
