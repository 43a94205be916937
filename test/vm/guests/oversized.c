/* Says hello with a frame that is longer than any may be. */
#include "guest.h"

int main(void)
{
    static const uint8_t magic[] = HELLO_MAGIC;
    uint8_t header[HEADER_BYTES] = {0};
    int wire = start_guest("oversized");
    put_u32(header + 4, sizeof magic);
    header[8] = FRAME_HELLO;
    /* A hello that is one, and no JSON follows. */
    send_bytes(wire, header, sizeof header);
    send_bytes(wire, magic, sizeof magic);
    put_u32(header + 4, UINT32_MAX);
    send_bytes(wire, header, sizeof header);
    stay();
}
