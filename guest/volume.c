/*
 * Volumes: file systems that the host answers for. The agent mounts FUSE in the container, and passes the kernel's
 * requests to the host and the host's replies to the kernel, as they are. It looks into neither but for their length.
 *
 * The agent must never touch a volume itself: it would wait for an answer that only it could pass on. It does not see
 * them, and what may walk through one is done by a child it does not wait for: the mounts, and starting commands (exec.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"
#include "container.h"
#include "directories.h"
#include "power.h"
#include "process.h"
#include "user.h"

/* The length, which both begin with, and the number of the operation or of the error behind it. */
#define REPLY_HEADER_BYTES 16
#define OPERATION_AT 4
/* The number that a reply repeats. */
#define REQUEST_AT 8
/* Operations that have no reply. From linux/fuse.h. */
#define FUSE_FORGET 2
#define FUSE_INTERRUPT 36
#define FUSE_BATCH_FORGET 42

/* From linux/stat.h, which a C library of its own does not bring: struct statx in words, and where the device stands. */
#define STATX_DONT_SYNC 0x4000
#define STATX_WORDS 64
#define STATX_DEVICE 34

#define FLAGS (MS_NOSUID | MS_NODEV)
#define QUIET (MS_NOSUID | MS_NODEV | MS_NOEXEC)
#define PATH_BYTES 4096
/* What the host's READAHEAD_BYTES are, for who sets it. */
#define READ_AHEAD_KB "1024"

enum volume_state { VOLUME_WAITING, VOLUME_MOUNTING, VOLUME_SERVING };

struct volume {
    struct stream stream;
    /* /dev/fuse. */
    struct source source;
    enum volume_state state;
    char path[PATH_BYTES];
    int directory;
    int read_only;
    struct user user;
    /* The child that mounts it. */
    pid_t pid;
    /* Requests that the host has and has not answered. */
    long unanswered;
    /* A reply of which only the beginning has arrived. */
    uint8_t *reply;
    size_t reply_length;
    struct volume *next;
};

/* In the order in which they are mounted. */
static struct volume *volumes;

int volumes_any(void)
{
    return volumes != NULL;
}

/* The kernel tells whoever uses the volume that it is gone. */
static void forget(struct volume *volume)
{
    struct volume **at = &volumes;
    while (*at != volume)
        at = &(*at)->next;
    *at = volume->next;
    if (volume->state == VOLUME_SERVING)
        source_remove(&volume->source);
    if (volume->stream.id != 0)
        streams_remove(&agent.streams, &volume->stream);
    close(volume->source.fd);
    free(volume->reply);
    free(volume);
}

void volumes_abort(void)
{
    while (volumes != NULL)
        forget(volumes);
}

/* --- Requests to the host ---------------------------------------------------------------------------------------- */

static void unmounted(struct volume *volume)
{
    wire_send(&agent.wire, FRAME_END, volume->stream.id, FLAG_FINAL, NULL, 0);
    forget(volume);
}

static int has_reply(uint32_t operation)
{
    return operation != FUSE_FORGET && operation != FUSE_BATCH_FORGET && operation != FUSE_INTERRUPT;
}

static void requests_ready(struct source *source, short events)
{
    struct volume *volume = source->owner;
    (void)events;
    do {
        size_t room = FRAME_BYTES_MAX;
        /* How long a request is, the kernel does not say before. */
        if (volume->stream.credit < FRAME_BYTES_MAX) {
            source->wanted = 0;
            return;
        }
        uint8_t *buffer = wire_reserve(&agent.wire, &room);
        if (buffer == NULL || room < FRAME_BYTES_MAX)
            return;
        ssize_t got = read(source->fd, buffer, FRAME_BYTES_MAX);
        if (got < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOENT))
            return;
        if (got < REPLY_HEADER_BYTES) {
            unmounted(volume);
            return;
        }
        volume->unanswered += has_reply(read_u32(buffer + OPERATION_AT));
        wire_commit(&agent.wire, FRAME_DATA, volume->stream.id, (size_t)got);
        volume->stream.credit -= (uint32_t)got;
        /* Who works alone waits for its reply; only where there are others it is worth another system call to look. */
    } while (volume->unanswered > 1);
}

static void window_grew(struct stream *stream)
{
    struct volume *volume = stream->owner;
    volume->source.wanted = POLLIN;
}

/* --- Replies from the host --------------------------------------------------------------------------------------- */

