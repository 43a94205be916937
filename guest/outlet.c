#include "outlet.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

size_t outlet_waiting(const struct outlet *outlet)
{
    return outlet->end - outlet->start;
}

/* The bytes that the descriptor takes now, or -1. */
static long write_some(int fd, const uint8_t *bytes, size_t length)
{
    size_t written = 0;
    while (written < length) {
        ssize_t some = write(fd, bytes + written, length - written);
        if (some >= 0)
            written += (size_t)some;
        else if (errno == EAGAIN)
            break;
        else if (errno != EINTR)
            return -1;
    }
    return (long)written;
}

static int make_room(struct outlet *outlet, size_t length)
{
    size_t waiting = outlet_waiting(outlet);
    if (waiting + length > outlet->capacity) {
        uint8_t *grown = realloc(outlet->queue, waiting + length);
        if (grown == NULL)
            return -1;
        outlet->queue = grown;
        outlet->capacity = waiting + length;
    }
    if (outlet->end + length > outlet->capacity) {
        memmove(outlet->queue, outlet->queue + outlet->start, waiting);
        outlet->start = 0;
        outlet->end = waiting;
    }
    return 0;
}

long outlet_flush(struct outlet *outlet, int fd)
{
    long written = write_some(fd, outlet->queue + outlet->start, outlet_waiting(outlet));
    if (written < 0)
        return -1;
    outlet->start += (size_t)written;
    /* Whoever was slow once need not be so again: an idle connection holds no memory. */
    if (outlet->start == outlet->end)
        outlet_clear(outlet);
    return written;
}

long outlet_write(struct outlet *outlet, int fd, const uint8_t *bytes, size_t length)
{
    long written = fd < 0 || outlet_waiting(outlet) > 0 ? 0 : write_some(fd, bytes, length);
    if (written < 0)
        return -1;
    size_t left = length - (size_t)written;
    if (left == 0)
        return written;
    if (make_room(outlet, left) != 0) {
        errno = ENOMEM;
        return -1;
    }
    memcpy(outlet->queue + outlet->end, bytes + written, left);
    outlet->end += left;
    return written;
}

void outlet_clear(struct outlet *outlet)
{
    free(outlet->queue);
    *outlet = (struct outlet){0};
}
