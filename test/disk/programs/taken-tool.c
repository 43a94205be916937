/* What e2fsck would try if a file system had taken it over: a line for each attempt, with 0 or the error. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* More than a disk of the test may have, and than a program may map. */
#define BEYOND 8192
#define BIG_BYTES (6L << 30)
#define DESCRIPTORS_MAX 64

static void tell(const char *name, long result)
{
    printf("%s %d\n", name, result < 0 ? errno : 0);
}

static int numbers_in(const char *path)
{
    int found = 0;
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;)
        found += entry->d_name[0] >= '1' && entry->d_name[0] <= '9';
    if (directory != NULL)
        closedir(directory);
    return found;
}

int main(int argc, char **argv)
{
    int disk = open(argv[argc - 1], O_RDWR);
    signal(SIGXFSZ, SIG_IGN);
    tell("disk", disk < 0 ? -1 : pwrite(disk, "x", 1, 0));
    int file = open("/etc/passwd", O_RDONLY);
    tell("file", file);
    if (file >= 0)
        close(file);
    int connection = socket(AF_UNIX, SOCK_STREAM, 0);
    tell("socket", connection);
    if (connection >= 0)
        close(connection);
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    tell("process", child);
    if (child > 0)
        waitpid(child, NULL, 0);
    printf("processes %d\n", numbers_in("/proc"));
    errno = ENOENT;
    tell("variable", getenv("BOXLITE_TEST_SECRET") == NULL ? -1 : 0);
    tell("beyond", pwrite(disk, "x", 1, BEYOND));
    tell("memory", mmap(NULL, BIG_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0);
    close(disk);
    printf("descriptors");
    for (int i = 0; i < DESCRIPTORS_MAX; i++) {
        if (fcntl(i, F_GETFD) >= 0)
            printf(" %d", i);
    }
    printf("\n");
    return 8;
}
