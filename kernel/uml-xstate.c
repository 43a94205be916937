/*
 * Loaded into a user-mode Linux kernel older than 6.13, as Debian packages it, by LD_PRELOAD.
 *
 * Such a kernel has room for 2696 bytes of a process's floating-point state. A host whose processor has more (AMX, for
 * one) lets as much be read, but refuses to write anything except the whole (xstateregs_set() in
 * arch/x86/kernel/fpu/regset.c), so the first guest process would end with "ptrace set fp regs failed". Here what the
 * kernel did not save is read and written back as it was: guest processes never use it, as the host gives such
 * registers only to a process that asks for them.
 */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* From linux/ptrace.h and linux/elf.h. */
#define PEEK_FIRST 1
#define PEEK_LAST 3
#define GETREGSET 0x4204
#define SETREGSET 0x4205
#define NT_X86_XSTATE 0x202
/* Several times what any processor has. */
#define STATE_BYTES_MAX (64 * 1024)

long ptrace(int request, ...);

static long set_state(long pid, struct iovec *given)
{
    static unsigned char state[STATE_BYTES_MAX];
    struct iovec whole = {.iov_base = state, .iov_len = sizeof state};
    if (syscall(SYS_ptrace, GETREGSET, pid, NT_X86_XSTATE, &whole) < 0)
        return -1;
    if (whole.iov_len <= given->iov_len)
        return syscall(SYS_ptrace, SETREGSET, pid, NT_X86_XSTATE, given);
    for (size_t i = 0; i < given->iov_len; i++)
        state[i] = ((const unsigned char *)given->iov_base)[i];
    return syscall(SYS_ptrace, SETREGSET, pid, NT_X86_XSTATE, &whole);
}

/* In place of the C library's. */
long ptrace(int request, ...)
{
    va_list arguments;
    va_start(arguments, request);
    long pid = va_arg(arguments, int);
    void *address = va_arg(arguments, void *);
    void *data = va_arg(arguments, void *);
    va_end(arguments);
    if (request == SETREGSET && (size_t)address == NT_X86_XSTATE)
        return set_state(pid, data);
    if (request < PEEK_FIRST || request > PEEK_LAST)
        return syscall(SYS_ptrace, request, pid, address, data);
    /* The system call stores a word that is peeked at; the function returns it. */
    long word;
    if (syscall(SYS_ptrace, request, pid, address, &word) < 0)
        return -1;
    errno = 0;
    return word;
}
