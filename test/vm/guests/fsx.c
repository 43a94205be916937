/*
 * Random operations on one file, through the kernel and its page cache, and on an array of bytes: what fsx does. Each seed
 * is a run of its own; the first difference ends it with a line that says what was done.
 *
 *     fsx FILE FIRST-SEED SEEDS OPERATIONS
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE_MAX_BYTES 400000
#define PIECE_MAX 70000

static uint8_t model[SIZE_MAX_BYTES + PIECE_MAX];
static uint8_t piece[PIECE_MAX];
static size_t size;
static uint64_t state;
static const char *path;
static unsigned long seed, step;

static uint32_t below(uint32_t limit)
{
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)((state >> 33) % limit);
}

static _Noreturn void differs(const char *what)
{
    printf("seed %lu, operation %lu: %s: %s\n", seed, step, what, strerror(errno));
    exit(1);
}

static void check(int right, const char *what)
{
    if (!right)
        differs(what);
}

static void written(size_t at, size_t length)
{
    memcpy(model + at, piece, length);
    if (at + length > size)
        size = at + length;
}

static void write_piece(int fd, size_t at, size_t length)
{
    memset(piece, (int)below(255) + 1, length);
    check(pwrite(fd, piece, length, (off_t)at) == (ssize_t)length, "pwrite");
    written(at, length);
}

static void append_piece(size_t length)
{
    int fd = open(path, O_WRONLY | O_APPEND);
    memset(piece, (int)below(255) + 1, length);
    check(fd >= 0 && write(fd, piece, length) == (ssize_t)length, "append");
    written(size, length);
    close(fd);
}

static void read_piece(int fd, size_t at, size_t length)
{
    size_t there = at >= size ? 0 : size - at < length ? size - at : length;
    check(pread(fd, piece, length, (off_t)at) == (ssize_t)there, "pread: length");
    check(memcmp(piece, model + at, there) == 0, "pread: bytes");
}

static void cut(int fd, size_t to)
{
    check(ftruncate(fd, (off_t)to) == 0, "ftruncate");
    if (to < size)
        memset(model + to, 0, size - to);
    size = to;
}

/* Through memory: what was mapped is what is read, and what is stored there is what is read by others. */
static void map_piece(int fd, size_t at, size_t length, int store)
{
    if (at >= size)
        return;
    if (length > size - at)
        length = size - at;
    size_t start = at / 4096 * 4096;
    uint8_t *memory = mmap(NULL, at - start + length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)start);
    check(memory != MAP_FAILED, "mmap");
    check(memcmp(memory + (at - start), model + at, length) == 0, "mmap: bytes");
    if (store) {
        memset(piece, (int)below(255) + 1, length);
        memcpy(memory + (at - start), piece, length);
        memcpy(model + at, piece, length);
        if (below(2) == 0)
            check(msync(memory, at - start + length, MS_SYNC) == 0, "msync");
    }
    check(munmap(memory, at - start + length) == 0, "munmap");
}

static void operate(int *fd)
{
    struct stat seen;
    size_t at = below(SIZE_MAX_BYTES - PIECE_MAX);
    size_t length = below(PIECE_MAX - 1) + 1;
    switch (below(9)) {
    case 0:
    case 1:
        write_piece(*fd, at, length);
        break;
    case 2:
    case 3:
        read_piece(*fd, at, length);
        break;
    case 4:
        cut(*fd, at);
        break;
    case 5:
        map_piece(*fd, at, length, 0);
        break;
    case 6:
        map_piece(*fd, at, length, 1);
        break;
    case 7:
        if (size + length <= SIZE_MAX_BYTES)
            append_piece(length);
        break;
    case 8:
        close(*fd);
        *fd = open(path, O_RDWR);
        check(*fd >= 0, "open");
        break;
    }
    check(fstat(*fd, &seen) == 0 && (size_t)seen.st_size == size, "the size");
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    path = argv[1];
    unsigned long first = strtoul(argv[2], NULL, 10);
    unsigned long seeds = strtoul(argv[3], NULL, 10);
    unsigned long operations = strtoul(argv[4], NULL, 10);
    for (seed = first; seed < first + seeds; seed++) {
        state = seed;
        size = 0;
        memset(model, 0, sizeof model);
        int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
        check(fd >= 0, "open");
        for (step = 0; step < operations; step++)
            operate(&fd);
        read_piece(fd, 0, PIECE_MAX);
        close(fd);
    }
    printf("%lu seeds alike\n", seeds);
    return 0;
}
