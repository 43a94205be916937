/* From an initramfs to a box: modules, the clock, the random pool, the container; and back. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"
#include "clock.h"
#include "container.h"
#include "disks.h"
#include "power.h"
#include "process.h"

/* From linux/module.h: the file is compressed, and the kernel unpacks it. */
#define MODULE_COMPRESSED 4
#define MODULES_MAX 64
#define SEED_BYTES 32
/* From linux/random.h, which a C library of its own does not bring. */
#define RNDADDENTROPY _IOW('R', 0x03, int[2])
#define RNDRESEEDCRNG _IO('R', 0x07)

/* Why there can be no container; empty if there can. */
static char no_container[256];
/* Nothing more can be done for the container until the host asks for the boot. */
static int settled;

void boot_modules(void)
{
    char path[32];
    for (int i = 0; i < MODULES_MAX; i++) {
        snprintf(path, sizeof path, "/modules/%d", i);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return;
        if (syscall(SYS_finit_module, fd, "", 0) != 0 && errno != EEXIST &&
            syscall(SYS_finit_module, fd, "", MODULE_COMPRESSED) != 0)
            die("cannot insert module %d", i);
        close(fd);
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * Feeds the host's random bytes to the kernel, as bytes that count: without them getrandom() may block. They are used at
 * once: a kernel that has drawn before, as one from a snapshot may have, would go on for a while as all others from it do.
 */
static void add_entropy(const char *hex)
{
    struct {
        int entropy_count;
        int buf_size;
        unsigned char bytes[SEED_BYTES];
    } seed = {.entropy_count = SEED_BYTES * 8, .buf_size = SEED_BYTES};
    if (strlen(hex) != SEED_BYTES * 2)
        return;
    for (int i = 0; i < SEED_BYTES; i++)
        seed.bytes[i] = (unsigned char)(hex_digit(hex[2 * i]) * 16 + hex_digit(hex[2 * i + 1]));
    int fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    ioctl(fd, RNDADDENTROPY, &seed);
    ioctl(fd, RNDRESEEDCRNG);
    close(fd);
}

static void bring_loopback_up(void)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    ioctl(fd, SIOCSIFFLAGS, &request);
    close(fd);
}

void boot_prepare(void)
{
    container_prepare(no_container, sizeof no_container);
    bring_loopback_up();
}

void boot_settle(void)
{
    char message[sizeof no_container];
    if (no_container[0] != 0)
        return;
    settled = container_settle(message, sizeof message) == 0;
    if (!settled)
        memcpy(no_container, message, sizeof message);
    container_forget_time();
}

void boot_open(uint32_t id, const struct json *request)
{
    char message[512];
    const char *hostname = json_text(request, "hostname", "box");
    if (agent.booted) {
        reject(id, "invalid", "the box has booted already");
        return;
    }
    if (no_container[0] != 0) {
        reject(id, "container", no_container);
        return;
    }
    clock_set(json_number(request, "time", 0));
    add_entropy(json_text(request, "seed", ""));
    if (!settled && container_settle(message, sizeof message) != 0) {
        reject(id, "container", message);
        return;
    }
    if (disks_wait(message, sizeof message) != 0) {
        reject(id, "mount", message);
        return;
    }
    if (container_start(hostname, json_get(request, "files"), message, sizeof message) != 0) {
        reject(id, "container", message);
        return;
    }
    agent.booted = 1;
    wire_send_json(&agent.wire, FRAME_ACCEPT, id, 0, "{\"containerUs\":%" PRIu64 "}", container_taken_us());
    wire_send(&agent.wire, FRAME_END, id, FLAG_FINAL, NULL, 0);
}

void boot_undo(void)
{
    int status;
    pid_t pid;
    /* A process that waits for a volume does not end, and from here on nobody passes its answers on. */
    volumes_abort();
    kill_everything();
    /* Whoever waits for a command learns that it was killed. */
    while ((pid = waitpid(-1, &status, 0)) > 0 || errno == EINTR)
        if (pid > 0)
            exec_reaped(pid, status);
    if (!agent.booted)
        return;
    umount2("/root", MNT_DETACH);
    if (umount2("/disk", 0) != 0) {
        sync();
        mount(NULL, "/disk", NULL, MS_REMOUNT | MS_RDONLY, NULL);
    }
}

/* Processes with volumes may have something to write there before they can end, which takes the agent's loop. */
void shutdown_open(uint32_t id)
{
    agent.ending = id;
    if (volumes_any())
        kill_everything();
}

void shutdown_if_ended(void)
{
    uint32_t id = agent.ending;
    /* Leaves whoever has ended to be reaped. */
    siginfo_t info;
    if (volumes_any() && (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD))
        return;
    boot_undo();
    wire_send_json(&agent.wire, FRAME_ACCEPT, id, 0, "{}");
    wire_send(&agent.wire, FRAME_END, id, FLAG_FINAL, NULL, 0);
    wire_drain(&agent.wire);
    power_off();
}
