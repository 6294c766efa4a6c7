/* A process that does what it is told and nothing else, so that its address space changes only by the calls it is given.
 *
 * Static and without libc: after start it allocates nothing, its stack lies in its own bss (the kernel's [stack] is free
 * to be unmapped), and all it writes to was touched before. It restarts itself once with ASLR off.
 *
 * Start:     runner P R0 W0 R1 W1 ...   bits for personality(), and pipe ends, one pair for each process of a series
 * Reads:     struct command from its pipe. End of file ends it.
 * Writes:    struct reply, followed by `length` bytes.
 */

typedef unsigned long u64;
typedef long i64;
typedef unsigned int u32;

enum { PAGE = 4096, SLOTS = 6, STACK = 16 * PAGE, OUT = 16 * PAGE, FIRST_FD = 200, SPARE = 8 * PAGE };
enum { SYSCALL, TOUCH, FORK, EXIT, KEEP_CAPS, PKEY_SET };
enum { READ, WRITE, EXEC };
enum {
    SYS_read = 0, SYS_write = 1, SYS_open = 2, SYS_close = 3, SYS_brk = 12, SYS_sigaction = 13, SYS_sigreturn = 15,
    SYS_dup2 = 33, SYS_getpid = 39, SYS_clone = 56, SYS_execve = 59, SYS_capset = 126, SYS_sigaltstack = 131,
    SYS_personality = 135, SYS_setrlimit = 160, SYS_getrlimit = 97, SYS_exit_group = 231,
};

struct command {
    u32 kind;
    u32 length;    /* bytes of the output buffer to send back */
    u32 out;       /* bit i: argument i is the address of the output buffer */
    u32 in;        /* bit i: argument i is the address of `text` */
    u64 number;    /* of the system call */
    u64 args[6];
    char text[56];
};

struct reply {
    i64 value;
    u32 signal, code;
    u32 length, unused;
};

/* What the series may do with as it likes: parts of each kind of segment. */
__attribute__((aligned(PAGE))) const char spare_ro[SPARE] = {1};
__attribute__((aligned(PAGE))) char spare_data[SPARE] = {1};
__attribute__((aligned(PAGE), section(".bss.spare"))) char spare_bss[SPARE];
extern char spare_text[];
__asm__(".pushsection .text.spare,\"ax\"\n .balign 4096\n spare_text: .zero 32768, 0xc3\n .popsection");

/* What it lives on, one of each a process: processes may share the address space. */
static struct state {
    char stack[STACK];
    char alternate[STACK];
    char out[OUT];
    struct command command;
    char scratch[64];
} __attribute__((aligned(PAGE))) states[SLOTS];

