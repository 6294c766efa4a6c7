/*
 * Takes lines on stdin, touches as many more pages each time, and says "ok": "N" anonymous, "lN" anonymous and mlocked,
 * "sN" shared, "mN" shared and mlocked; "pN" makes as many page tables, and no page. "x" goes on in another thread, and the
 * main one exits.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static void *serve(void *unused)
{
    char line[32];

    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        int kind = strchr("lsmp", line[0]) ? line[0] : 0;
        long pages = atol(line + !!kind);
        long step = kind == 'p' ? 1L << 21 : 4096;
        int sharing = kind == 's' || kind == 'm' ? MAP_SHARED : MAP_PRIVATE;
        char *memory;

        if (line[0] == 'x') {
            pthread_t other;

            if (pthread_create(&other, NULL, serve, NULL))
                exit(1);
            pthread_exit(NULL);
        }
        memory = mmap(NULL, pages * step, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        if (memory == MAP_FAILED)
            exit(1);
        madvise(memory, pages * step, MADV_NOHUGEPAGE);
        for (long page = 0; page < pages; page++)
            if (kind == 'p')
                *(volatile char *)(memory + page * step); /* the page of zeros, which counts nowhere */
            else
                memory[page * step] = 1;
        if ((kind == 'l' || kind == 'm') && mlock(memory, pages * 4096))
            exit(1);
        puts("ok");
        fflush(stdout);
    }
    exit(0);
}

int main(void)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET(0, &one);
    sched_setaffinity(0, sizeof one, &one); /* the counters that the killer reads are kept a CPU */
    serve(NULL);
}
