/* Becomes a box, says why it cannot go on, and ends. */
#include <stdio.h>
#include <sys/reboot.h>

#include "guest.h"

int main(void)
{
    int wire = start_guest("dies");
    say_hello(wire);
    wait_for_open(wire);
    dprintf(STDERR_FILENO, "boxlite-agent: it is too cold here\n");
    const char *how = getenv("BOXLITE_END");
    reboot(how != NULL && strcmp(how, "reset") == 0 ? RB_AUTOBOOT : RB_POWER_OFF);
    stay();
}
