/* Bytes on their way to a descriptor that does not block: what it does not take at once waits here. */
#ifndef OUTLET_H
#define OUTLET_H

#include <stddef.h>
#include <stdint.h>

struct outlet {
    /* Bytes that wait: queue[start..end). */
    uint8_t *queue;
    size_t start;
    size_t end;
    size_t capacity;
};

/* Bytes that wait. */
size_t outlet_waiting(const struct outlet *outlet);

/* Writes what the descriptor takes now, of what waits first. Returns the bytes that left, or -1 with errno. */
long outlet_flush(struct outlet *outlet, int fd);

/* Writes `bytes` or makes them wait, as all of them do while the descriptor is -1. Returns the bytes that left, or -1
 * with errno: ENOMEM if they have no room. */
long outlet_write(struct outlet *outlet, int fd, const uint8_t *bytes, size_t length);

/* Forgets what waits. */
void outlet_clear(struct outlet *outlet);

#endif
