/*
 * Stands in for an agent with two volumes: on the first it sends what is no FUSE, on the second, once the host has given up
 * the first, a request of a kernel. GARBAGE chooses what is sent.
 */
#include "guest.h"

#define GETATTR_BYTES 56
#define FUSE_GETATTR 3
#define ROOT_NODE 1

static void send_garbage(int wire, uint32_t stream)
{
    uint8_t bytes[4096];
    uint32_t state = 1;
    for (size_t i = 0; i < sizeof bytes; i++) {
        state = state * 1664525 + 1013904223;
        bytes[i] = (uint8_t)(state >> 24);
    }
#if GARBAGE == 1 /* a length that no request has */
    put_u32(bytes, 0x7fffffff);
#elif GARBAGE == 2 /* the right length, and nothing else */
    put_u32(bytes, sizeof bytes);
    put_u32(bytes + 4, FUSE_GETATTR);
#elif GARBAGE == 3 /* LOOKUP of a way out */
    static const char name[] = "../../secret";
    memset(bytes, 0, sizeof bytes);
    put_u32(bytes, 40 + sizeof name);
    put_u32(bytes + 4, 1);
    put_u32(bytes + 8, 7);
    put_u32(bytes + 16, ROOT_NODE);
    memcpy(bytes + 40, name, sizeof name);
#endif
    send_frame(wire, stream, FRAME_DATA, bytes, sizeof bytes);
}

static void wait_for_reset(int wire, uint32_t wanted)
{
    static uint8_t payload[FRAME_BYTES_MAX];
    uint8_t header[HEADER_BYTES];
    uint32_t stream;
    do {
        read_bytes(wire, header, sizeof header);
        stream = header[0] | (uint32_t)header[1] << 8;
        read_bytes(wire, payload, header[4] | (uint32_t)header[5] << 8 | (uint32_t)header[6] << 16);
    } while (header[8] != FRAME_RESET || stream != wanted);
}

int main(void)
{
    uint8_t request[GETATTR_BYTES] = {0};
    int wire = start_guest("volumes");
    say_hello(wire);
    uint32_t first = wait_for_open(wire);
    uint32_t second = wait_for_open(wire);
    send_json(wire, first, FRAME_ACCEPT, "{\"uid\":0,\"gid\":0}");
    send_json(wire, second, FRAME_ACCEPT, "{\"uid\":0,\"gid\":0}");
    send_garbage(wire, first);
    wait_for_reset(wire, first);
    put_u32(request, sizeof request);
    put_u32(request + 4, FUSE_GETATTR);
    put_u32(request + 8, 9);
    put_u32(request + 16, ROOT_NODE);
    send_frame(wire, second, FRAME_DATA, request, sizeof request);
    stay();
}
