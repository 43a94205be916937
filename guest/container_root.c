/*
 * The container's root. The container's init mounts the kernel's own file systems where the initramfs has them, while
 * the disks are still being mounted; then it enters the root, and moves them there from within, so that a link in the
 * image leads nowhere else. "/box-dev" is the initramfs's set of device nodes, "/box-files" takes what is laid over the
 * image's files.
 */
#include "container_root.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cgroup.h"
#include "directories.h"
#include "mount_step.h"

/* From linux/mount.h, which a C library of its own does not bring. */
#define OPEN_TREE_CLONE 1
#define OPEN_TREE_CLOEXEC O_CLOEXEC
#define MOVE_MOUNT_F_EMPTY_PATH 4
#define MOVE_MOUNT_T_SYMLINKS 0x10

#define QUIET (MS_NOSUID | MS_NODEV | MS_NOEXEC)
#define FILES_MAX 16
#define PATH_BYTES 256
/* Linux's HOST_NAME_MAX, and an end. */
#define HOSTNAME_BYTES 65
/* Links from a place of which the image has only the link. */
#define LINKS_MAX 8

/* The nodes alone are of use: whoever makes another, has a file. */
static const struct mount_step device_mounts[] = {
    {"/box-dev", "/box-dev", NULL, MS_BIND, NULL},
    {NULL, "/box-dev", NULL, MS_BIND | MS_REMOUNT | MS_NOSUID | MS_NODEV, NULL},
    {"/box-nodes/null", "/box-dev/null", NULL, MS_BIND, NULL},
    {"/box-nodes/zero", "/box-dev/zero", NULL, MS_BIND, NULL},
    {"/box-nodes/full", "/box-dev/full", NULL, MS_BIND, NULL},
    {"/box-nodes/random", "/box-dev/random", NULL, MS_BIND, NULL},
    {"/box-nodes/urandom", "/box-dev/urandom", NULL, MS_BIND, NULL},
    {"/box-nodes/tty", "/box-dev/tty", NULL, MS_BIND, NULL},
    {"devpts", "/box-dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5"},
    {"shm", "/box-dev/shm", "tmpfs", QUIET, "mode=1777"},
};

static const struct mount_step system_mounts[] = {
    {"proc", "/proc", "proc", QUIET, NULL},
    {"sysfs", "/sys", "sysfs", QUIET | MS_RDONLY, NULL},
    {"cgroup", "/sys/fs/cgroup", "cgroup2", QUIET | MS_RDONLY, NULL},
    {"mqueue", "/box-dev/mqueue", "mqueue", QUIET, NULL},
};

/* Where the kernel's file systems are mounted, and where they belong. */
static const char *const system_places[][2] = {{"/box-dev", "/dev"}, {"/proc", "/proc"}, {"/sys", "/sys"}};
#define SYSTEM_PLACES (sizeof system_places / sizeof *system_places)

/* What container engines hide, and what they let nobody write: it is the machine's, not the container's. */
static const char *const hidden_files[] = {
    "/proc/interrupts", "/proc/kcore",       "/proc/keys",       "/proc/latency_stats",
    "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
};
static const char *const hidden_directories[] = {
    "/proc/acpi", "/proc/asound", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap",
};
static const char *const read_only[] = {
    "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};

/* What distributions set: who follows or links another's file in a folder that all may write is not led astray. */
static const char *const settings[][2] = {
    {"/proc/self/oom_score_adj", "-1000"},
    {"/proc/sys/fs/protected_symlinks", "1"},
    {"/proc/sys/fs/protected_hardlinks", "1"},
};

/* What the init has to know of the box, which the agent tells it. */
static struct {
    char hostname[HOSTNAME_BYTES];
    uint32_t file_count;
    char files[FILES_MAX][PATH_BYTES];
} box;

static int do_mount(const struct mount_step *step)
{
    return mount(step->source, step->target, step->type, step->flags, step->options);
}

int root_prepare(char *message, size_t size)
{
    for (size_t i = 0; i < sizeof device_mounts / sizeof *device_mounts; i++) {
        if (do_mount(&device_mounts[i]) == 0)
            continue;
        snprintf(message, size, "cannot mount %s: %s", device_mounts[i].target, strerror(errno));
        return -1;
    }
    return 0;
}

static void write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return;
    for (size_t left = strlen(text); left > 0;) {
        ssize_t written = write(fd, text, left);
        if (written <= 0)
            break;
        text += written;
        left -= (size_t)written;
    }
    close(fd);
}

