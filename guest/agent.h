/* The agent's state: one wire, its streams, and what the loop waits for. */
#ifndef AGENT_H
#define AGENT_H

#include <stdint.h>

#include "json.h"
#include "stream.h"
#include "wire.h"

/* Something the loop polls. Embedded in its owner, who adds and removes it. */
struct source {
    int fd;
    /* poll() events; 0 while it should be left alone. */
    short wanted;
    /* Makes DATA for the wire: left alone while the wire is blocked. */
    int feeds_wire;
    void (*ready)(struct source *source, short events);
    void *owner;
};

struct agent {
    struct wire wire;
    struct streams streams;
    /* The box's root is mounted, and commands can run. */
    int booted;
    /* The stream that asked for the end, while the box's processes still have to end; 0 otherwise. */
    uint32_t ending;
};

extern struct agent agent;

void source_add(struct source *source);
void source_remove(struct source *source);

/* Answers a request with REJECT. `message` is quoted. */
void reject(uint32_t stream, const char *code, const char *message);

/* Services, called with their OPEN request. */
void boot_open(uint32_t id, const struct json *request);
void shutdown_open(uint32_t id);
void exec_open(uint32_t id, const struct json *request);
void clock_open(uint32_t id, const struct json *request);
void files_open(uint32_t id, const struct json *request);
void dial_open(uint32_t id, const struct json *request);
void net_open(uint32_t id, const struct json *request);
void volume_open(uint32_t id, const struct json *request);

/* Whether there are volumes: what walks through the box's root may then wait for the agent. */
int volumes_any(void);
/* Gives all volumes up: whoever waits for one is told that it is gone. */
void volumes_abort(void);

/* A child ended, as waitpid() told it. */
void exec_reaped(int pid, int status);
void volumes_reaped(int pid, int status);

/* Does what can be done before the host asks for the boot. */
void boot_prepare(void);
/* And what the boot itself would begin with, for a guest of which a snapshot is made. */
void boot_settle(void);
/* Inserts the modules the initramfs brings, in their order. */
void boot_modules(void);
/* Ends all processes and leaves the disks clean. */
void boot_undo(void);
/* What has been asked for happens as soon as no process is left. */
void shutdown_if_ended(void);

#endif
