/* Loaded before libc: the n-th allocation that our own extensions ask for fails, everybody else's succeed.
 *
 * `fail_at(n)` arms it (0 = off) and starts counting anew; `alloc_count()` is how many there were since. Only calls from a file
 * whose path holds OURS count: the interpreter's own allocations are another matter. One thread. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t align, size_t size);

static long wanted, seen;
static __thread int is_inside;

void fail_at(long n) { wanted = n; seen = 0; }
long alloc_count(void) { return seen; }

static int fails(const void *caller)
{
    Dl_info info;
    int is_ours;
    if (!wanted || is_inside) return 0;
    is_inside = 1;
    is_ours = dladdr(caller, &info) && info.dli_fname && (strstr(info.dli_fname, "/cext/") || strstr(info.dli_fname, "/engine/")
                                                          || strstr(info.dli_fname, "/feeds/"));
    is_inside = 0;
    return is_ours && ++seen == wanted;
}

void *malloc(size_t size) { return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(count, size); }
void *realloc(void *block, size_t size) { return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(block, size); }
int posix_memalign(void **out, size_t align, size_t size)
{
    void *block = fails(__builtin_return_address(0)) ? NULL : __libc_memalign(align, size);
    if (block == NULL) return ENOMEM;
    *out = block;
    return 0;
}