static int write_files(const struct json *object, char *message, size_t size)
{
    char place[32];
    if (object == NULL || object->type != JSON_OBJECT)
        return 0;
    const struct json *at = object + 1;
    for (uint32_t i = 0; i < object->count; i++) {
        const struct json *text = at + at->span;
        if (text->type != JSON_STRING || at->text[0] != '/' || strlen(at->text) >= PATH_BYTES || i >= FILES_MAX) {
            snprintf(message, size, "files needs paths and contents, %d at most", FILES_MAX);
            return -1;
        }
        snprintf(place, sizeof place, "/box-files/%u", (unsigned)i);
        write_text(place, text->text);
        strcpy(box.files[i], at->text);
        box.file_count = i + 1;
        at = text + text->span;
    }
    return 0;
}

int root_tell(int pipe, const char *hostname, const struct json *files, char *message, size_t size)
{
    if (strlcpy(box.hostname, hostname, sizeof box.hostname) >= sizeof box.hostname) {
        snprintf(message, size, "the hostname is too long");
        return -1;
    }
    if (write_files(files, message, size) != 0)
        return -1;
    if (write(pipe, &box, sizeof box) == (ssize_t)sizeof box)
        return 0;
    snprintf(message, size, "cannot tell the container's init what the box is");
    return -1;
}

/* --- The init's ------------------------------------------------------------------------------------------------- */

static _Noreturn void fail(int pipe, const char *verb, const char *what)
{
    dprintf(pipe, "cannot %s %s in the container: %s", verb, what, strerror(errno));
    _exit(1);
}

static int open_tree(const char *path, unsigned flags)
{
    return (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLOEXEC | flags);
}

static int move_tree(int tree, const char *path)
{
    return (int)syscall(SYS_move_mount, tree, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS);
}

/* Makes the file, and the folders above it. Where the path is a link to what is missing, that is made. */
static void make_file(const char *path)
{
    static char at[4096];
    static char link[4096];
    strlcpy(at, path, sizeof at);
    for (int i = 0; i < LINKS_MAX; i++) {
        char *name = strrchr(at, '/') + 1;
        ssize_t length = readlink(at, link, sizeof link - 1);
        if (length <= 0)
            break;
        link[length] = 0;
        if (link[0] == '/')
            strlcpy(at, link, sizeof at);
        else
            strlcpy(name, link, sizeof at - (size_t)(name - at));
    }
    char *name = strrchr(at, '/');
    *name = 0;
    if (at[0] != 0)
        directories_make(at, 0755);
    *name = '/';
    close(open(at, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644));
}

/* An image that cannot have such a file, as it has a folder there, goes without. */
static void lay_files(const int trees[FILES_MAX])
{
    for (size_t i = 0; i < box.file_count; i++) {
        if (move_tree(trees[i], box.files[i]) != 0 && errno == ENOENT) {
            make_file(box.files[i]);
            move_tree(trees[i], box.files[i]);
        }
        close(trees[i]);
    }
}

static void place_system(int pipe, const int trees[SYSTEM_PLACES])
{
    for (size_t i = 0; i < SYSTEM_PLACES; i++) {
        const char *path = system_places[i][1];
        if (move_tree(trees[i], path) != 0 &&
            (errno != ENOENT || mkdir(path, 0755) != 0 || move_tree(trees[i], path) != 0))
            fail(pipe, "mount", path);
        close(trees[i]);
    }
}

