/* What the drivers of malloc have in common: their input and output, and the calls that allocate. */
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

/* As in malloc_series.py. */
enum { MALLOC, FREE, CALLOC, REALLOC, MEMALIGN, POSIX_MEMALIGN, VALLOC, PVALLOC, TRIM, MALLOPT, SBRK, BLOCK, CLEAR, FORK, FREE_AT, START, JOIN, LIMIT, ALIGNED_ALLOC, CHILD, LIMIT_DATA };
struct op {
    uint16_t kind, thread;
    uint32_t slot;
    uint64_t a, b;
};

static void read_all(void *target, size_t length) {
    for (char *at = target; length;) {
        ssize_t n = read(0, at, length);
        if (n <= 0) _exit(3);
        at += n, length -= n;
    }
}

static void write_all(const void *source, size_t length) {
    for (const char *at = source; length;) {
        ssize_t n = write(1, at, length);
        if (n <= 0) _exit(3);
        at += n, length -= n;
    }
}

static int allocates(const struct op *op) {
    return op->kind < TRIM || op->kind == ALIGNED_ALLOC;
}

static void *allocate(const struct op *op, void **slot) {
    void *result = NULL;
    switch (op->kind) {
    case MALLOC: return *slot = malloc(op->a);
    case CALLOC: return *slot = calloc(op->a, op->b);
    case MEMALIGN: return *slot = memalign(op->a, op->b);
    case ALIGNED_ALLOC: return *slot = aligned_alloc(op->a, op->b);
    case VALLOC: return *slot = valloc(op->a);
    case PVALLOC: return *slot = pvalloc(op->a);
    case POSIX_MEMALIGN: return (void *)(intptr_t)posix_memalign(slot, op->a, op->b);
    case FREE:
        free(*slot);
        return *slot = NULL;
    default:
        result = realloc(*slot, op->a);
        if (result || !op->a) *slot = result;
        return result;
    }
}
