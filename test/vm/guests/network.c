/* A program for boxes: what a shell cannot do with sockets. Prints what became of it, and ends with 0 if it was right. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BLOCK_BYTES (256 * 1024)
#define WORDS (BLOCK_BYTES / 4)
#define DATAGRAM_BYTES_MAX 65507

static uint32_t block[WORDS];

static _Noreturn void fail(const char *what)
{
    printf("%s: %s\n", what, strerror(errno));
    exit(1);
}

static int open_socket(int type, const char *address, const char *port)
{
    const struct addrinfo hints = {.ai_socktype = type, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *found;
    if (getaddrinfo(address, port, &hints, &found) != 0)
        fail("address");
    int fd = socket(found->ai_family, type, 0);
    if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) != 0)
        fail("connect");
    freeaddrinfo(found);
    return fd;
}

/* Connects to whoever does not answer, and gives up after two attempts; the kernel's own patience is two minutes. */
static void run_unanswered(const char *address, const char *port)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *found;
    int attempts = 1;
    if (getaddrinfo(address, port, &hints, &found) != 0)
        fail("address");
    int fd = socket(found->ai_family, SOCK_STREAM, 0);
    setsockopt(fd, IPPROTO_TCP, TCP_SYNCNT, &attempts, sizeof attempts);
    if (connect(fd, found->ai_addr, found->ai_addrlen) != 0)
        fail("connect");
    printf("connected\n");
}

/* Every word of the stream is its own index, so that nothing can be missing or misplaced unseen. */
static void fill_block(uint32_t first)
{
    for (uint32_t i = 0; i < WORDS; i++)
        block[i] = first + i;
}

static void send_all(int fd, const void *bytes, size_t length)
{
    for (size_t sent = 0; sent < length;) {
        ssize_t some = write(fd, (const char *)bytes + sent, length - sent);
        if (some <= 0)
            fail("write");
        sent += (size_t)some;
    }
}

static size_t receive_block(int fd)
{
    size_t got = 0;
    while (got < BLOCK_BYTES) {
        ssize_t some = read(fd, (char *)block + got, BLOCK_BYTES - got);
        if (some < 0)
            fail("read");
        if (some == 0)
            break;
        got += (size_t)some;
    }
    return got;
}

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1000 + (double)now.tv_nsec / 1e6;
}

/* Sends blocks, and waits for the end of the other side. */
static void run_send(int fd, uint32_t blocks)
{
    for (uint32_t i = 0; i < blocks; i++) {
        fill_block(i * WORDS);
        send_all(fd, block, BLOCK_BYTES);
    }
    shutdown(fd, SHUT_WR);
    if (receive_block(fd) != 0)
        fail("an answer that is none");
    printf("sent %u\n", blocks);
}

static void run_receive(int fd)
{
    uint32_t index = 0;
    size_t got;
    while ((got = receive_block(fd)) > 0)
        for (size_t i = 0; i < got / 4; i++)
            if (block[i] != index++)
                fail("a word out of place");
    printf("received %u\n", index * 4);
}

/* The same without a look at the words, for those who measure: whoever sends is told in a line how many MiB. */
static void run_pour(int fd, int mebibytes)
{
    for (long left = (long)mebibytes * 1024 * 1024; left > 0; left -= BLOCK_BYTES)
        send_all(fd, block, BLOCK_BYTES);
    shutdown(fd, SHUT_WR);
    receive_block(fd);
}

static void run_drink(int fd, const char *mebibytes)
{
    send_all(fd, mebibytes, strlen(mebibytes));
    while (receive_block(fd) == BLOCK_BYTES)
        continue;
}

