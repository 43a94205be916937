/* The least a guest can do: it says that it is up, and ends the way its machine ends. */
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

int main(void)
{
    static const char up[] = "bare: up\n";
    if (write(STDOUT_FILENO, up, sizeof up - 1) < 0)
        return 1;
    const char *how = getenv("BOXLITE_END");
    reboot(how != NULL && strcmp(how, "reset") == 0 ? RB_AUTOBOOT : RB_POWER_OFF);
    return 1;
}
