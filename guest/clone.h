/* Processes made with what fork() has no words for: namespaces, and a control group from the first instruction on. */
#ifndef CLONE_H
#define CLONE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* From linux/sched.h, which a C library of its own does not bring. */
#define CLONE_INTO_CGROUP 0x200000000ULL
struct clone_args {
    uint64_t flags;
    uint64_t pidfd;
    uint64_t child_tid;
    uint64_t parent_tid;
    uint64_t exit_signal;
    uint64_t stack;
    uint64_t stack_size;
    uint64_t tls;
    uint64_t set_tid;
    uint64_t set_tid_size;
    uint64_t cgroup;
};

/* As fork() does. */
pid_t clone_fork(const struct clone_args *args);

/*
 * As vfork() does, which saves a UML guest a millisecond: the child shares the agent's memory, and the agent waits until it
 * has become a program or ended. It runs `run` on a stack of its own. `*pid` is set before it runs.
 */
pid_t clone_vfork(uint64_t flags, int cgroup, volatile pid_t *pid, void (*run)(void *), void *argument);

/*
 * A thread that the C library does not know of, with descriptors of its own. It must not return, nor call what may fail
 * and set errno, which is the agent's. 0, or -1.
 */
int clone_thread(void *stack, size_t size, void (*run)(void *));
/* A system call that leaves errno alone. What the kernel answers. */
long clone_call(long number, const long arguments[5]);

#endif