/* The number of the request is 0 if there was none, and the host tells of a change by itself. */
static int answers_request(const uint8_t *reply)
{
    return (read_u32(reply + REQUEST_AT) | read_u32(reply + REQUEST_AT + 4)) != 0;
}

/* One that cannot be delivered has nobody who waits for it: its request was given up. */
static void deliver(struct volume *volume, const uint8_t *reply, size_t length)
{
    if (answers_request(reply))
        volume->unanswered--;
    while (write(volume->source.fd, reply, length) < 0 && errno == EINTR)
        ;
}

/* Puts a reply together. Returns the bytes taken. */
static size_t collect(struct volume *volume, const uint8_t *bytes, size_t length)
{
    size_t wanted = REPLY_HEADER_BYTES;
    if (volume->reply_length >= REPLY_HEADER_BYTES)
        wanted = read_u32(volume->reply);
    size_t taken = wanted - volume->reply_length < length ? wanted - volume->reply_length : length;
    memcpy(volume->reply + volume->reply_length, bytes, taken);
    volume->reply_length += taken;
    if (volume->reply_length < REPLY_HEADER_BYTES)
        return taken;
    size_t whole = read_u32(volume->reply);
    if (whole < REPLY_HEADER_BYTES || whole > FRAME_BYTES_MAX)
        die("the host sent a reply of %zu bytes for a volume", whole);
    if (volume->reply_length == whole) {
        deliver(volume, volume->reply, whole);
        volume->reply_length = 0;
    }
    return taken;
}

static void replies_arrived(struct stream *stream, const uint8_t *bytes, size_t length)
{
    struct volume *volume = stream->owner;
    uint32_t credit = stream_used(stream, length);
    while (length > 0) {
        size_t whole = volume->reply_length == 0 && length >= REPLY_HEADER_BYTES ? read_u32(bytes) : 0;
        size_t taken = whole;
        if (whole >= REPLY_HEADER_BYTES && whole <= length)
            deliver(volume, bytes, whole);
        else
            taken = collect(volume, bytes, length);
        bytes += taken;
        length -= taken;
    }
    wire_give_credit(&agent.wire, stream->id, credit);
}

static void mount_next(void);

static void given_up(struct stream *stream)
{
    struct volume *volume = stream->owner;
    stream->id = 0;
    /* A child that still mounts it learns of it by itself. */
    forget(volume);
    mount_next();
}

static void host_ended(struct stream *stream)
{
    unmounted(stream->owner);
}

static const struct stream_events stream_events = {
    .data = replies_arrived,
    .end = host_ended,
    .window = window_grew,
    .reset = given_up,
};

/* --- Mounts ------------------------------------------------------------------------------------------------------ */

/* Makes what is missing of a path, and at its end a directory or an empty file. 0, or -1 with errno. */
static int make_target(const char *path, int directory)
{
    char made[PATH_BYTES];
    struct stat seen;
    if (stat(path, &seen) == 0)
        return 0;
    snprintf(made, sizeof made, "%s", path);
    if (!directory)
        *strrchr(made, '/') = 0;
    if (made[0] != 0 && directories_make(made, 0755) < 0)
        return -1;
    if (directory)
        return 0;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    return fd < 0 ? -1 : close(fd);
}

/* Mounts a volume as a program in the container would: a link of the image cannot lead out of it. */
static int mount_inside(const struct volume *volume)
{
    char options[128];
    snprintf(options, sizeof options, "fd=%d,rootmode=%o,user_id=0,group_id=0,allow_other,default_permissions",
             volume->source.fd, volume->directory ? S_IFDIR : S_IFREG);
    if (make_target(volume->path, volume->directory) != 0)
        return -1;
    return mount("volume", volume->path, "fuse", FLAGS | (volume->read_only ? MS_RDONLY : 0), options);
}

/*
 * Lets the kernel read ahead as much as the host allows, which is more than its own 128 KiB: several requests are under way
 * then while a program reads. A kernel where this fails is slower, and no more.
 */
