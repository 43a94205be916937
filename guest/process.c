#include "process.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

/* More rounds than any tree that does not fork against us needs. */
#define ROUNDS_MAX 64
#define PROCESSES_MAX 32768

/* The most that Linux hands out: PID_MAX_LIMIT in linux/threads.h. */
#define PIDS_MAX (4 * 1024 * 1024)

/* Linux's own ceiling, fs.nr_open, and what programs that use select() can stand. */
#define DESCRIPTORS_MAX (1024 * 1024)
#define DESCRIPTORS_USUAL 1024

struct entry {
    pid_t pid;
    pid_t parent;
    pid_t session;
    unsigned long long start;
};

/* What /proc has shown last. Pages of it that are not used cost nothing. */
static struct entry entries[PROCESSES_MAX];
static size_t entry_count;

/* The processes a signal is for. */
static struct {
    unsigned char has[PIDS_MAX / 8];
    pid_t pids[PROCESSES_MAX];
    size_t count;
} tree;

void process_raise_limits(void)
{
    const struct rlimit all = {.rlim_cur = DESCRIPTORS_MAX, .rlim_max = DESCRIPTORS_MAX};
    setrlimit(RLIMIT_NOFILE, &all);
}

void process_restore_limits(void)
{
    const struct rlimit usual = {.rlim_cur = DESCRIPTORS_USUAL, .rlim_max = DESCRIPTORS_MAX};
    setrlimit(RLIMIT_NOFILE, &usual);
}

/* proc(5): after "pid (name)" come state, ppid, pgrp and session, and starttime is the 22nd. The name may hold anything, so
 * it is skipped from its last bracket. */
#define STAT_FORMAT " %c %d %*d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu"
static int read_entry(const char *pid, struct entry *entry)
{
    char path[64];
    char text[512];
    snprintf(path, sizeof path, "/proc/%.10s/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length <= 0)
        return 0;
    text[length] = 0;
    const char *after = strrchr(text, ')');
    char state;
    entry->pid = (pid_t)atoi(pid);
    return after != NULL &&
           sscanf(after + 1, STAT_FORMAT, &state, &entry->parent, &entry->session, &entry->start) == 4 && state != 'Z';
}

static void list_processes(void)
{
    DIR *directory = opendir("/proc");
    struct dirent *found;
    entry_count = 0;
    while (directory != NULL && entry_count < PROCESSES_MAX && (found = readdir(directory)) != NULL)
        if (found->d_name[0] >= '1' && found->d_name[0] <= '9' && read_entry(found->d_name, &entries[entry_count]))
            entry_count++;
    if (directory != NULL)
        closedir(directory);
}

static int in_tree(pid_t pid)
{
    return pid > 0 && pid < PIDS_MAX && (tree.has[pid / 8] >> pid % 8 & 1);
}

static void add_to_tree(pid_t pid)
{
    if (pid <= 1 || pid >= PIDS_MAX || tree.count == PROCESSES_MAX || in_tree(pid))
        return;
    tree.has[pid / 8] |= (unsigned char)(1 << pid % 8);
    tree.pids[tree.count++] = pid;
}

static void forget_tree(void)
{
    while (tree.count > 0)
        tree.has[tree.pids[--tree.count] / 8] = 0;
}

static int is_known(const struct process_list *list, const struct entry *entry)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->known[i].pid == entry->pid && list->known[i].start == entry->start)
            return 1;
    return 0;
}

/* Adds everything that is known already, descends from the tree's processes or is in the session, as /proc shows it
 * now. */
static void add_relatives(pid_t session, const struct process_list *known)
{
    size_t before;
    list_processes();
    /* A child may be listed before its parent. */
    do {
        before = tree.count;
        for (size_t i = 0; i < entry_count; i++)
            if (entries[i].session == session || in_tree(entries[i].parent) || is_known(known, &entries[i]))
                add_to_tree(entries[i].pid);
    } while (tree.count > before);
}

void process_list_clear(struct process_list *list)
{
    free(list->known);
    *list = (struct process_list){0};
}

/* Without memory for it the list stays empty, and who has lost his parents is not found again. */
static void remember_tree(struct process_list *list)
{
    process_list_clear(list);
    list->known = calloc(tree.count, sizeof *list->known);
    for (size_t i = 0; i < entry_count && list->known != NULL && list->count < tree.count; i++)
        if (in_tree(entries[i].pid))
            list->known[list->count++] = (struct known_process){entries[i].pid, entries[i].start};
}

void signal_tree(pid_t root, int root_is_gone, int signal, struct process_list *known)
{
    static int mounted;
    size_t stopped = 0;
    if (!mounted)
        mounted = mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0;
    if (!root_is_gone)
        add_to_tree(root);
    for (int round = 0; round < ROUNDS_MAX; round++) {
        size_t before = tree.count;
        /* What is to be killed is stopped first: the dead no longer say whose parents they were. */
        for (; signal == SIGKILL && stopped < tree.count; stopped++)
            kill(tree.pids[stopped], SIGSTOP);
        add_relatives(root, known);
        if (tree.count == before)
            break;
    }
    for (size_t i = 0; i < tree.count; i++)
        kill(tree.pids[i], signal);
    remember_tree(known);
    forget_tree();
}

void kill_everything(void)
{
    kill(-1, SIGKILL);
}
