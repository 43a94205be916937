/* Accepts what it is asked for, and sends more than it was allowed to. */
#include "guest.h"

int main(void)
{
    static uint8_t piece[FRAME_BYTES_MAX];
    int wire = start_guest("data");
    say_hello(wire);
    uint32_t stream = wait_for_open(wire);
    send_json(wire, stream, FRAME_ACCEPT, "{}");
    for (;;)
        send_frame(wire, stream, FRAME_DATA, piece, sizeof piece);
}
