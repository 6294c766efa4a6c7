/* Takes "N" lines on stdin: touches N more pages of anonymous memory each time, and says "ok". */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

int main(void)
{
    char line[32];
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET(0, &one);
    sched_setaffinity(0, sizeof one, &one); /* the counters that the killer reads are kept a CPU */
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        long pages = atol(line);
        char *memory = mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (memory == MAP_FAILED)
            return 1;
        madvise(memory, pages * 4096, MADV_NOHUGEPAGE);
        for (long page = 0; page < pages; page++)
            memory[page * 4096] = 1;
        puts("ok");
        fflush(stdout);
    }
    return 0;
}
