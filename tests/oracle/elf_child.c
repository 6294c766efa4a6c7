/* Tells the address of each of its symbols and of some of the libraries', one a line, then waits. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

int in_bss[50000], in_data[3000] = {1}, small_bss;
const int in_rodata[2000] = {7};
static int local_data = 5;
static int local_bss;
const char *const in_relro[] = {"one", "two", "three"};
extern int from_library[];
extern int library_function(int);

__attribute__((noinline)) int global_function(int x) { return x + in_data[x & 7] + local_data + local_bss; }
__attribute__((noinline)) static int local_function(int x) { return global_function(x) * 2 + in_bss[x & 7]; }

static void tell(const char *name, const void *address) { printf("%s %lx\n", name, (unsigned long)address); }
#define TELL(symbol) tell(#symbol, (const void *)(symbol))

int main(int argc, char **argv)
{
	TELL(&in_bss[0]); TELL(&in_bss[49999]); TELL(&in_data[0]); TELL(&in_data[2999]); TELL(&small_bss);
	TELL(&in_rodata[0]); TELL(&in_rodata[1999]); TELL(&local_data); TELL(&local_bss); TELL(&in_relro[0]);
	TELL(&global_function); TELL(&local_function); TELL(&main);
#ifdef WITH_LIBRARY
	TELL(&from_library[0]); TELL(&from_library[4999]); TELL(&library_function);
	for (char **name = argv + 1; *name; name++)
		tell(*name, dlsym(RTLD_DEFAULT, *name));
#endif
	puts("end");
	fflush(stdout);
	getchar();
	return local_function(argc) & 1;
}
