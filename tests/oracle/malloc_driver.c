/* Runs a series of malloc calls and reports what each gave: the pointer, the usable size, and the break.
 * Its own memory is static, so that the heap holds nothing but what the series asks for. ASLR is switched off. */
#define _GNU_SOURCE
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <unistd.h>

enum { MALLOC, FREE, CALLOC, REALLOC, MEMALIGN, TRIM, MALLOPT };
struct op {
    uint32_t kind, slot;
    uint64_t a, b;
};

static struct op ops[200000];
static uint64_t out[3 * 200000];
static void *slots[65536];

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

static void *perform(const struct op *op) {
    void **slot = &slots[op->slot], *result = NULL;
    switch (op->kind) {
    case MALLOC: return *slot = malloc(op->a);
    case CALLOC: return *slot = calloc(op->a, op->b);
    case MEMALIGN: return *slot = memalign(op->a, op->b);
    case TRIM: return (void *)(intptr_t)malloc_trim(op->a);
    case MALLOPT: return (void *)(intptr_t)mallopt((int)op->a, (int)op->b);
    case FREE:
        free(*slot);
        *slot = NULL;
        return NULL;
    case REALLOC:
        result = realloc(*slot, op->a);
        if (result || !op->a) *slot = result;
        return result;
    }
    _exit(4);
}

int main(int argc, char **argv) {
    uint64_t count;
    char go;
    if (!(personality(0xffffffff) & ADDR_NO_RANDOMIZE)) {
        personality(ADDR_NO_RANDOMIZE);
        execv("/proc/self/exe", argv);
    }
    read_all(&count, sizeof count);
    read_all(ops, count * sizeof *ops);
    /* The results' pages are there before the first call. */
    memset(out, 1, count * 3 * sizeof *out);
    memset(slots, 1, sizeof slots);
    memset(slots, 0, sizeof slots);
    write_all("r", 1);
    read_all(&go, 1);
    for (uint64_t i = 0; i < count; i++) {
        void *result = perform(&ops[i]), *block = ops[i].kind < TRIM ? slots[ops[i].slot] : NULL;
        out[3 * i] = (uint64_t)result;
        out[3 * i + 1] = block ? malloc_usable_size(block) : 0;
        out[3 * i + 2] = (uint64_t)sbrk(0);
    }
    write_all(out, count * 3 * sizeof *out);
    read_all(&go, 1);
    return 0;
}
