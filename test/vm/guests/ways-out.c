/*
 * Root in a box that tries to get out of a share by every way a kernel has for it, again and again while the share changes
 * under it. Prints the secret if it reads it.
 *
 *     ways-out SHARE ROUNDS
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define HANDLE_BYTES 128

/* struct file_handle of linux/fcntl.h. */
struct handle {
    unsigned int bytes;
    int type;
    unsigned char data[HANDLE_BYTES];
};

static void look(int fd)
{
    char text[256] = {0};
    if (fd < 0)
        return;
    if (read(fd, text, sizeof text - 1) > 0 && strstr(text, "outside of the share") != NULL)
        printf("%s\n", text);
    close(fd);
}

/* Everything that can be done with a path. */
static void try_path(const char *path)
{
    struct timeval times[2] = {{1000, 0}, {1000, 0}};
    char linked[64];
    static unsigned count;
    look(open(path, O_RDONLY));
    int fd = open(path, O_WRONLY | O_APPEND);
    if (fd >= 0) {
        (void)!write(fd, "overwritten", 11);
        close(fd);
    }
    chmod(path, 0777);
    (void)!chown(path, 1, 1);
    utimes(path, times);
    snprintf(linked, sizeof linked, "linked%u", count++ % 50);
    unlink(linked);
    (void)!link(path, linked);
    look(open(linked, O_RDONLY));
    (void)!rename(path, "stolen");
    look(open("stolen", O_RDONLY));
    (void)!truncate(path, 1);
}

static void try_links(void)
{
    static const char *const targets[] = {"../outside/secret", "/outside/secret", "../../../../../../../../outside",
                                          "/proc/self/root/outside/secret", "/proc/1/root", "/proc/self/fd/3"};
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        unlink("link");
        (void)!symlink(targets[i], "link");
        try_path("link");
        try_path("link/secret");
        look(open("link", O_RDONLY | O_NOFOLLOW));
    }
}

/* Handles name nodes past all paths: of those that were made here, and of made-up ones. */
static void try_handles(void)
{
    struct handle handle = {.bytes = HANDLE_BYTES};
    int mounted;
    int here = open(".", O_RDONLY | O_DIRECTORY);
    if (syscall(SYS_name_to_handle_at, AT_FDCWD, "d", &handle, &mounted, 0) == 0)
        for (unsigned node = 0; node < 64; node++) {
            memcpy(handle.data, &node, sizeof node);
            look((int)syscall(SYS_open_by_handle_at, here, &handle, O_RDONLY));
        }
    close(here);
}

/* A directory that is held by a descriptor and by a working directory, while its names change. */
static void try_descriptors(void)
{
    int d = open("d", O_RDONLY | O_DIRECTORY);
    if (d < 0)
        return;
    look(openat(d, "secret", O_RDONLY));
    look(openat(d, "../outside/secret", O_RDONLY));
    look(openat(d, "../../outside/secret", O_RDONLY));
    (void)!renameat(d, "secret", AT_FDCWD, "stolen");
    (void)!linkat(d, "../outside/secret", AT_FDCWD, "linked", 0);
    (void)!mkdirat(d, "../../outside/planted", 0755);
    (void)!unlinkat(d, "../outside/secret", 0);
    if (fchdir(d) == 0) {
        try_path("../outside/secret");
        try_path("secret");
        (void)!symlink("planted", "../../outside/planted");
    }
    close(d);
}

static void try_mounts(void)
{
    mkdir("mounted", 0755);
    mount("..", "mounted", NULL, MS_BIND | MS_REC, NULL);
    mount(NULL, ".", NULL, MS_REMOUNT | MS_BIND, NULL);
    look(open("mounted/outside/secret", O_RDONLY));
    umount("mounted");
}

/* The guest's own racer: names change here as well. */
static _Noreturn void race(void)
{
    for (;;) {
        (void)!rename("d", "e");
        (void)!symlink("../outside", "d");
        unlink("d");
        (void)!rename("e", "d");
        mkdir("d", 0755);
        int fd = open("d/secret", O_WRONLY | O_CREAT, 0644);
        close(fd);
    }
}

int main(int argc, char **argv)
{
    if (argc != 3 || chdir(argv[1]) != 0)
        return 2;
    pid_t racer = fork();
    if (racer == 0)
        race();
    for (int round = atoi(argv[2]); round > 0; round--) {
        (void)!chdir(argv[1]);
        try_path("d/secret");
        try_path("host/secret");
        try_path("d/../../outside/secret");
        try_links();
        try_handles();
        try_descriptors();
        (void)!chdir(argv[1]);
        try_mounts();
    }
    kill(racer, SIGKILL);
    waitpid(racer, NULL, 0);
    printf("tried\n");
    return 0;
}