/* As pivot_root() does, which cannot leave an initramfs: below the moved root nothing is within reach. */
static void enter_root(int pipe)
{
    char place[32];
    int system[SYSTEM_PLACES];
    int files[FILES_MAX];
    for (size_t i = 0; i < SYSTEM_PLACES; i++)
        system[i] = open_tree(system_places[i][0], 0);
    for (size_t i = 0; i < box.file_count; i++) {
        snprintf(place, sizeof place, "/box-files/%u", (unsigned)i);
        files[i] = open_tree(place, OPEN_TREE_CLONE);
    }
    if (chdir("/root") != 0 || mount(".", "/", NULL, MS_MOVE, NULL) != 0 || chroot(".") != 0)
        fail(pipe, "enter", "the root");
    place_system(pipe, system);
    lay_files(files);
}

static void mount_system(int pipe)
{
    for (size_t i = 0; i < sizeof system_mounts / sizeof *system_mounts; i++)
        if (do_mount(&system_mounts[i]) != 0)
            fail(pipe, "mount", system_mounts[i].target);
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        write_text(settings[i][0], settings[i][1]);
}

/* What a kernel does not have is hidden already. */
static void protect_system(int pipe)
{
    for (size_t i = 0; i < sizeof hidden_files / sizeof *hidden_files; i++)
        if (mount("/box-dev/null", hidden_files[i], NULL, MS_BIND, NULL) != 0 && errno != ENOENT)
            fail(pipe, "hide", hidden_files[i]);
    for (size_t i = 0; i < sizeof hidden_directories / sizeof *hidden_directories; i++)
        if (mount("hidden", hidden_directories[i], "tmpfs", QUIET | MS_RDONLY, NULL) != 0 && errno != ENOENT)
            fail(pipe, "hide", hidden_directories[i]);
    for (size_t i = 0; i < sizeof read_only / sizeof *read_only; i++) {
        int bound = mount(read_only[i], read_only[i], NULL, MS_BIND, NULL);
        if (bound != 0 && errno == ENOENT)
            continue;
        if (bound != 0 || mount(NULL, read_only[i], NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | QUIET, NULL) != 0)
            fail(pipe, "protect", read_only[i]);
    }
}

/* Nothing it does from now on needs any. */
static void drop_capabilities(void)
{
    /* From linux/capability.h, version 3. */
    struct {
        uint32_t version;
        int pid;
    } header = {.version = 0x20080522};
    const uint32_t none[6] = {0};
    syscall(SYS_capset, &header, none);
}

/* Who does not tell has gone. */
static void wait_for_root(int orders)
{
    if (read(orders, &box, sizeof box) != (ssize_t)sizeof box)
        _exit(1);
}

_Noreturn void root_init(int orders, int answers)
{
    if (unshare(CLONE_NEWCGROUP) != 0)
        fail(answers, "make", "a namespace");
    /* The namespace begins where it was made, and the init's own place is inside. */
    write_text(CGROUP_INIT "/cgroup.procs", "0");
    setsid();
    prctl(PR_SET_NAME, "init", 0, 0, 0);
    /* What the agent mounts at the root appears here, and nothing the other way. */
    if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) != 0)
        fail(answers, "set up", "propagation");
    mount_system(answers);
    protect_system(answers);
    dprintf(answers, ROOT_PREPARED);
    wait_for_root(orders);
    if (sethostname(box.hostname, strlen(box.hostname)) != 0)
        fail(answers, "set", "the hostname");
    enter_root(answers);
    drop_capabilities();
    /* The kernel reaps for who ignores this, also those whose parents have gone. */
    signal(SIGCHLD, SIG_IGN);
    dprintf(answers, ROOT_READY);
    syscall(SYS_close_range, 0, ~0U, 0);
    for (;;)
        pause();
}