/* Connections that are all open before the first of them speaks. */
static void run_many(const char *address, const char *port, int count)
{
    static int fds[4096];
    const struct rlimit limit = {.rlim_cur = 4096, .rlim_max = 4096};
    setrlimit(RLIMIT_NOFILE, &limit);
    for (int i = 0; i < count; i++)
        fds[i] = open_socket(SOCK_STREAM, address, port);
    for (uint32_t i = 0; i < (uint32_t)count; i++)
        send_all(fds[i], &i, sizeof i);
    for (uint32_t i = 0; i < (uint32_t)count; i++) {
        uint32_t echo;
        if (read(fds[i], &echo, sizeof echo) != sizeof echo || echo != i)
            fail("echo");
        close(fds[i]);
    }
    printf("echoed %d\n", count);
}

/* One datagram there and back. */
static void run_datagram(int fd, size_t size)
{
    static uint8_t sent[DATAGRAM_BYTES_MAX], got[DATAGRAM_BYTES_MAX];
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    for (size_t i = 0; i < size; i++)
        sent[i] = (uint8_t)(i * 7);
    /* The first may find the port open that is not: the refusal comes with the second. */
    for (int attempt = 0; attempt < 2; attempt++) {
        if (send(fd, sent, size, 0) != (ssize_t)size)
            fail("send");
        if (poll(&readable, 1, 2000) == 0)
            continue;
        ssize_t length = recv(fd, got, sizeof got, 0);
        if (length < 0)
            fail("recv");
        if ((size_t)length != size || memcmp(sent, got, size) != 0)
            fail("another datagram");
        printf("echoed %zd\n", length);
        return;
    }
    printf("no answer\n");
    exit(1);
}

static void run_reset(int fd)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    send_all(fd, "x", 1);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    printf("reset %d\n", close(fd));
}

/* Says something, and reads until the other side resets. */
static void run_be_reset(int fd)
{
    char byte;
    send_all(fd, "x", 1);
    ssize_t got = read(fd, &byte, 1);
    printf("read %zd: %s\n", got, got < 0 ? strerror(errno) : "an end");
}

static int compare(const void *one, const void *other)
{
    double difference = *(const double *)one - *(const double *)other;
    return difference < 0 ? -1 : difference > 0;
}

/* Connects, asks and reads to the end, again and again; prints each one's time in ms. */
static void run_exchanges(const char *address, const char *port, int count)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: host\r\nConnection: close\r\n\r\n";
    static double times[10000];
    for (int i = 0; i < count; i++) {
        double started = now_ms();
        int fd = open_socket(SOCK_STREAM, address, port);
        send_all(fd, request, sizeof request - 1);
        if (receive_block(fd) == 0)
            fail("an empty answer");
        close(fd);
        times[i] = now_ms() - started;
    }
    qsort(times, (size_t)count, sizeof *times, compare);
    printf("p50 %.3f p90 %.3f\n", times[count / 2], times[count * 9 / 10]);
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    const char *what = argv[1], *address = argv[2], *port = argv[3];
    int number = argc > 4 ? atoi(argv[4]) : 0;
    if (strcmp(what, "many") == 0)
        run_many(address, port, number);
    else if (strcmp(what, "unanswered") == 0)
        run_unanswered(address, port);
    else if (strcmp(what, "exchanges") == 0)
        run_exchanges(address, port, number);
    else if (strcmp(what, "datagram") == 0)
        run_datagram(open_socket(SOCK_DGRAM, address, port), (size_t)number);
    else if (strcmp(what, "send") == 0)
        run_send(open_socket(SOCK_STREAM, address, port), (uint32_t)number * 4);
    else if (strcmp(what, "receive") == 0)
        run_receive(open_socket(SOCK_STREAM, address, port));
    else if (strcmp(what, "pour") == 0)
        run_pour(open_socket(SOCK_STREAM, address, port), number);
    else if (strcmp(what, "drink") == 0)
        run_drink(open_socket(SOCK_STREAM, address, port), argv[4]);
    else if (strcmp(what, "reset") == 0)
        run_reset(open_socket(SOCK_STREAM, address, port));
    else if (strcmp(what, "be-reset") == 0)
        run_be_reset(open_socket(SOCK_STREAM, address, port));
    else
        return 2;
    return 0;
}
