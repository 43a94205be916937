/* Sends for a stream that nobody has opened. */
#include "guest.h"

int main(void)
{
    int wire = start_guest("strangers");
    say_hello(wire);
    for (;;)
        send_json(wire, 77, FRAME_CONTROL, "{\"exit\":{\"code\":0}}");
}
