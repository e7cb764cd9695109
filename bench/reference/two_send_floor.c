/* The floor under tick_to_trade: two websocket frames sent back to back to the same simulated venue, by a program
 * that does nothing else.
 *
 *   two_send_floor HOST PORT_A PATH_A PORT_B PATH_B FRAME_BYTES COUNT MEAN_SPACING_US CPU SEED
 *
 * Spins on its own core as the engine does, sends at exponentially distributed times, drains replies in between. Prints one line
 * a pair: ns from before the first send() to after the second one. The frames are masked text frames of FRAME_BYTES payload
 * holding an order that the venue refuses (no session), so that the venue reads and answers just as it does for the engine. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int64_t mono_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void die(const char *what)
{
    fprintf(stderr, "two_send_floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int connect_ws(const char *host, int port, const char *path)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, host, &address.sin_addr);
    if (connect(fd, (struct sockaddr *)&address, sizeof address)) die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    char text[1024];
    int size = snprintf(text, sizeof text,
                        "GET %s HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n", path, host, port);
    if (send(fd, text, (size_t)size, 0) != size) die("handshake");
    size = 0;
    while (!memmem(text, (size_t)size, "\r\n\r\n", 4)) {
        ssize_t got = recv(fd, text + size, sizeof text - (size_t)size, 0);
        if (got <= 0) die("handshake reply");
        size += (int)got;
    }
    if (!memmem(text, (size_t)size, " 101 ", 5)) { errno = EPROTO; die("handshake refused"); }
    return fd;
}

static int build_frame(uint8_t *out, const char *body, int payload_bytes)
{
    static const uint8_t mask[4] = {1, 2, 3, 4};
    int at = 0;
    out[at++] = 0x81;
    if (payload_bytes < 126) out[at++] = (uint8_t)(0x80 | payload_bytes);
    else { out[at++] = 0x80 | 126; out[at++] = (uint8_t)(payload_bytes >> 8); out[at++] = (uint8_t)payload_bytes; }
    memcpy(out + at, mask, 4);
    at += 4;
    int length = (int)strlen(body);
    for (int i = 0; i < payload_bytes; i++) out[at + i] = (uint8_t)((i < length ? body[i] : ' ') ^ mask[i & 3]);
    return at + payload_bytes;
}

static void drain(int fd)
{
    char buffer[65536];
    while (recv(fd, buffer, sizeof buffer, MSG_DONTWAIT) > 0) {}
}

int main(int argc, char **argv)
{
    if (argc != 11) {
        fprintf(stderr, "usage: two_send_floor HOST PORT_A PATH_A PORT_B PATH_B FRAME_BYTES COUNT MEAN_SPACING_US CPU SEED\n");
        return 2;
    }
    int bytes = atoi(argv[6]), count = atoi(argv[7]), cpu = atoi(argv[9]);
    double mean_ns = atof(argv[8]) * 1000.0;
    srand48(atol(argv[10]));
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set)) die("pin");
    int a = connect_ws(argv[1], atoi(argv[2]), argv[3]), b = connect_ws(argv[1], atoi(argv[4]), argv[5]);
    const char *body = "{\"id\":\"floor\",\"method\":\"order.place\",\"params\":{\"symbol\":\"BTCUSDT\"}}";
    uint8_t *frame = malloc((size_t)bytes + 16);
    int size = build_frame(frame, body, bytes);
    for (int i = 0; i < count; i++) {
        int64_t until = mono_ns() + (int64_t)(-log(1.0 - drand48()) * mean_ns), next_drain = 0;
        for (int64_t now = mono_ns(); now < until; now = mono_ns())
            if (now > next_drain) { drain(a); drain(b); next_drain = now + 50000; }
        int64_t start = mono_ns();
        if (send(a, frame, (size_t)size, MSG_NOSIGNAL) != size || send(b, frame, (size_t)size, MSG_NOSIGNAL) != size) die("send");
        printf("%lld\n", (long long)(mono_ns() - start));
    }
    return 0;
}
