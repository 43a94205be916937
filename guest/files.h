/*
 * Between the agent and its file workers. A worker is a process with the container's file systems that does what may block, one request
 * at a time: a FIFO nobody writes to, or a volume that does not answer, holds up nobody but who asked.
 */
#ifndef FILES_H
#define FILES_H

#include <stdint.h>

#include "portal_messages.h"

/* A message is one packet of a socket: this, then the payload. */
struct file_message {
    /* Towards a worker one of the kinds below, from it a type of frame, which goes to the host as it is. */
    uint8_t kind;
    uint8_t flags;
    /* Keeps the payload aligned. */
    uint8_t reserved[6];
};

/* Small enough that the kernel finds the memory for a packet also when its memory is in pieces. */
#define FILE_PAYLOAD_MAX (64 * 1024)

enum file_message_kind { FILE_REQUEST, FILE_CONTENT, FILE_END, FILE_CONTROL };

/* The request is done: the stream ends behind this message. So it does behind a REJECT or a RESET. */
#define FILE_LAST 1
/* The worker ends, too, and takes no further request. */
#define FILE_LEAVES 2

/* What a worker does with its life, from fork() on. */
_Noreturn void file_worker(int socket);

#endif
