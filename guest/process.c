#include "process.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

/* More rounds than any tree that does not fork against us needs. */
#define ROUNDS_MAX 64
#define PROCESSES_MAX 32768

struct entry {
    pid_t pid;
    pid_t parent;
    pid_t session;
};

/* Reads "pid (name) state ppid pgrp session": the name may hold anything, so it is skipped from its last bracket. */
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
    return after != NULL && sscanf(after + 1, " %c %d %*d %d", &state, &entry->parent, &entry->session) == 3 &&
           state != 'Z';
}

static size_t list_processes(struct entry *entries, size_t capacity)
{
    DIR *directory = opendir("/proc");
    size_t count = 0;
    struct dirent *found;
    while (directory != NULL && count < capacity && (found = readdir(directory)) != NULL)
        if (found->d_name[0] >= '1' && found->d_name[0] <= '9' && read_entry(found->d_name, &entries[count]))
            count++;
    if (directory != NULL)
        closedir(directory);
    return count;
}

static int contains(const pid_t *pids, size_t count, pid_t pid)
{
    for (size_t i = 0; i < count; i++)
        if (pids[i] == pid)
            return 1;
    return 0;
}

void signal_tree(pid_t root, int root_is_gone, int signal)
{
    static struct entry entries[PROCESSES_MAX];
    static pid_t members[PROCESSES_MAX];
    static int mounted;
    size_t known = 0;
    if (!mounted)
        mounted = mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0;
    if (!root_is_gone) {
        members[known++] = root;
        kill(root, signal);
    }
    for (int round = 0; round < ROUNDS_MAX; round++) {
        size_t before = known;
        size_t count = list_processes(entries, PROCESSES_MAX);
        for (size_t i = 0; i < count && known < PROCESSES_MAX; i++) {
            const struct entry *entry = &entries[i];
            int belongs = entry->session == root || contains(members, known, entry->parent);
            if (entry->pid <= 1 || entry->pid == root || !belongs || contains(members, known, entry->pid))
                continue;
            members[known++] = entry->pid;
            kill(entry->pid, signal);
        }
        if (known == before)
            return;
    }
}

void kill_everything(void)
{
    kill(-1, SIGKILL);
}
