/* Asks for answers and reads none. */
#include "guest.h"

int main(void)
{
    static uint8_t pings[4096 * (HEADER_BYTES + 8)];
    int wire = start_guest("pings");
    say_hello(wire);
    for (size_t i = 0; i < sizeof pings; i += HEADER_BYTES + 8) {
        pings[i + 4] = 8;
        pings[i + 8] = FRAME_PING;
    }
    for (;;)
        send_bytes(wire, pings, sizeof pings);
}
