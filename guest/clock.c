/* The guest's clock, which the host sets: a machine that sleeps does not notice. */
#include "clock.h"

#include <stdlib.h>
#include <time.h>

#include "agent.h"

/* What a message may be late by, and what programs do not notice. Below, time does not jump. */
#define TOLERANCE_MS 100

void clock_set(int64_t milliseconds)
{
    struct timespec now;
    struct timespec set = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000};
    if (milliseconds <= 0 || clock_gettime(CLOCK_REALTIME, &now) != 0)
        return;
    if (llabs((long long)now.tv_sec * 1000 + now.tv_nsec / 1000000 - milliseconds) > TOLERANCE_MS)
        clock_settime(CLOCK_REALTIME, &set);
}

void clock_open(uint32_t id, const struct json *request)
{
    clock_set(json_number(request, "time", 0));
    wire_send_json(&agent.wire, FRAME_ACCEPT, id, 0, "{}");
    wire_send(&agent.wire, FRAME_END, id, FLAG_FINAL, NULL, 0);
}