static int open_settings(void)
{
    /* The container's is the same one, and has made it read-only; its mount is so besides. */
    mount("sysfs", "/sys", "sysfs", QUIET, NULL);
    mount(NULL, "/sys", NULL, MS_REMOUNT | QUIET, NULL);
    return open("/sys/class/bdi", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static void read_ahead(int settings, const char *path)
{
    char name[64];
    uint32_t seen[STATX_WORDS];
    /* Without asking the volume, which does not answer before the agent knows of it. */
    if (syscall(SYS_statx, AT_FDCWD, path, STATX_DONT_SYNC, 0, seen) != 0)
        return;
    snprintf(name, sizeof name, "%u:%u/read_ahead_kb", seen[STATX_DEVICE], seen[STATX_DEVICE + 1]);
    int fd = openat(settings, name, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (write(fd, READ_AHEAD_KB, strlen(READ_AHEAD_KB)) < 0)
        fprintf(stderr, "cannot set how much is read ahead: %s\n", strerror(errno));
    close(fd);
}

/* The child's life. */
static _Noreturn void mount_apart(const struct volume *volume)
{
    int settings = open_settings();
    if (container_enter_files() != 0 || mount_inside(volume) != 0)
        _exit(errno);
    read_ahead(settings, volume->path);
    mount(NULL, "/sys", NULL, MS_REMOUNT | MS_RDONLY | QUIET, NULL);
    _exit(0);
}

static void mount_done(struct volume *volume, int number)
{
    if (number != 0) {
        reject(volume->stream.id, "mount", strerror(number));
        forget(volume);
        return;
    }
    volume->state = VOLUME_SERVING;
    /* Who asks a volume waits for each answer. */
    if (agent.wire.is_serial)
        process_stay_at_interrupts();
    source_add(&volume->source);
    wire_send_json(&agent.wire, FRAME_ACCEPT, volume->stream.id, 0, "{\"uid\":%u,\"gid\":%u}", volume->user.uid,
                   volume->user.gid);
}

/* One after the other: a volume can be inside of another one. */
static void mount_next(void)
{
    struct volume *volume = volumes;
    while (volume != NULL && volume->state == VOLUME_SERVING)
        volume = volume->next;
    if (volume == NULL || volume->state == VOLUME_MOUNTING)
        return;
    volume->pid = container_fork_outside();
    if (volume->pid == 0)
        mount_apart(volume);
    if (volume->pid < 0) {
        mount_done(volume, errno);
        mount_next();
        return;
    }
    volume->state = VOLUME_MOUNTING;
}

void volumes_reaped(int pid, int status)
{
    for (struct volume *volume = volumes; volume != NULL; volume = volume->next) {
        if (volume->state != VOLUME_MOUNTING || volume->pid != pid)
            continue;
        mount_done(volume, WIFEXITED(status) ? WEXITSTATUS(status) : EIO);
        mount_next();
        return;
    }
}

/* Whom the files belong to, by the image's own files; the agent sees the image without volumes. */
static const char *find_user(const char *spec, struct user *user)
{
    const char *wrong = NULL;
    *user = (struct user){.uid = 0};
    if (spec[0] == 0)
        return NULL;
    int outside = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (chroot("/root") == 0 && chdir("/") == 0)
        wrong = user_lookup(spec, user);
    if (outside < 0 || fchdir(outside) != 0 || chroot(".") != 0)
        die("cannot leave the box's root");
    close(outside);
    return wrong;
}

void volume_open(uint32_t id, const struct json *request)
{
    const char *path = json_text(request, "path", "");
    struct volume *volume = calloc(1, sizeof *volume);
    const char *wrong = NULL;
    if (!agent.booted)
        wrong = "the box has not booted";
    else if (path[0] != '/' || strlen(path) >= PATH_BYTES)
        wrong = "a volume needs an absolute path";
    else if (volume == NULL)
        wrong = "the box is out of memory";
    if (wrong == NULL && volumes != NULL)
        volume->user = volumes->user;
    else if (wrong == NULL)
        wrong = find_user(json_text(request, "user", ""), &volume->user);
    if (wrong != NULL) {
        reject(id, "invalid", wrong);
        free(volume);
        return;
    }
    snprintf(volume->path, sizeof volume->path, "%s", path);
    volume->directory = json_number(request, "directory", 1) != 0;
    volume->read_only = json_number(request, "readOnly", 0) != 0;
    volume->reply = malloc(FRAME_BYTES_MAX);
    int fd = open("/dev/fuse", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    volume->stream = (struct stream){.events = &stream_events, .owner = volume};
    if (fd < 0 || volume->reply == NULL || streams_add(&agent.streams, &volume->stream, id) != 0) {
        reject(id, "mount", fd < 0 ? strerror(errno) : "the box is out of memory or streams");
        close(fd);
        free(volume->reply);
        free(volume);
        return;
    }
    volume->source =
        (struct source){.fd = fd, .wanted = POLLIN, .feeds_wire = 1, .ready = requests_ready, .owner = volume};
    struct volume **last = &volumes;
    while (*last != NULL)
        last = &(*last)->next;
    *last = volume;
    mount_next();
}
