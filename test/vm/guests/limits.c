/*
 * Writes the settings of a control group that it was compiled with, tries what they are to stop, and tells on the
 * console.
 */
#include <errno.h>
#include <signal.h>
#include <sys/klog.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "guest.h"

#define GROUP "/cgroup/boxlite/box"
#define HOG_BYTES (64 << 20)
#define PAGE 4096
#define PROCESSES 64
/* From syslog(2); it shows emergencies only at the level 1. */
#define CONSOLE_LEVEL 8

/* { file, value } */
static const char *const settings[][2] = {SETTINGS};

static int write_file(const char *path, const char *text)
{
    int file = open(path, O_WRONLY);
    int error = file < 0 || write(file, text, strlen(text)) < 0 ? errno : 0;
    if (file >= 0)
        close(file);
    return error;
}

/* A child that is in the group from its first step; -1 if there may be none. */
static pid_t fork_inside(void)
{
    pid_t pid = fork();
    if (pid == 0 && write_file(GROUP "/cgroup.procs", "0") != 0)
        _exit(9);
    return pid;
}

static void use_memory(void)
{
    volatile char *bytes = malloc(HOG_BYTES);
    for (long at = 0; bytes != NULL && at < HOG_BYTES; at += PAGE)
        bytes[at] = 1;
    _exit(0);
}

static void fork_much(void)
{
    int children = 0;
    while (children < PROCESSES) {
        pid_t pid = fork();
        if (pid == 0)
            stay();
        if (pid < 0)
            break;
        children++;
    }
    _exit(children);
}

static void try_inside(const char *what, void (*work)(void))
{
    int status = 0;
    pid_t pid = fork_inside();
    if (pid == 0)
        work();
    waitpid(pid, &status, 0);
    dprintf(STDERR_FILENO, "%s: exit %d signal %d\n", what, WIFEXITED(status) ? WEXITSTATUS(status) : -1,
            WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

int main(void)
{
    int wire = start_guest("limits");
    char path[128];
    /* The kernel tells of whom it ends, in the middle of what is told here. */
    klogctl(CONSOLE_LEVEL, NULL, 1);
    mkdir("/cgroup", 0755);
    mount("cgroup", "/cgroup", "cgroup2", 0, NULL);
    mkdir("/cgroup/boxlite", 0755);
    for (int i = 0; i < 2; i++)
        write_file(i == 0 ? "/cgroup/cgroup.subtree_control" : "/cgroup/boxlite/cgroup.subtree_control",
                   "+memory +pids +cpu");
    mkdir(GROUP, 0755);
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        snprintf(path, sizeof path, GROUP "/%s", settings[i][0]);
        dprintf(STDERR_FILENO, "%s: error %d\n", settings[i][0], write_file(path, settings[i][1]));
    }
    try_inside("memory", use_memory);
    try_inside("processes", fork_much);
    say_hello(wire);
    stay();
}
