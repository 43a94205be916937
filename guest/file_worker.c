/* A file worker's life: it enters the container's file systems, and then does one request after another. */
#include "file_worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "container.h"

/* Where its socket is, above the standard streams that a worker has not. */
#define SOCKET 3
/* One a level of a deep tree. */
#define DESCRIPTORS_MAX 4096

static int accepted;

/* The packet that is being read: in_payload[in_start..in_end). */
static struct file_message in_message;
static _Alignas(4096) char in_payload[FILE_PAYLOAD_MAX];
static size_t in_start;
static size_t in_end;
/* The host has sent all the content of this request. */
static int in_over;

/* Items of a list that have not been sent. */
static char items[FILE_PAYLOAD_MAX];
static size_t items_length;

static struct {
    volatile sig_atomic_t made;
    int directory;
    char name[256];
} partial;

/* --- Half-made files --------------------------------------------------------------------------------------------- */

void partial_made(int directory, const char *name)
{
    partial.directory = directory;
    snprintf(partial.name, sizeof partial.name, "%s", name);
    partial.made = 1;
}

void partial_kept(void)
{
    partial.made = 0;
}

void partial_removed(void)
{
    int number = errno;
    if (partial.made)
        unlinkat(partial.directory, partial.name, 0);
    partial.made = 0;
    errno = number;
}

/* The host gave the request up, wherever it stands: also in the middle of a system call. */
static void given_up(int signal)
{
    (void)signal;
    partial_removed();
    _exit(0);
}

/* --- Packets ----------------------------------------------------------------------------------------------------- */

static void send_message(uint8_t kind, uint8_t flags, const void *payload, size_t length)
{
    const struct file_message message = {.kind = kind, .flags = flags};
    struct iovec parts[] = {
        {.iov_base = (void *)(uintptr_t)&message, .iov_len = sizeof message},
        {.iov_base = (void *)(uintptr_t)payload, .iov_len = length},
    };
    const struct msghdr packet = {.msg_iov = parts, .msg_iovlen = 2};
    while (sendmsg(SOCKET, &packet, MSG_NOSIGNAL) < 0)
        if (errno != EINTR && errno != ENOBUFS)
            given_up(0);
}

static void send_json(uint8_t kind, uint8_t flags, const char *format, va_list arguments)
{
    char json[2048];
    int length = vsnprintf(json, sizeof json, format, arguments);
    if (length > 0 && (size_t)length < sizeof json)
        send_message(kind, flags, json, (size_t)length);
}

/* Waits for the next packet. 0 if `patience_ms` passed; the end of the socket is the end of the worker. */
static int receive(int patience_ms)
{
    struct iovec parts[] = {
        {.iov_base = &in_message, .iov_len = sizeof in_message},
        {.iov_base = in_payload, .iov_len = sizeof in_payload},
    };
    struct msghdr packet = {.msg_iov = parts, .msg_iovlen = 2};
    struct pollfd readable = {.fd = SOCKET, .events = POLLIN};
    int flags = patience_ms >= 0 ? MSG_DONTWAIT : 0;
    for (;;) {
        ssize_t got = recvmsg(SOCKET, &packet, flags);
        if (got >= (ssize_t)sizeof in_message) {
            in_start = 0;
            in_end = (size_t)got - sizeof in_message;
            return 1;
        }
        if (got < 0 && errno == EAGAIN && poll(&readable, 1, patience_ms) == 0)
            return 0;
        if (got >= 0 || (errno != EINTR && errno != EAGAIN))
            given_up(0);
    }
}

/* --- Answers ----------------------------------------------------------------------------------------------------- */

void answer_accept(uint8_t flags, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    accepted = 1;
    send_json(FRAME_ACCEPT, flags, format, arguments);
    va_end(arguments);
}

void answer_message(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    send_json(FRAME_CONTROL, 0, format, arguments);
    va_end(arguments);
}

void answer_data(uint8_t flags, const void *bytes, size_t length)
{
    accepted = 1;
    send_message(FRAME_DATA, flags, bytes, length);
}

