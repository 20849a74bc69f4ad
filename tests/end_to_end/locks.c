/* A file system without locks: below the folder NO_LOCKS, flock fails with the error NO_LOCKS_ERROR, and so do the
   locks of fcntl where NO_LOCKS_FCNTL is set. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
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
