/* Sends what is no portal, for ever. */
#include "guest.h"

int main(void)
{
    uint32_t noise[4096];
    uint32_t state = 1;
    int wire = start_guest("garbage");
    for (;;) {
        for (size_t i = 0; i < sizeof noise / sizeof *noise; i++) {
            state = state * 1664525 + 1013904223;
            noise[i] = state;
        }
        send_bytes(wire, noise, sizeof noise);
    }
}
