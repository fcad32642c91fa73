/*
 * gethostbyname.c - the old way to resolve a name, and the one today.
 *
 * Of:       the notes, N2
 * Decided:  POSIX.1-2001 gethostbyname(3) (gone since POSIX.1-2008); POSIX getaddrinfo(3)
 * Predict:  a program keeps the result for 127.0.0.1, then another thread asks for 127.0.0.2. The
 *           kept result is?
 *   a) still 127.0.0.1
 *   b) 127.0.0.2
 *   c) freed memory
 * Answer:   b
 * Why:      gethostbyname answers in one static structure that the next call overwrites, in
 * whatever thread, and knows IPv4 only. getaddrinfo gives each caller a list of all the addresses.
 */
#define _DEFAULT_SOURCE /* gethostbyname: POSIX has dropped it */
#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- Helpers: the same text in every experiment that has them ---- */

/* Prints the verdict; returns the exit status, 0 or 1; COURSE_EXPECT_WRONG inverts both. */
static int verdict(bool as_documented, const char *truth) {
    if (getenv("COURSE_EXPECT_WRONG")) as_documented = !as_documented;
    printf("verdict:  %s%s\n", as_documented ? "" : "NOT AS DOCUMENTED: ", truth);
    return as_documented ? 0 : 1;
}

/* Ends the experiment with status 3: this machine does not show it, and why. */
static int inconclusive(const char *why) {
    printf("verdict:  inconclusive: %s\n", why);
    return 3;
}

/* ---- The experiment ---- */

/* A thread that resolves another host: it shares nothing with its creator, so it seems. */
static void *resolve_another(void *unused) {
    gethostbyname("127.0.0.2");
    return unused;
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0), alarm(5);
    puts("belief:   gethostbyname is the way to resolve a name");
    puts("doing:    gethostbyname, again in another thread, and of ::1; getaddrinfo of ::1");
    struct hostent *kept = gethostbyname("127.0.0.1");
    if (!kept) return inconclusive("gethostbyname does not know 127.0.0.1");
    char before[INET_ADDRSTRLEN], after[INET_ADDRSTRLEN], text[INET6_ADDRSTRLEN] = "nothing";
    inet_ntop(AF_INET, kept->h_addr_list[0], before, sizeof before);
    pthread_t thread;
    if (pthread_create(&thread, NULL, resolve_another, NULL)) return inconclusive("no thread");
    pthread_join(thread, NULL);
    inet_ntop(AF_INET, kept->h_addr_list[0], after, sizeof after);
    printf("happened: the kept result: %s; after the other thread's call: %s\n", before, after);
    if (strcmp(before, after) == 0) return inconclusive("this libc has one result per thread");

    bool old_knows_six = gethostbyname("::1") != NULL;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    hints.ai_flags = AI_NUMERICHOST;
    int trouble = getaddrinfo("::1", "80", &hints, &list);
    if (trouble) return inconclusive(gai_strerror(trouble));
    getnameinfo(list->ai_addr, list->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST);
    printf("happened: ::1 by gethostbyname: %s\n", old_knows_six ? "an answer" : "no answer");
    printf("happened: ::1 by getaddrinfo: %s, with the port, ready for connect\n", text);
    freeaddrinfo(list);
    return verdict(strcmp(after, "127.0.0.2") == 0 && !old_knows_six,
                   "it is IPv4 only and not thread-safe; getaddrinfo gives every address");
}
