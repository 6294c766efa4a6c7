/* Runs programs up to their entry point and tells what their address spaces were on the way.

   usage: ld_so_trace [-r] PROGRAM...

   ASLR is off, unless -r is given.

   Each program gets itself as its only argument and an empty environment. For each, on stdout:
     P path
     B address         start_brk
     M exec            maps right after execve
     ...lines of /proc/PID/maps
     S nr a0 a1 a2 a3 a4 a5 result       a system call, all in hexadecimal
     F fd path                           the file behind the descriptor of the mmap that follows
     M linked          maps when the dynamic linker unmaps its cache, the last thing that it does
     M entry           maps at AT_ENTRY
     X status          it ended before its entry point
     .                                                                                                      */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static void start(char *path, int randomize)
{
	char *argv[] = {path, NULL}, *envp[] = {NULL};
	int null = open("/dev/null", O_RDWR);

	dup2(null, 0);
	dup2(null, 1);
	dup2(null, 2);
	if (null > 2)
		close(null);
	personality(randomize ? 0 : ADDR_NO_RANDOMIZE);
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	execve(path, argv, envp);
	_exit(127);
}

static void show_maps(pid_t pid, const char *when)
{
	char name[64], block[65536];
	ssize_t got;

	snprintf(name, sizeof name, "/proc/%d/maps", pid);
	int fd = open(name, O_RDONLY);
	printf("M %s\n", when);
	fflush(stdout);
	while ((got = read(fd, block, sizeof block)) > 0)
		fwrite(block, 1, got, stdout);
	close(fd);
}

static unsigned long auxv(pid_t pid, unsigned long wanted)
{
	char name[64];
	Elf64_auxv_t one;
	unsigned long value = 0;

	snprintf(name, sizeof name, "/proc/%d/auxv", pid);
	int fd = open(name, O_RDONLY);
	while (read(fd, &one, sizeof one) == sizeof one && one.a_type != AT_NULL)
		if (one.a_type == wanted)
			value = one.a_un.a_val;
	close(fd);
	return value;
}

/* start_brk is field 47 of /proc/PID/stat; the command's name may hold anything up to the last bracket. */
static void show_break(pid_t pid)
{
	char name[64], line[4096], *at;
	unsigned long value = 0;

	snprintf(name, sizeof name, "/proc/%d/stat", pid);
	FILE *stat = fopen(name, "r");
	if (stat && fgets(line, sizeof line, stat) && (at = strrchr(line, ')'))) {
		for (int field = 2; field < 47 && at; field++)
			at = strchr(at + 1, ' ');
		if (at)
			value = strtoul(at, NULL, 10);
	}
	if (stat)
		fclose(stat);
	printf("B %lx\n", value);
}

static void show_file(pid_t pid, int fd)
{
	char name[64], path[4097];
	ssize_t length;

	snprintf(name, sizeof name, "/proc/%d/fd/%d", pid, fd);
	length = readlink(name, path, sizeof path - 1);
	if (length > 0)
		printf("F %d %.*s\n", fd, (int)length, path);
}

/* Whether [start, start + length) is a mapping of the cache. */
static int is_cache(pid_t pid, unsigned long start)
{
	char name[64], line[4400];
	unsigned long from;
	int found = 0;

	snprintf(name, sizeof name, "/proc/%d/maps", pid);
	FILE *maps = fopen(name, "r");
	while (maps && fgets(line, sizeof line, maps))
		if (sscanf(line, "%lx", &from) == 1 && from == start && strstr(line, "/etc/ld.so.cache"))
			found = 1;
	if (maps)
		fclose(maps);
	return found;
}

static void follow(pid_t pid)
{
	unsigned long entry = auxv(pid, AT_ENTRY);
	struct user_regs_struct regs, at;
	int inside = 0, last = 0, status;
	long word;

	show_break(pid);
	show_maps(pid, "exec");
	ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
	errno = 0;
	word = ptrace(PTRACE_PEEKTEXT, pid, entry, 0);
	ptrace(PTRACE_POKETEXT, pid, entry, (word & ~0xffL) | 0xcc);
	for (;;) {
		if (ptrace(PTRACE_SYSCALL, pid, 0, 0) < 0 || waitpid(pid, &status, 0) < 0)
			return;
		if (!WIFSTOPPED(status)) {
			printf("X %x\n", status);
			return;
		}
		if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
			ptrace(PTRACE_GETREGS, pid, 0, inside ? &regs : &at);
			if (!inside) {
				last = at.orig_rax == SYS_munmap && is_cache(pid, at.rdi);
				if (at.orig_rax == SYS_mmap && (int)at.r8 >= 0)
					show_file(pid, at.r8);
				if (at.orig_rax == SYS_exit_group)
					printf("S %llx %llx 0 0 0 0 0 0\n", at.orig_rax, at.rdi);
			} else {
				printf("S %llx %llx %llx %llx %llx %llx %llx %llx\n", at.orig_rax, at.rdi, at.rsi, at.rdx,
				       at.r10, at.r8, at.r9, regs.rax);
				if (last)
					show_maps(pid, "linked");
			}
			inside = !inside;
			continue;
		}
		ptrace(PTRACE_GETREGS, pid, 0, &regs);
		if (WSTOPSIG(status) == SIGTRAP && regs.rip == entry + 1) {
			show_maps(pid, "entry");
			return;
		}
		printf("X %x\n", status);
		return;
	}
}

int main(int argc, char **argv)
{
	int randomize = argc > 1 && strcmp(argv[1], "-r") == 0;

	for (int i = 1 + randomize; i < argc; i++) {
		int status;
		printf("P %s\n", argv[i]);
		fflush(stdout);
		pid_t pid = fork();
		if (pid == 0)
			start(argv[i], randomize);
		if (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
			follow(pid);
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
		} else {
			printf("X %x\n", status);
		}
		printf(".\n");
	}
	return 0;
}