void answer_item(char letter, const char *text)
{
    size_t length = strlen(text) + 1;
    if (items_length + 1 + length > sizeof items)
        answer_items(0);
    items[items_length] = letter;
    memcpy(items + items_length + 1, text, length);
    items_length += 1 + length;
}

void answer_items(uint8_t flags)
{
    if (items_length > 0 || flags != 0)
        answer_data(flags, items, items_length);
    items_length = 0;
}

void answer_done(uint8_t flags)
{
    send_message(FRAME_END, flags | FILE_LAST, NULL, 0);
}

void answer_error(uint8_t flags, const char *about)
{
    char json[1024];
    char quoted[768];
    int number = errno;
    json_quote(quoted, sizeof quoted, about);
    int length = snprintf(json, sizeof json, "{\"code\":\"%s\",\"message\":%s}", error_name(number), quoted);
    send_message(accepted ? FRAME_RESET : FRAME_REJECT, flags | FILE_LAST, json, (size_t)length);
}

/* --- Content ----------------------------------------------------------------------------------------------------- */

ssize_t content_next(const void **bytes, size_t limit, int patience_ms)
{
    while (in_start == in_end) {
        if (in_over)
            return 0;
        if (!receive(patience_ms))
            return -1;
        in_over = in_message.kind == FILE_END;
        if (in_message.kind != FILE_CONTENT)
            in_start = in_end;
    }
    size_t length = in_end - in_start < limit ? in_end - in_start : limit;
    *bytes = in_payload + in_start;
    in_start += length;
    return (ssize_t)length;
}

int content_exact(void *buffer, size_t length)
{
    const void *bytes;
    ssize_t got;
    for (size_t done = 0; done < length; done += (size_t)got) {
        got = content_next(&bytes, length - done, -1);
        if (got <= 0)
            return 0;
        memcpy((char *)buffer + done, bytes, (size_t)got);
    }
    return 1;
}

/* The text of a request or message: whole lines of "name=value", which the agent has made sure of. */
static struct file_request packet_text(void)
{
    return (struct file_request){.text = in_payload, .length = in_end};
}

int control_read(struct file_request *message)
{
    while (!in_over && receive(-1)) {
        in_over = in_message.kind == FILE_END;
        if (in_message.kind == FILE_CONTROL) {
            *message = packet_text();
            in_start = in_end;
            return 1;
        }
    }
    return 0;
}

/* --- Life -------------------------------------------------------------------------------------------------------- */

static void serve(const struct file_request *request)
{
    static const struct {
        const char *name;
        void (*run)(const struct file_request *request);
    } operations[] = {
        {"readdir", file_list},  {"read", file_read},   {"write", file_write}, {"copy", file_copy},     {"rm", file_remove},
        {"open", file_handle},   {"watch", file_watch}, {"pack", file_pack},   {"unpack", file_unpack},
    };
    const char *op = file_request_text(request, "op", "");
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        if (strcmp(op, operations[i].name) == 0) {
            operations[i].run(request);
            return;
        }
    }
    if (!file_metadata(op, request)) {
        errno = ENOSYS;
        answer_error(0, op);
    }
}

_Noreturn void file_worker(int socket)
{
    struct rlimit descriptors = {.rlim_cur = DESCRIPTORS_MAX, .rlim_max = DESCRIPTORS_MAX};
    struct sigaction action = {.sa_handler = given_up};
    static char text[FILE_PAYLOAD_MAX];
    /* The agent's descriptors must not live on here: they would keep pipes open. */
    if (container_enter_files() != 0 || dup2(socket, SOCKET) < 0 || syscall(SYS_close_range, SOCKET + 1, ~0U, 0) != 0 ||
        syscall(SYS_close_range, 0, SOCKET - 1, 0) != 0)
        _exit(1);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    setrlimit(RLIMIT_NOFILE, &descriptors);
    umask(0);
    for (;;) {
        if (!receive(-1) || in_message.kind != FILE_REQUEST)
            continue;
        memcpy(text, in_payload, in_end);
        struct file_request request = {.text = text, .length = in_end};
        in_start = in_end;
        in_over = accepted = 0;
        items_length = 0;
        serve(&request);
    }
}
