/* Round trip of 200 bytes over loopback TCP between two pinned, spinning threads: the kernel's charge before anybody computes.
 *
 *   loopback_rtt COUNT CPU_CLIENT CPU_SERVER        one ns figure a line */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BYTES = 200 };
static int server_cpu;

static int64_t mono_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

static int read_all(int fd, char *buffer)
{
    int have = 0;
    while (have < BYTES) {
        ssize_t got = recv(fd, buffer + have, (size_t)(BYTES - have), MSG_DONTWAIT);
        if (got == 0) return 0;
        if (got > 0) have += (int)got;
    }
    return 1;
}

static void *serve(void *argument)
{
    char buffer[BYTES];
    pin(server_cpu);
    int fd = accept(*(int *)argument, 0, 0), one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    while (read_all(fd, buffer) && send(fd, buffer, BYTES, MSG_NOSIGNAL) == BYTES) {}
    close(fd);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 4) { fprintf(stderr, "usage: loopback_rtt COUNT CPU_CLIENT CPU_SERVER\n"); return 2; }
    int count = atoi(argv[1]), listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    server_cpu = atoi(argv[3]);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, 1)) return 1;
    getsockname(listener, (struct sockaddr *)&address, &length);
    pthread_t thread;
    pthread_create(&thread, 0, serve, &listener);
    pin(atoi(argv[2]));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&address, length)) return 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    char buffer[BYTES] = {0};
    for (int i = 0; i < count; i++) {
        int64_t start = mono_ns();
        if (send(fd, buffer, BYTES, MSG_NOSIGNAL) != BYTES || !read_all(fd, buffer)) return 1;
        if (i >= count / 10) printf("%lld\n", (long long)(mono_ns() - start));
    }
    close(fd);
    pthread_join(thread, 0);
    return 0;
}
