"""Counts calls of CPython's object and memory allocators while something runs. Comparing live blocks before and after would not
see temporaries; this does. tests/hot wrap clean loops with it: a handful of calls for 100,000 steps is the loop's own call and
return."""

cdef extern from "Python.h":
    ctypedef enum PyMemAllocatorDomain:
        PYMEM_DOMAIN_MEM
        PYMEM_DOMAIN_OBJ
    ctypedef struct PyMemAllocatorEx:
        void *ctx
        void *(*malloc)(void *ctx, size_t size) noexcept
        void *(*calloc)(void *ctx, size_t count, size_t size) noexcept
        void *(*realloc)(void *ctx, void *block, size_t size) noexcept
        void (*free)(void *ctx, void *block) noexcept
    void PyMem_GetAllocator(PyMemAllocatorDomain domain, PyMemAllocatorEx *allocator)
    void PyMem_SetAllocator(PyMemAllocatorDomain domain, PyMemAllocatorEx *allocator)

cdef PyMemAllocatorEx _object
cdef PyMemAllocatorEx _memory
cdef Py_ssize_t _calls = 0


cdef void *_malloc(void *ctx, size_t size) noexcept:
    global _calls
    _calls += 1
    return (<PyMemAllocatorEx *>ctx).malloc((<PyMemAllocatorEx *>ctx).ctx, size)


cdef void *_calloc(void *ctx, size_t count, size_t size) noexcept:
    global _calls
    _calls += 1
    return (<PyMemAllocatorEx *>ctx).calloc((<PyMemAllocatorEx *>ctx).ctx, count, size)


cdef void *_realloc(void *ctx, void *block, size_t size) noexcept:
    global _calls
    _calls += 1
    return (<PyMemAllocatorEx *>ctx).realloc((<PyMemAllocatorEx *>ctx).ctx, block, size)


cdef void _free(void *ctx, void *block) noexcept:
    (<PyMemAllocatorEx *>ctx).free((<PyMemAllocatorEx *>ctx).ctx, block)


cdef void _hook(PyMemAllocatorDomain domain, PyMemAllocatorEx *behind) noexcept:
    cdef PyMemAllocatorEx counting
    PyMem_GetAllocator(domain, behind)
    counting.ctx = behind
    counting.malloc = _malloc
    counting.calloc = _calloc
    counting.realloc = _realloc
    counting.free = _free
    PyMem_SetAllocator(domain, &counting)


def count(work, *args):
    """(result of work(*args), allocator calls while it ran)."""
    global _calls
    _hook(PYMEM_DOMAIN_MEM, &_memory)
    _hook(PYMEM_DOMAIN_OBJ, &_object)
    _calls = 0
    try:
        result = work(*args)
        calls = _calls
    finally:
        PyMem_SetAllocator(PYMEM_DOMAIN_OBJ, &_object)
        PyMem_SetAllocator(PYMEM_DOMAIN_MEM, &_memory)
    return result, calls
