/*
 * Mounting the disks is half of what a start takes in the guest, and needs nothing of the host's but their names, which
 * the kernel's command line has. So a thread does it, on a second processor if there is one, while the agent opens the
 * wire, makes control groups and the network. The C library does not know of it: see clone_thread().
 */
#include "disks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "clone.h"
#include "mount_step.h"
#include "power.h"

#define STACK_BYTES (8 * 1024)
/* From linux/futex.h, which a C library of its own does not bring. */
#define FUTEX_WAIT_PRIVATE 128
#define FUTEX_WAKE_PRIVATE 129
/* Inodes are set up when they are first used; zeroing their tables in the background would fill the sparse file. */
#define DISK_OPTIONS "noinit_itable,errors=remount-ro"
#define OVERLAY_OPTIONS "lowerdir=/image,upperdir=/disk/upper,workdir=/disk/work"
#define UPPER "/disk/upper"
#define WORK "/disk/work"
/* How long is waited for a device that modules find in the background. */
#define DEVICE_WAIT_MS 10000
#define DEVICE_RETRY_MS 2

/* The directories are made by the initramfs, so that no system call is spent on them. */
static struct mount_step image_step = {NULL, "/image", "erofs", MS_RDONLY | MS_NODEV, NULL};
static struct mount_step disk_step = {NULL, "/disk", "ext4", MS_NODEV | MS_NOATIME, DISK_OPTIONS};
static const struct mount_step overlay_step = {"overlay", "/root", "overlay", MS_NODEV, OVERLAY_OPTIONS};

static _Alignas(16) unsigned char stack[STACK_BYTES];
/* 1 once the thread has ended its work; a futex. */
static volatile int done;
static const struct mount_step *failed;
/* Why, as the kernel says it: an errno below zero. */
static long reason;

static long try_mount(const struct mount_step *step)
{
    const long arguments[5] = {(long)step->source, (long)step->target, (long)step->type, (long)step->flags,
                               (long)step->options};
    return clone_call(SYS_mount, arguments);
}

static long mount_disk(const struct mount_step *step)
{
    static const struct timespec pause = {.tv_nsec = DEVICE_RETRY_MS * 1000000L};
    const long pausing[5] = {(long)&pause};
    long result = try_mount(step);
    for (int waited = 0; (result == -ENOENT || result == -ENXIO) && waited < DEVICE_WAIT_MS; waited += DEVICE_RETRY_MS) {
        clone_call(SYS_nanosleep, pausing);
        result = try_mount(step);
    }
    return result;
}

static long mount_overlay(const struct mount_step *step)
{
    const long upper[5] = {AT_FDCWD, (long)UPPER, 0755};
    const long work[5] = {AT_FDCWD, (long)WORK, 0755};
    long result = try_mount(step);
    if (result != -ENOENT)
        return result;
    /* A disk from before they were part of every new one. */
    clone_call(SYS_mkdirat, upper);
    clone_call(SYS_mkdirat, work);
    return try_mount(step);
}

static int mounted(const struct mount_step *step, long (*how)(const struct mount_step *))
{
    long result = how(step);
    if (result == 0)
        return 1;
    failed = step;
    reason = result;
    return 0;
}

static void run(void *nothing)
{
    (void)nothing;
    const long waking[5] = {(long)&done, FUTEX_WAKE_PRIVATE, 1};
    const long status[5] = {0};
    if (mounted(&image_step, mount_disk) && mounted(&disk_step, mount_disk))
        mounted(&overlay_step, mount_overlay);
    __atomic_store_n(&done, 1, __ATOMIC_RELEASE);
    clone_call(SYS_futex, waking);
    clone_call(SYS_exit, status);
}

void disks_place(void)
{
    /* So that what is mounted there later on appears in the container, whose namespace is made meanwhile. */
    if (mount("/root", "/root", NULL, MS_BIND, NULL) != 0 || mount(NULL, "/root", NULL, MS_SHARED, NULL) != 0)
        die("cannot share the place of the root");
}

void disks_begin(const char *image, const char *disk)
{
    if (image == NULL || disk == NULL)
        return;
    image_step.source = image;
    disk_step.source = disk;
    if (clone_thread(stack, sizeof stack, run) != 0)
        die("cannot make a thread that mounts the disks");
}

int disks_wait(char *message, size_t size)
{
    if (image_step.source == NULL) {
        snprintf(message, size, "there are no disks: BOXLITE_IMAGE and BOXLITE_DISK are not set");
        return -1;
    }
    while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE))
        syscall(SYS_futex, &done, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    if (failed == NULL)
        return 0;
    snprintf(message, size, "cannot mount %s at %s: %s", failed->source, failed->target, strerror((int)-reason));
    return -1;
}