static i64 call(i64 n, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
    register u64 r10 __asm__("r10") = d;
    register u64 r8 __asm__("r8") = e;
    register u64 r9 __asm__("r9") = f;
    i64 ret;
    __asm__ volatile("syscall" : "=a"(ret) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return ret;
}

static void leave(int status)
{
    for (;;)
        call(SYS_exit_group, status, 0, 0, 0, 0, 0);
}

/* ---- touching: one access to each page; a fault is told, not died of ---- */

/* rdi: address, rsi: mode, rdx: scratch; gives the signal in eax and its code in edx. A fault anywhere in between
 * continues at touch_end (see on_signal), with r12 and r13 set. EXEC runs one instruction by single step. */
u64 touch_one(u64 address, u64 mode, char *scratch);
extern char touch_end[];
__asm__(
    ".text\n"
    "touch_one:\n"
    "  push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
    "  mov %rdi, %rbx; xor %r12d, %r12d; xor %r13d, %r13d; mov %rsp, %r14\n"
    "  mov $0x746f756368, %r15\n"
    "  mov %rdx, %rax\n"
    "  cmp $1, %rsi; je 1f; ja 2f\n"
    "  movb (%rbx), %cl; jmp touch_end\n"
    "1: movb $0x90, (%rbx); jmp touch_end\n"
    "2: mov %rax, %rcx; mov %rax, %rdx; mov %rax, %rsi; mov %rax, %rdi; mov %rax, %rbp\n"
    "  pushfq; orl $0x100, (%rsp); popfq\n"
    "  jmp *%rbx\n"
    ".globl touch_end\n"
    "touch_end:\n"
    "  mov %r14, %rsp; xor %r15d, %r15d\n"
    "  mov %r12, %rax; shl $32, %r13; or %r13, %rax\n"
    "  pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
    "  ret\n"
    ".globl restorer\n"
    "restorer: mov $15, %eax; syscall\n");

extern char restorer[];
enum { R8, R9, R10, R11, R12, R13, R14, R15, RDI, RSI, RBP, RBX, RDX, RAX, RCX, RSP, RIP, EFL };
enum { SIGILL = 4, SIGTRAP = 5, SIGBUS = 7, SIGSEGV = 11, SIGPIPE = 13, SIGCHLD = 17 };

static void on_signal(int signal, int *info, u64 *context)
{
    u64 *regs = context + 5; /* behind uc_flags, uc_link and uc_stack */
    if (regs[R15] != 0x746f756368)
        leave(90 + signal);
    if (signal == SIGTRAP && regs[RIP] == regs[RBX])
        return; /* the jump is done, the instruction is not fetched yet */
    regs[EFL] &= ~0x100ul;
    regs[R12] = signal == SIGTRAP || signal == SIGILL ? 0 : signal;
    regs[R13] = regs[R12] ? (u32)info[2] : 0;
    regs[RIP] = (u64)touch_end;
}

static void catch_signals(struct state *state)
{
    static struct { void *handler; u64 flags; void *restorer; u64 mask; } action, ignore;
    struct { void *sp; int flags; int pad; u64 size; } stack = {state->alternate, 0, 0, STACK};
    static const int numbers[] = {SIGILL, SIGTRAP, SIGBUS, SIGSEGV};
    action.handler = on_signal;
    action.flags = 0x4 | 0x08000000 | 0x04000000 | 0x40000000; /* SIGINFO ONSTACK RESTORER NODEFER */
    action.restorer = restorer;
    ignore.handler = (void *)1;
    for (int i = 0; i < 4; i++)
        call(SYS_sigaction, numbers[i], (u64)&action, 0, 8, 0, 0);
    call(SYS_sigaction, SIGCHLD, (u64)&ignore, 0, 8, 0, 0);
    call(SYS_sigaction, SIGPIPE, (u64)&ignore, 0, 8, 0, 0);
    call(SYS_sigaltstack, (u64)&stack, 0, 0, 0, 0, 0);
}

static void touch(struct command *c, struct reply *reply, char *scratch)
{
    u64 address = c->args[0], end = c->args[0] + c->args[1];
    while (address < end) {
        u64 told = touch_one(address, c->args[2], scratch);
        reply->signal = (u32)told;
        reply->code = told >> 32;
        if (reply->signal)
            return;
        reply->value++;
        address = (address | (PAGE - 1)) + 1;
        if (!address)
            return;
    }
}

/* ---- processes ---- */

void serve(u64 slot);
i64 start_process(u64 flags, u64 stack, u64 slot);
__asm__(
    "start_process:\n"
    "  mov %rdx, %r9; xor %edx, %edx; xor %r10d, %r10d; xor %r8d, %r8d\n"
    "  mov $56, %eax; syscall\n"
    "  test %rax, %rax; jnz 1f\n"
    "  mov %r9, %rdi; xor %ebp, %ebp; call serve; hlt\n"
    "1: ret\n");

static void all(int number, int fd, void *buffer, u64 length)
{
    while (length) {
        i64 done = call(number, fd, (u64)buffer, length, 0, 0, 0);
        if (done <= 0)
            leave(done ? 80 : 0);
        buffer = (char *)buffer + done;
        length -= done;
    }
}

static void keep_capabilities(u64 mask)
{
    struct { u32 version, pid; } header = {0x20080522, 0};
    struct { u32 effective, permitted, inheritable; } data[2] = {
        {(u32)mask, (u32)mask, 0}, {(u32)(mask >> 32), (u32)(mask >> 32), 0},
    };
    if (call(SYS_capset, (u64)&header, (u64)data, 0, 0, 0, 0))
        leave(81);
}

/* As glibc's pkey_set(): the rights of this thread to what has a protection key. */
static void pkey_set(u64 key, u64 rights)
{
    u32 pkru, zero;
    __asm__ volatile("rdpkru" : "=a"(pkru), "=d"(zero) : "c"(0));
    pkru = (pkru & ~(3u << 2 * key)) | (u32)rights << 2 * key;
    __asm__ volatile("wrpkru" : : "a"(pkru), "c"(0), "d"(0));
}

void serve(u64 slot)
{
    struct state *state = &states[slot];
    struct command *c = &state->command;
    catch_signals(state);
    for (;;) {
        struct reply reply = {0};
        u64 args[6];
        all(SYS_read, FIRST_FD + 2 * slot, c, sizeof *c);
        for (int i = 0; i < 6; i++)
            args[i] = c->out >> i & 1 ? (u64)state->out : c->in >> i & 1 ? (u64)c->text : c->args[i];
        switch (c->kind) {
        case SYSCALL:
            reply.value = call(c->number, args[0], args[1], args[2], args[3], args[4], args[5]);
            reply.length = c->length;
            break;
        case TOUCH:
            touch(c, &reply, state->scratch);
            break;
        case FORK:
            reply.value = start_process(args[1], (u64)(states[args[0]].stack + STACK), args[0]);
            break;
        case PKEY_SET:
            pkey_set(args[0], args[1]);
            break;
        case KEEP_CAPS:
            keep_capabilities(args[0]);
            break;
        default:
            leave(0);
        }
        all(SYS_write, FIRST_FD + 2 * slot + 1, &reply, sizeof reply);
        if (reply.length)
            all(SYS_write, FIRST_FD + 2 * slot + 1, state->out, reply.length);
    }
}

/* ---- start ---- */

static u64 number(const char *text)
{
    u64 value = 0;
    while (*text)
        value = value * 10 + (*text++ - '0');
    return value;
}

static void first_run(u64 argc, char **argv)
{
    static char *again[] = {"runner", 0}, *none[] = {0};
    static u64 limit[2];
    int null = call(SYS_open, (u64) "/dev/null", 2, 0, 0, 0, 0);
    for (int fd = 0; fd < 3; fd++)
        call(SYS_dup2, null, fd, 0, 0, 0, 0);
    for (u64 i = 2; i < argc; i++)
        call(SYS_dup2, number(argv[i]), FIRST_FD + i - 2, 0, 0, 0, 0);
    for (int fd = 3; fd < FIRST_FD; fd++)
        call(SYS_close, fd, 0, 0, 0, 0, 0);
    call(SYS_getrlimit, 3, (u64)limit, 0, 0, 0, 0);
    limit[0] = 8ul << 20;
    call(SYS_setrlimit, 3, (u64)limit, 0, 0, 0, 0);
    call(SYS_personality, 0x0040000 | number(argv[1]), 0, 0, 0, 0, 0); /* ADDR_NO_RANDOMIZE */
    call(SYS_execve, (u64)argv[0], (u64)again, (u64)none, 0, 0, 0);
    leave(82);
}

void begin(u64 *sp)
{
    u64 argc = sp[0];
    if (argc > 1)
        first_run(argc, (char **)(sp + 1));
    for (char *p = (char *)states; p < (char *)(states + SLOTS); p += PAGE)
        *(volatile char *)p = 0;
    *(volatile char *)spare_data = 2;
    /* Say where the free parts are, and where the program break is. */
    static u64 hello[6];
    hello[0] = (u64)spare_text;
    hello[1] = (u64)spare_ro;
    hello[2] = (u64)spare_data;
    hello[3] = (u64)spare_bss;
    hello[4] = SPARE;
    hello[5] = call(SYS_brk, 0, 0, 0, 0, 0, 0);
    all(SYS_write, FIRST_FD + 1, hello, sizeof hello);
    /* Go on upon the own stack. */
    __asm__ volatile("mov %0, %%rsp; xor %%ebp, %%ebp; xor %%edi, %%edi; call serve; hlt"
                     : : "r"(states[0].stack + STACK) : "memory");
}

__asm__(".globl _start\n_start: mov %rsp, %rdi; and $-16, %rsp; call begin; hlt\n");
