/* Loaded before libc (LD_PRELOAD) by tests/whole: the clocks of this process say what the simulation says. No code of ours or of
 * a library is changed for it. Socket options of TCP succeed on the pairs of local sockets that stand for connections. */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000

int64_t virtual_mono_ns;           /* 0: the machine's own clocks */
int64_t virtual_wall_minus_mono_ns;

int clock_gettime(clockid_t id, struct timespec *t)
{
    int64_t now = virtual_mono_ns;
    int is_wall = id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE;
    if (now == 0 || !(is_wall || id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_RAW || id == CLOCK_MONOTONIC_COARSE
                      || id == CLOCK_BOOTTIME))
        return (int)syscall(SYS_clock_gettime, id, t);
    if (is_wall)
        now += virtual_wall_minus_mono_ns;
    t->tv_sec = now / SECOND;
    t->tv_nsec = now % SECOND;
    return 0;
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
    int result = (int)syscall(SYS_setsockopt, fd, level, name, value, length);
    return result < 0 && level == IPPROTO_TCP && errno == EOPNOTSUPP ? 0 : result;
}

int getsockopt(int fd, int level, int name, void *value, socklen_t *length)
{
    int result = (int)syscall(SYS_getsockopt, fd, level, name, value, length);
    if (result < 0 && level == IPPROTO_TCP && errno == EOPNOTSUPP && *length >= sizeof(int)) {
        *(int *)value = 1;
        *length = sizeof(int);
        return 0;
    }
    return result;
}
