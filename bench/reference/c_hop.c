/* Reference of bench_ring_hop: the least that moving a 640-byte record between two pinned processes can cost in plain C. No
 * board, no layout, no lap or generation check: a ring of slots, memcpy, one release store, a reader that spins on the slot's
 * word and copies with memcpy.
 *
 *   c_hop SLOTS WRITER_CPU READER_CPU < spacing (int64 ns, one per record) > latencies (int64 ns, one per record)
 *
 * Latency = reader's clock after its copy minus writer's clock before its copy, CLOCK_MONOTONIC, as in the bench. */
#define _GNU_SOURCE
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RECORD_BYTES 640
typedef struct {
    uint64_t seq; /* record s: s + 1, stored last with release */
    int64_t published_ns;
    uint8_t body[RECORD_BYTES - 16];
} slot_t;

static int64_t now_ns(void)
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
    sched_setaffinity(0, sizeof set, &set);
}

static void write_all(slot_t *ring, uint64_t mask, const int64_t *spacing, uint64_t count)
{
    slot_t record;
    memset(&record, 7, sizeof record);
    int64_t due = now_ns() + 1000000;
    for (uint64_t s = 0; s < count; s++) {
        due += spacing[s];
        while ((record.published_ns = now_ns()) < due) {}
        slot_t *slot = &ring[s & mask];
        memcpy(&slot->published_ns, &record.published_ns, RECORD_BYTES - 8);
        __atomic_store_n(&slot->seq, s + 1, __ATOMIC_RELEASE);
    }
}

static void read_all(const slot_t *ring, uint64_t mask, int64_t *latency, uint64_t count)
{
    slot_t record;
    for (uint64_t s = 0; s < count; s++) {
        const slot_t *slot = &ring[s & mask];
        while (__atomic_load_n(&slot->seq, __ATOMIC_ACQUIRE) != s + 1) {} /* no pause: neither does ours */
        memcpy(&record, slot, RECORD_BYTES);
        latency[s] = now_ns() - record.published_ns;
        __asm__ __volatile__("" ::"r"(&record) : "memory");
    }
}

int main(int argc, char **argv)
{
    if (argc != 4) return 2;
    uint64_t slots = strtoull(argv[1], NULL, 10), count = 0, room = 1 << 20;
    int64_t *spacing = malloc(room * 8);
    count = fread(spacing, 8, room, stdin);
    slot_t *ring = mmap(NULL, slots * sizeof(slot_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    int64_t *latency = mmap(NULL, count * 8 + 8, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (ring == MAP_FAILED || latency == MAP_FAILED || count == 0) return 3;
    memset(ring, 0, slots * sizeof(slot_t));
    pid_t child = fork();
    if (child == 0) {
        pin(atoi(argv[2]));
        write_all(ring, slots - 1, spacing, count);
        _exit(0);
    }
    pin(atoi(argv[3]));
    read_all(ring, slots - 1, latency, count);
    waitpid(child, NULL, 0);
    return fwrite(latency, 8, count, stdout) == count ? 0 : 4;
}
