#include "power.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

_Noreturn void power_off(void)
{
    sync();
    /* Machines without a power switch end by a reset, which their VMM takes for an exit. */
    const char *how = getenv("BOXLITE_END");
    reboot(how != NULL && strcmp(how, "reset") == 0 ? RB_AUTOBOOT : RB_POWER_OFF);
    for (;;)
        pause();
}

_Noreturn void die(const char *format, ...)
{
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    dprintf(STDERR_FILENO, "boxlite-agent: %s: %m\n", message);
    power_off();
}
