/* How fast the kernel is: reads files whole into a buffer and looks at nothing.

   usage: live_floor FILE        milliseconds of CPU that one reading takes
          live_floor -p          of oom_score, oom_score_adj, statm and status of every process */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static char buffer[1 << 20];

static void whole(const char *path)
{
    int fd = open(path, O_RDONLY);
    while (fd >= 0 && read(fd, buffer, sizeof buffer) > 0)
        ;
    close(fd);
}

static void processes(void)
{
    static const char *files[] = {"oom_score", "oom_score_adj", "statm", "status"};
    char path[512];
    DIR *folder = opendir("/proc");
    for (struct dirent *entry; (entry = readdir(folder));)
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
            for (int i = 0; i < 4; i++) {
                snprintf(path, sizeof path, "/proc/%s/%s", entry->d_name, files[i]);
                whole(path);
            }
    closedir(folder);
}

int main(int count, char **args)
{
    struct timespec begin, end;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
    if (!strcmp(args[1], "-p"))
        processes();
    else
        whole(args[1]);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    printf("%.3f\n", (end.tv_sec - begin.tv_sec) * 1e3 + (end.tv_nsec - begin.tv_nsec) / 1e6);
    return 0;
}
