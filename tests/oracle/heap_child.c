/* Allocates and frees at random, tells what it holds and what its libc says of its heap, and waits for its input.

   heap_child SEED MIX OPERATIONS THREADS [untold]   MIX: small mixed large align sbrk
   heap_child SEED MIX 0 THREADS                     goes on for ever, in all threads: "busy"

   untold: it does not look for the counts of its tcaches */
#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SLOTS = 400, MOST = 32 };

struct worker {
    unsigned long seed;
    long operations;
    void *slots[SLOTS];
    void *first;
};

static const char *mix;
static struct worker workers[MOST];
static pthread_barrier_t done, told;
static char out[1 << 20];
static int untold;

static unsigned long next(struct worker *w)
{
    w->seed ^= w->seed << 13;
    w->seed ^= w->seed >> 7;
    w->seed ^= w->seed << 17;
    return w->seed;
}

static size_t size_of(struct worker *w)
{
    unsigned long kind = next(w) % 100;
    if (!strcmp(mix, "small"))
        return next(w) % 200;
    if (!strcmp(mix, "large"))
        return kind < 20 ? next(w) % 3000000 : kind < 60 ? next(w) % 100000 : next(w) % 3000;
    if (kind < 2)
        return 120000 + next(w) % 40000;
    return kind < 50 ? next(w) % 128 : kind < 80 ? next(w) % 1200 : next(w) % 20000;
}

static void one(struct worker *w)
{
    void **slot = &w->slots[next(w) % SLOTS];
    unsigned long kind = next(w) % 100;
    size_t size = size_of(w);
    if (*slot && kind < 45) {
        free(*slot);
        *slot = NULL;
    } else if (kind < 55) {
        void *moved = realloc(*slot, size);
        if (moved || !size)
            *slot = moved;
    } else if (!*slot) {
        int aligned = !strcmp(mix, "align") ? 40 : 2;
        if ((int)(next(w) % 100) < aligned)
            *slot = memalign(32UL << next(w) % 9, size);
        else if (kind < 65)
            *slot = calloc(1, size);
        else
            *slot = malloc(size);
        if (*slot && size)
            memset(*slot, 0xEE, size);
    }
}

static void *work(void *argument)
{
    struct worker *w = argument;
    w->first = malloc(24);
    for (long n = 0; !w->operations || n < w->operations; n++) {
        one(w);
    }
    pthread_barrier_wait(&done);
    pthread_barrier_wait(&told);
    return NULL;
}

static void tell(int threads)
{
    struct mallinfo2 info = mallinfo2();
    printf("info %zu %zu %zu %zu %zu %zu %zu\n", info.arena, info.ordblks, info.smblks, info.hblks, info.hblkhd,
           info.uordblks, info.fordblks);
    for (int n = 0; n < threads; n++) {
        /* The structure of the tcache is what the thread allocated first of all, just before its first block. */
        uint16_t *counts = (uint16_t *)((char *)workers[n].first - 0x290);
        if (!untold) {
            printf("tcache");
            for (int bin = 0; bin < 64; bin++)
                printf(" %u", counts[bin]);
            printf("\n");
        }
        printf("blocks %#lx", (unsigned long)workers[n].first);
        printf(" %zu", malloc_usable_size(workers[n].first));
        for (int slot = 0; slot < SLOTS; slot++)
            if (workers[n].slots[slot])
                printf(" %#lx %zu", (unsigned long)workers[n].slots[slot], malloc_usable_size(workers[n].slots[slot]));
        printf("\n");
    }
    malloc_info(0, stdout);
    printf("ready\n");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    int threads = atoi(argv[4]);
    untold = argc > 5;
    pthread_t ids[MOST];
    setvbuf(stdout, out, _IOFBF, sizeof out);
    mix = argv[2];
    pthread_barrier_init(&done, NULL, threads);
    pthread_barrier_init(&told, NULL, threads);
    for (int n = 0; n < threads; n++) {
        workers[n].seed = strtoul(argv[1], NULL, 10) * 7919 + n * 104729 + 1;
        workers[n].operations = atol(argv[3]);
    }
    workers[0].first = malloc(24);
    for (int n = 1; n < threads; n++)
        pthread_create(&ids[n], NULL, work, &workers[n]);
    if (!workers[0].operations) {
        printf("ready\n");
        fflush(stdout);
    }
    for (long n = 0; !workers[0].operations || n < workers[0].operations; n++) {
        if (!strcmp(mix, "sbrk") && n == workers[0].operations / 2)
            sbrk(4096 + next(&workers[0]) % 9000);
        one(&workers[0]);
    }
    pthread_barrier_wait(&done);
    tell(threads);
    /* Not getchar: stdin's buffer would come from the heap. */
    return read(0, out, 1) ? 1 : 0;
}
