/*
 * Gives the guest that the box will be in QEMU's own network, and becomes the agent. The agent inserts the same modules
 * once more, which is no mistake of its.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../test/vm/guests/guest.h"

static struct ifreq interface_with(const char *address)
{
    struct ifreq request = {.ifr_name = "eth0"};
    struct sockaddr_in *in = (struct sockaddr_in *)&request.ifr_addr;
    in->sin_family = AF_INET;
    inet_pton(AF_INET, address, &in->sin_addr);
    return request;
}

int main(int argc, char **argv)
{
    struct ifreq address = interface_with("10.0.2.15"), mask = interface_with("255.255.255.0");
    struct ifreq flags = {.ifr_name = "eth0", .ifr_flags = IFF_UP | IFF_RUNNING};
    (void)argc;
    insert_modules();
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (ioctl(fd, SIOCSIFADDR, &address) != 0 || ioctl(fd, SIOCSIFNETMASK, &mask) != 0 ||
        ioctl(fd, SIOCSIFFLAGS, &flags) != 0)
        dprintf(STDERR_FILENO, "slirp-init: no eth0: %s\n", strerror(errno));
    close(fd);
    execv("/agent", argv);
    return 1;
}
