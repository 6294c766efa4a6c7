/* Runs a series of malloc calls and reports what each gave: the pointer, the usable size, and the break.
 * Its own memory is static, so that the heap holds nothing but what the series asks for. ASLR is switched off.
 * Each call names the thread that makes it: only the thread that holds the baton runs, the others wait. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include "malloc_calls.h"

#define PAGE 4096
#define THREADS 64
#define STACK (64 * 1024)

static struct thread {
    pthread_t id;
    sem_t baton;
} threads[THREADS];
static char stacks[THREADS][STACK] __attribute__((aligned(PAGE)));
static sem_t back;

static struct op ops[200000];
static uint64_t out[3 * 200000];
static void *slots[200000];
static char *obstacle;

static void *block_the_break(uint64_t distance) {
    char *at = (char *)(((uintptr_t)sbrk(0) + PAGE - 1) & -PAGE) + distance;
    obstacle = mmap(at, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    return obstacle;
}

/* What the calls before the one that aborts gave is worth knowing. */
static uint64_t count;

static void aborted(int signal) {
    write_all(out, count * 3 * sizeof *out);
    _exit(128 + signal);
}

static void stand_by(void) {
    pid_t parent = getpid();
    if (fork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (getppid() == parent) pause();
        _exit(0);
    }
}

/* The series goes on in a child; the process that ends it last is the first one. */
static void *go_on_in_a_child(void) {
    int status;
    pid_t child = fork();
    if (child == 0) return NULL;
    _exit(waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : 4);
}

/* So many bytes more than /proc/self/status counts now; 0: no limit. */
static void *limit(int resource, const char *counter, uint64_t more) {
    static char text[4096];
    struct rlimit found = {RLIM_INFINITY, RLIM_INFINITY};
    int status = open("/proc/self/status", O_RDONLY);
    if (more && read(status, text, sizeof text - 1) > 0)
        found.rlim_cur = (strtoul(strstr(text, counter) + strlen(counter), NULL, 10) << 10) + more;
    close(status);
    return (void *)(intptr_t)setrlimit(resource, &found);
}

static void *wait_for_turns(void *);

static void *start(uint32_t number) {
    pthread_attr_t attributes;
    sem_init(&threads[number].baton, 0, 0);
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, stacks[number], STACK);
    return (void *)(intptr_t)pthread_create(&threads[number].id, &attributes, wait_for_turns, &threads[number]);
}

/* The thread that is to end finds no call of its own. */
static uint64_t current;
static int ending;

static void *join(uint32_t number) {
    ending = 1;
    sem_post(&threads[number].baton);
    pthread_join(threads[number].id, NULL);
    ending = 0;
    return NULL;
}

static void *perform(const struct op *op) {
    if (allocates(op)) return allocate(op, &slots[op->slot]);
    switch (op->kind) {
    case TRIM: return (void *)(intptr_t)malloc_trim(op->a);
    case MALLOPT: return (void *)(intptr_t)mallopt((int)op->a, (int)op->b);
    case SBRK: return sbrk((intptr_t)op->a);
    case BLOCK: return block_the_break(op->a);
    case CLEAR: return (void *)(intptr_t)munmap(obstacle, PAGE);
    case FORK: stand_by(); return NULL;
    case FREE_AT: free((char *)slots[op->slot] + op->a); return NULL;
    case START: return start(op->slot);
    case JOIN: return join(op->slot);
    case LIMIT: return limit(RLIMIT_AS, "VmSize:", op->a);
    case LIMIT_DATA: return limit(RLIMIT_DATA, "VmData:", op->a);
    case CHILD: return go_on_in_a_child();
    }
    return NULL;
}

static void call(uint64_t i) {
    void *result = perform(&ops[i]), *block = allocates(&ops[i]) ? slots[ops[i].slot] : NULL;
    out[3 * i] = (uint64_t)result;
    out[3 * i + 1] = block ? malloc_usable_size(block) : 0;
    out[3 * i + 2] = (uint64_t)sbrk(0);
}

static void *wait_for_turns(void *self) {
    for (;;) {
        sem_wait(&((struct thread *)self)->baton);
        if (ending) return NULL;
        call(current);
        sem_post(&back);
    }
}

int main(int argc, char **argv) {
    uint32_t pid = getpid();
    char go;
    if (!(personality(0xffffffff) & ADDR_NO_RANDOMIZE)) {
        personality(ADDR_NO_RANDOMIZE);
        execv("/proc/self/exe", argv);
    }
    read_all(&count, sizeof count);
    read_all(ops, count * sizeof *ops);
    /* The pages of the results are there before the first call; a call that did not end leaves the ones. */
    memset(out, 1, count * 3 * sizeof *out);
    memset(slots, 1, sizeof slots);
    memset(slots, 0, sizeof slots);
    write_all(&pid, sizeof pid);
    signal(SIGABRT, aborted);
    read_all(&go, 1);
    for (uint64_t i = 0; i < count; i++) {
        if (!ops[i].thread) {
            call(i);
            continue;
        }
        current = i;
        sem_post(&threads[ops[i].thread].baton);
        sem_wait(&back);
    }
    write_all(out, count * 3 * sizeof *out);
    read_all(&go, 1);
    return 0;
}
