/* A process tree for strace: each process makes random calls on its memory, forks, vforks and execs itself, and copies its
 * smaps to a file now and then. Static, so that the top of the address space is its own.
 *
 * tree_child SEED DEPTH DIRECTORY      files: smaps.PID.DEPTH.COUNT
 *
 * It writes to all its writable private memory before each fork: the log does not tell, and is read as if programs did.
 */

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, DEEPEST = 2 };
#define PICK(...) ({ unsigned long of[] = {__VA_ARGS__}; of[draw() % (sizeof of / sizeof *of)]; })

static char buffer[1 << 20];
static const char *program, *directory;
static int depth, copies;
static unsigned seed;
static unsigned long long state;

static unsigned draw(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state >> 11;
}

static unsigned long place(void)
{
    return 0x20000000 + draw() % 64 * PAGE;
}

static void call_one(void)
{
    switch (draw() % 12) {
    case 0: case 1: case 2:
        syscall(SYS_mmap, place(), PICK(1, 2, 4, 16) * PAGE, PICK(3, 3, 1, 0, 7),
                PICK(MAP_PRIVATE, MAP_PRIVATE, MAP_SHARED) | MAP_ANONYMOUS | MAP_FIXED
                    | PICK(0, MAP_POPULATE, MAP_NORESERVE), -1, 0);
        break;
    case 3:
        syscall(SYS_mmap, 0, PICK(1, 3, 512) * PAGE, 3, MAP_PRIVATE | MAP_ANONYMOUS | PICK(0, MAP_POPULATE), -1, 0);
        break;
    case 4:
        syscall(SYS_munmap, place(), PICK(1, 2, 8) * PAGE);
        break;
    case 5: case 6:
        syscall(SYS_mprotect, place(), PICK(1, 2, 4) * PAGE, PICK(3, 3, 1, 0, 7));
        break;
    case 7:
        syscall(SYS_madvise, place(), PICK(1, 2, 4) * PAGE,
                PICK(MADV_POPULATE_WRITE, MADV_POPULATE_WRITE, MADV_DONTNEED, MADV_DONTFORK, MADV_DOFORK,
                     MADV_WIPEONFORK, MADV_KEEPONFORK, MADV_DONTDUMP));
        break;
    case 8:
        syscall(SYS_mremap, place(), PICK(1, 2) * PAGE, PICK(1, 2, 4) * PAGE, PICK(1, 3, 7), place());
        break;
    case 9:
        syscall(SYS_brk, syscall(SYS_brk, 0) + PICK(PAGE, 3 * PAGE, -PAGE));
        break;
    case 10:
        syscall(SYS_mlock, place(), PICK(1, 2) * PAGE);
        break;
    case 11:
        if (draw() % 4)
            syscall(SYS_munlockall);
        else
            syscall(SYS_mlockall, PICK(MCL_FUTURE | MCL_ONFAULT, MCL_CURRENT | MCL_ONFAULT, MCL_ONFAULT));
    }
}

static void calls(int count)
{
    while (count--)
        call_one();
}

static void copy_smaps(void)
{
    char path[300];
    int in = open("/proc/self/smaps", O_RDONLY), out;
    ssize_t got;
    sprintf(path, "%s/smaps.%d.%d.%d", directory, (int)syscall(SYS_getpid), depth, copies++);
    out = open(path, O_WRONLY | O_CREAT, 0600);
    while ((got = read(in, buffer, sizeof buffer)) > 0)
        if (write(out, buffer, got) != got)
            _exit(1);
    close(in);
    close(out);
}

static void write_to_all(void)
{
    char *line = buffer, *next, perms[8];
    unsigned long start, end;
    int in = open("/proc/self/maps", O_RDONLY), length = 0, got;
    while ((got = read(in, buffer + length, sizeof buffer - 1 - length)) > 0)
        length += got;
    close(in);
    buffer[length] = 0;
    for (; (next = strchr(line, '\n')); line = next + 1)
        if (sscanf(line, "%lx-%lx %7s", &start, &end, perms) == 3 && perms[1] == 'w' && perms[3] == 'p')
            for (volatile char *at = (char *)start; at < (char *)end; at += PAGE)
                *at = *at;
}

static void exec_self(unsigned next_seed)
{
    char number[20], deeper[20];
    char *arguments[] = {(char *)program, number, deeper, (char *)directory, 0}, *none[] = {0};
    sprintf(number, "%u", next_seed);
    sprintf(deeper, "%d", depth + 1);
    execve(program, arguments, none);
    _exit(1);
}

static void child(int count, int execs, unsigned next_seed)
{
    calls(count);
    copy_smaps();
    if (execs && depth < DEEPEST)
        exec_self(next_seed);
    _exit(0);
}

int main(int argc, char **argv)
{
    program = argv[0];
    seed = atoi(argv[1]);
    depth = atoi(argv[2]);
    directory = argv[argc - 1];
    state = (seed + 77ull * depth) * 2654435761u + 88172645463325252ull;
    for (int i = 0; i < 20; i++)
        draw();
    calls(30);
    copy_smaps();
    for (int i = 1; i <= 3; i++) {
        int kind = draw() % 5, pid = 0;
        if (kind < 2) {
            write_to_all();
            if (!(pid = syscall(SYS_fork)))
                child(25, kind, seed + i);
        } else if (kind < 4) {
            if (!(pid = vfork()))
                child(10, kind == 3, seed + i);
        }
        if (pid)
            waitpid(pid, 0, 0);
        calls(15);
        copy_smaps();
    }
    if (depth < DEEPEST && draw() % 2)
        exec_self(seed + 50);
    _exit(0);
}
