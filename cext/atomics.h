/* The only way shared words are read and written. C11 semantics through the compiler's builtins, so that
 * plain fields of a struct can be used (an _Atomic field would change what Cython and numpy see). */
#ifndef LOCKSTEP_ATOMICS_H
#define LOCKSTEP_ATOMICS_H
#include <stdint.h>
static inline uint64_t load_acquire_u64(const uint64_t *p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
static inline uint64_t load_relaxed_u64(const uint64_t *p) { return __atomic_load_n(p, __ATOMIC_RELAXED); }
static inline void store_release_u64(uint64_t *p, uint64_t v) { __atomic_store_n(p, v, __ATOMIC_RELEASE); }
static inline void store_relaxed_u64(uint64_t *p, uint64_t v) { __atomic_store_n(p, v, __ATOMIC_RELAXED); }
static inline uint32_t load_acquire_u32(const uint32_t *p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
static inline void store_release_u32(uint32_t *p, uint32_t v) { __atomic_store_n(p, v, __ATOMIC_RELEASE); }
static inline void fence_acquire(void) { __atomic_thread_fence(__ATOMIC_ACQUIRE); }
static inline void fence_release(void) { __atomic_thread_fence(__ATOMIC_RELEASE); }
static inline void fence_seq_cst(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
static inline void cpu_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield" ::: "memory");
#endif
}
/* Copies of seqlock-protected bodies: relaxed 8-byte words, so that a torn copy is a wrong value and never
 * undefined behaviour. size_bytes is a multiple of 8; both pointers are 8-byte aligned. */
static inline void copy_words_from_shared(void *to, const void *from, uint64_t size_bytes)
{
    uint64_t *t = (uint64_t *)to;
    const uint64_t *f = (const uint64_t *)from;
    for (uint64_t i = 0; i < size_bytes / 8; i++) t[i] = __atomic_load_n(&f[i], __ATOMIC_RELAXED);
}
static inline void copy_words_to_shared(void *to, const void *from, uint64_t size_bytes)
{
    uint64_t *t = (uint64_t *)to;
    const uint64_t *f = (const uint64_t *)from;
    for (uint64_t i = 0; i < size_bytes / 8; i++) __atomic_store_n(&t[i], f[i], __ATOMIC_RELAXED);
}
/* The same for whole cache lines, as vectors. x86 moves every aligned 8 bytes of a vector load or store in one piece, and a
 * volatile access is neither split, merged nor left out by the compiler, so a torn copy is still only a mix of old and new words.
 * The shared side is aligned to a line. 640 bytes: 5 ns instead of 20 (bench/bench_ring_hop.py). */
#if defined(__AVX__)
typedef long long shared_vector_t __attribute__((vector_size(32), aligned(32), may_alias));
typedef long long private_vector_t __attribute__((vector_size(32), aligned(8), may_alias));
static inline void copy_lines_from_shared(void *to, const void *from, uint64_t lines)
{
    for (uint64_t i = 0; i < 2 * lines; i++) ((private_vector_t *)to)[i] = ((const volatile shared_vector_t *)from)[i];
}
static inline void copy_lines_to_shared(void *to, const void *from, uint64_t lines)
{
    for (uint64_t i = 0; i < 2 * lines; i++) ((volatile shared_vector_t *)to)[i] = ((const private_vector_t *)from)[i];
}
#else
static inline void copy_lines_from_shared(void *to, const void *from,
                                          uint64_t lines) { copy_words_from_shared(to, from, 64 * lines); }
static inline void copy_lines_to_shared(void *to, const void *from,
                                        uint64_t lines) { copy_words_to_shared(to, from, 64 * lines); }
#endif
#endif
