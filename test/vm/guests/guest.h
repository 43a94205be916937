/* What every stand-in for the agent needs: modules in, the wire open, frames out. */
#ifndef GUEST_H
#define GUEST_H

#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "portal_messages.h"

#define RETRY_US 2000
#define RETRIES 5000

static inline void insert_modules(void)
{
    char path[32];
    int fd;
    for (int i = 0; snprintf(path, sizeof path, "/modules/%d", i), (fd = open(path, O_RDONLY)) >= 0; i++) {
        syscall(SYS_finit_module, fd, "", 0);
        close(fd);
    }
}

/* The wire, open and raw. Says on the console that this is no agent. */
static inline int start_guest(const char *name)
{
    struct termios termios;
    int wire = -1;
    mount("dev", "/dev", "devtmpfs", 0, NULL);
    insert_modules();
    for (int i = 0; wire < 0 && i < RETRIES; i++, usleep(RETRY_US))
        wire = open(getenv("BOXLITE_WIRE"), O_RDWR | O_NOCTTY);
    if (tcgetattr(wire, &termios) == 0) {
        cfmakeraw(&termios);
        tcsetattr(wire, TCSANOW, &termios);
    }
    dprintf(STDERR_FILENO, "stand-in: %s\n", name);
    return wire;
}

static inline _Noreturn void stay(void)
{
    for (;;)
        pause();
}

/* A host that has hung up ends it. */
static inline void send_bytes(int wire, const void *bytes, size_t length)
{
    const uint8_t *at = bytes;
    while (length > 0) {
        ssize_t written = write(wire, at, length);
        if (written <= 0)
            stay();
        at += written;
        length -= (size_t)written;
    }
}

static inline void put_u32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

static inline void send_frame(int wire, uint32_t stream, uint8_t type, const void *payload, uint32_t length)
{
    uint8_t header[HEADER_BYTES] = {0};
    put_u32(header, stream);
    put_u32(header + 4, length);
    header[8] = type;
    send_bytes(wire, header, sizeof header);
    send_bytes(wire, payload, length);
}

static inline void send_json(int wire, uint32_t stream, uint8_t type, const char *json)
{
    send_frame(wire, stream, type, json, (uint32_t)strlen(json));
}

static inline void say_hello(int wire)
{
    static const char hello[] = "\x89\x42\x58\x4c\x0d\x0a\x1a\x0a"
                                "{\"min\":1,\"max\":1,\"window\":65536,\"build\":\"stand-in\"}";
    send_frame(wire, 0, FRAME_HELLO, hello, sizeof hello - 1);
}

static inline void read_bytes(int wire, void *bytes, size_t length)
{
    uint8_t *at = bytes;
    while (length > 0) {
        ssize_t got = read(wire, at, length);
        if (got <= 0)
            stay();
        at += got;
        length -= (size_t)got;
    }
}

/* Reads frames until the host opens a stream; returns its number. */
static inline uint32_t wait_for_open(int wire)
{
    static uint8_t payload[FRAME_BYTES_MAX];
    uint8_t header[HEADER_BYTES];
    for (;;) {
        read_bytes(wire, header, sizeof header);
        uint32_t stream = header[0] | (uint32_t)header[1] << 8;
        uint32_t length = header[4] | (uint32_t)header[5] << 8 | (uint32_t)header[6] << 16;
        read_bytes(wire, payload, length);
        if (header[8] == FRAME_OPEN)
            return stream;
    }
}

#endif
