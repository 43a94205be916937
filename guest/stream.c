#include "stream.h"

struct stream *streams_find(struct streams *streams, uint32_t id)
{
    for (size_t i = 0; i < streams->count; i++)
        if (streams->open[i]->id == id)
            return streams->open[i];
    return NULL;
}

int streams_add(struct streams *streams, struct stream *stream, uint32_t id)
{
    if (streams->count == STREAMS_MAX)
        return -1;
    stream->id = id;
    stream->credit = streams->window;
    stream->in_credit = GUEST_WINDOW_BYTES;
    stream->owed = 0;
    streams->open[streams->count++] = stream;
    return 0;
}

void streams_remove(struct streams *streams, struct stream *stream)
{
    for (size_t i = 0; i < streams->count; i++) {
        if (streams->open[i] == stream) {
            streams->open[i] = streams->open[--streams->count];
            return;
        }
    }
}

int stream_arrived(struct stream *stream, size_t length)
{
    if (length > stream->in_credit)
        return -1;
    stream->in_credit -= (uint32_t)length;
    return 0;
}

uint32_t stream_used(struct stream *stream, size_t length)
{
    stream->owed += (uint32_t)length;
    if (stream->owed < GUEST_WINDOW_BYTES / 2)
        return 0;
    uint32_t credit = stream->owed;
    stream->owed = 0;
    stream->in_credit += credit;
    return credit;
}
