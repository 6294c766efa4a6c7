/* A process to look at: N VMAs (three of four anonymous, one of a file, a page touched each) and R MiB resident in one.

   usage: live_target N R FILE      prints a line when it is ready, ends with its input
          live_target -s N          N forked sleepers
          live_target -l N R FILE   the same as the first, then maps, touches and unmaps without end; each line of its
                                    input is answered by the calls made since, and the slowest of them, microseconds */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static void sleepers(int count)
{
    for (int i = 0; i < count; i++)
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, 9);
            pause();
        }
}

static int slower(const void *a, const void *b) { return *(float *)a < *(float *)b ? 1 : -1; }

static void loop(void)
{
    static float took[1 << 22];
    struct pollfd input = {0, POLLIN, 0};
    int calls = 0;
    char line[64];
    for (int since = 0;; since++) {
        if (since % 64 == 0 && poll(&input, 1, 0) > 0) {
            if (!fgets(line, sizeof line, stdin))
                return;
            qsort(took, calls, sizeof *took, slower);
            printf("%d %.0f %.0f\n", calls, calls ? took[calls / 1000] : 0, calls ? took[0] : 0);
            fflush(stdout);
            calls = 0;
        }
        double begin = now();
        char *page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        *page = 1;
        munmap(page, 4096);
        if (calls < 1 << 22)
            took[calls++] = now() - begin;
    }
}

int main(int count, char **args)
{
    int looping = count == 5 && !strcmp(args[1], "-l");
    char end;
    if (count == 3 && !strcmp(args[1], "-s"))
        sleepers(atoi(args[2]));
    else {
        args += looping;
        int vmas = atoi(args[1]), fd = open(args[3], O_RDWR);
        size_t size = (size_t)atoi(args[2]) << 20;
        for (int i = 0; i < vmas; i++) {
            int flags = i % 4 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_PRIVATE;
            /* protections that differ keep neighbours apart */
            char *page = mmap(0, 8192, i % 2 ? 3 : 7, flags, i % 4 ? -1 : fd, 0);
            if (page == MAP_FAILED)
                return perror("mmap"), 1;
            *page = 1;
        }
        if (size)
            memset(mmap(0, size, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 1, size);
    }
    puts("ready");
    fflush(stdout);
    if (looping)
        loop();
    return read(0, &end, 1) < 0;
}
