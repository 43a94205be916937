/* Asks for stream after stream. */
#include "guest.h"

int main(void)
{
    int wire = start_guest("opens");
    say_hello(wire);
    for (uint32_t stream = 2;; stream += 2)
        send_json(wire, stream, FRAME_OPEN, "{\"service\":\"exec\"}");
}
