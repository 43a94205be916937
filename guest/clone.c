#include "clone.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Enough for looking up a user and a program; what is large there is static. */
#define STACK_BYTES (64 * 1024)

static _Alignas(16) unsigned char stack[STACK_BYTES];

pid_t clone_fork(const struct clone_args *args)
{
    return (pid_t)syscall(SYS_clone3, args, sizeof *args);
}

/* The child has another stack, so that it cannot return to where the call came from: it goes on in `run`. The result is
 * the kernel's, and errno stays as it is. */
static long clone_into(const struct clone_args *args, void (*run)(void *), void *argument)
{
#if defined(__x86_64__)
    long result;
    __asm__ volatile("syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "mov %[argument], %%rdi\n\t"
                     "call *%[run]\n\t"
                     "hlt\n"
                     "1:"
                     : "=a"(result)
                     : "a"((long)SYS_clone3), "D"(args), "S"(sizeof *args), [run] "r"(run), [argument] "r"(argument)
                     : "rcx", "r11", "cc", "memory");
    return result;
#elif defined(__aarch64__)
    register long number __asm__("x8") = SYS_clone3;
    register long result __asm__("x0") = (long)args;
    register long size __asm__("x1") = sizeof *args;
    __asm__ volatile("svc #0\n\t"
                     "cbnz x0, 1f\n\t"
                     "mov x0, %[argument]\n\t"
                     "blr %[run]\n\t"
                     "brk #0\n"
                     "1:"
                     : "+r"(result)
                     : "r"(number), "r"(size), [run] "r"(run), [argument] "r"(argument)
                     : "x30", "cc", "memory");
    return result;
#else
#error "no clone3() for this processor"
#endif
}

long clone_call(long number, const long arguments[5])
{
    long result;
#if defined(__x86_64__)
    register long fourth __asm__("r10") = arguments[3];
    register long fifth __asm__("r8") = arguments[4];
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(arguments[0]), "S"(arguments[1]), "d"(arguments[2]), "r"(fourth), "r"(fifth)
                     : "rcx", "r11", "memory");
#elif defined(__aarch64__)
    register long called __asm__("x8") = number;
    register long first __asm__("x0") = arguments[0];
    register long second __asm__("x1") = arguments[1];
    register long third __asm__("x2") = arguments[2];
    register long fourth __asm__("x3") = arguments[3];
    register long fifth __asm__("x4") = arguments[4];
    __asm__ volatile("svc #0"
                     : "+r"(first)
                     : "r"(called), "r"(second), "r"(third), "r"(fourth), "r"(fifth)
                     : "memory");
    result = first;
#endif
    return result;
}

int clone_thread(void *thread_stack, size_t size, void (*run)(void *))
{
    const struct clone_args args = {
        .flags = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD,
        .stack = (uintptr_t)thread_stack,
        .stack_size = size,
    };
    return clone_into(&args, run, NULL) < 0 ? -1 : 0;
}

pid_t clone_vfork(uint64_t flags, int cgroup, volatile pid_t *pid, void (*run)(void *), void *argument)
{
    const struct clone_args args = {
        .flags = flags | CLONE_VM | CLONE_VFORK | CLONE_PARENT_SETTID,
        .parent_tid = (uintptr_t)pid,
        .exit_signal = SIGCHLD,
        .stack = (uintptr_t)stack,
        .stack_size = sizeof stack,
        .cgroup = (uint64_t)cgroup,
    };
    long result = clone_into(&args, run, argument);
    if (result < 0) {
        errno = (int)-result;
        return -1;
    }
    return (pid_t)result;
}
