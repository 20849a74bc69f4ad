/* Other file systems. Without locks: below the folder NO_LOCKS, flock fails with the error NO_LOCKS_ERROR, and so do the
   locks of fcntl where NO_LOCKS_FCNTL is set. Without hard links: below the folder NO_LINKS, link fails with the error
   NO_LINKS_ERROR. Slow: fsync takes SLOW_SYNC milliseconds, and SYNC_LOG is told when each began and ended. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int below(int handle) {
    char link[64], path[4096];
    const char *folder = getenv("NO_LOCKS");
    snprintf(link, sizeof link, "/proc/self/fd/%d", handle);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (!folder || length < 0) return 0;
    path[length] = 0;
    return strncmp(path, folder, strlen(folder)) == 0;
}

static int fail(void) {
    errno = atoi(getenv("NO_LOCKS_ERROR"));
    return -1;
}

int flock(int handle, int kind) {
    return below(handle) ? fail() : (int)syscall(SYS_flock, handle, kind);
}

static int control(const char *name, int handle, int command, void *argument) {
    int lock = command == F_SETLK || command == F_SETLKW || command == F_GETLK;
    if (lock && getenv("NO_LOCKS_FCNTL") && below(handle)) return fail();
    return ((int (*)(int, int, ...))dlsym(RTLD_NEXT, name))(handle, command, argument);
}

#define CONTROL(name)                                                                                                  \
    int name(int handle, int command, ...) {                                                                           \
        va_list rest;                                                                                                  \
        va_start(rest, command);                                                                                       \
        void *argument = va_arg(rest, void *);                                                                         \
        va_end(rest);                                                                                                  \
        return control(#name, handle, command, argument);                                                              \
    }
CONTROL(fcntl)
CONTROL(fcntl64)

static int linked(const char *to) {
    const char *folder = getenv("NO_LINKS");
    if (!folder || strncmp(to, folder, strlen(folder))) return 0;
    errno = atoi(getenv("NO_LINKS_ERROR"));
    return -1;
}

int link(const char *from, const char *to) { return linked(to) ? -1 : (int)syscall(SYS_link, from, to); }

int linkat(int a, const char *from, int b, const char *to, int flags) {
    return linked(to) ? -1 : (int)syscall(SYS_linkat, a, from, b, to, flags);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

int fsync(int handle) {
    const char *slow = getenv("SLOW_SYNC"), *log = getenv("SYNC_LOG");
    if (!slow) return (int)syscall(SYS_fsync, handle);
    struct timespec pause = {0, 1000000L * atol(slow)};
    double begin = now();
    nanosleep(&pause, NULL);
    if (log) {
        char line[64];
        int length = snprintf(line, sizeof line, "%.6f %.6f\n", begin, now());
        int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
        if (write(out, line, length) != length) abort();
        close(out);
    }
    return 0;
}
