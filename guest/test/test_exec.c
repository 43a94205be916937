/*
 * Tests of what passes between a command's streams and its descriptors, in TAP, with AddressSanitizer. The wire is a
 * socket whose other end is read here, the command is this program, and the loop is the few lines of it that are needed.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "exec.h"
#include "power.h"
#include "tap.h"

#define SOURCES_MAX 8
#define WINDOW (256 * 1024)
#define MAIN_ID 1
#define ERROR_ID 3

struct agent agent;

static struct source *sources[SOURCES_MAX];
/* What the streams of the wire carried. */
static size_t output_bytes[ERROR_ID + 1];
static uint64_t credit_given;
static int ends[ERROR_ID + 1];
static uint8_t last_byte;
static int freed;

/* --- What main.c, power.c and exec.c are to the rest -------------------------------------------------------------- */

void source_add(struct source *source)
{
    for (size_t i = 0; i < SOURCES_MAX; i++) {
        if (sources[i] != NULL)
            continue;
        sources[i] = source;
        return;
    }
    die("too many sources");
}

void source_remove(struct source *source)
{
    for (size_t i = 0; i < SOURCES_MAX; i++)
        if (sources[i] == source)
            sources[i] = NULL;
}

_Noreturn void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("Bail out! ");
    vprintf(format, arguments);
    putchar('\n');
    exit(1);
}

int exec_is_over(const struct exec *exec)
{
    return exec->reaped && exec->out.fd < 0;
}

void exec_free_if_over(struct exec *exec)
{
    freed += exec_is_over(exec);
}

/* --- The host ----------------------------------------------------------------------------------------------------- */

static struct frame_decoder decoder;
static int host;

static const char *host_frame(void *context, const struct frame_header *header, uint8_t *payload, size_t length)
{
    (void)context;
    (void)length;
    if (header->type == FRAME_WINDOW)
        credit_given += read_u32(payload);
    if (header->type == FRAME_END)
        ends[header->stream]++;
    return NULL;
}

static const char *host_data(void *context, uint32_t stream, const uint8_t *piece, size_t length)
{
    (void)context;
    output_bytes[stream] += length;
    last_byte = piece[length - 1];
    return NULL;
}

static void read_wire(void)
{
    static const struct frame_sink sink = {.frame = host_frame, .data = host_data};
    static uint8_t buffer[64 * 1024];
    ssize_t got;
    if (wire_flush(&agent.wire) != 0)
        die("the wire has ended");
    while ((got = read(host, buffer, sizeof buffer)) > 0)
        if (frame_decoder_push(&decoder, buffer, (size_t)got, &sink) != NULL)
            die("no frame");
}

/* Lets every source that is ready do its work, until none is. */
static void loop(void)
{
    for (int busy = 1; busy;) {
        busy = 0;
        for (size_t i = 0; i < SOURCES_MAX; i++) {
            struct source *source = sources[i];
            if (source == NULL || source->wanted == 0)
                continue;
            struct pollfd polled = {.fd = source->fd, .events = source->wanted};
            if (poll(&polled, 1, 0) <= 0)
                continue;
            source->ready(source, polled.revents);
            busy = 1;
        }
        read_wire();
    }
}

/* --- The command -------------------------------------------------------------------------------------------------- */

static struct exec exec;
/* Its own ends. */
static int child[3];

static void require(int result)
{
    if (result < 0)
        die("%s", strerror(errno));
}

static void begin(int tty)
{
    int pipes[3][2];
    static const struct stream_events no_events = {.data = NULL};
    memset(&exec, 0, sizeof exec);
    memset(output_bytes, 0, sizeof output_bytes);
    memset(ends, 0, sizeof ends);
    credit_given = 0;
    freed = 0;
    exec.tty = tty;
    exec.main = (struct stream){.events = &no_events, .owner = &exec};
    exec.error = (struct stream){.events = &no_events, .owner = &exec};
    streams_add(&agent.streams, &exec.main, MAIN_ID);
    if (tty) {
        require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pipes[0]));
        require(fcntl(pipes[0][0], F_SETFL, O_NONBLOCK));
        child[0] = child[1] = pipes[0][1];
        child[2] = -1;
        input_open(&exec, pipes[0][0]);
        output_open(&exec, pipes[0][0], -1);
        return;
    }
    streams_add(&agent.streams, &exec.error, ERROR_ID);
    for (int i = 0; i < 3; i++)
        require(pipe2(pipes[i], O_CLOEXEC));
    require(fcntl(pipes[0][1], F_SETFL, O_WRONLY | O_NONBLOCK));
    require(fcntl(pipes[1][0], F_SETFL, O_NONBLOCK));
    require(fcntl(pipes[2][0], F_SETFL, O_NONBLOCK));
    child[0] = pipes[0][0];
    child[1] = pipes[1][1];
    child[2] = pipes[2][1];
    input_open(&exec, pipes[0][1]);
    output_open(&exec, pipes[1][0], pipes[2][0]);
}

static void close_child(void)
{
    close(child[0]);
    if (child[1] != child[0])
        close(child[1]);
    if (child[2] >= 0)
        close(child[2]);
}

static void finish(void)
{
    loop();
    input_close(&exec);
    if (exec.out.fd >= 0)
        output_close(&exec.out);
    if (exec.err.fd >= 0)
        output_close(&exec.err);
    streams_remove(&agent.streams, &exec.main);
    if (exec.error.id != 0)
        streams_remove(&agent.streams, &exec.error);
}

/* Sends `length` bytes that count up, in memory of just their size. */
static void send_input(size_t length)
{
    uint8_t *bytes = malloc(length);
    if (bytes == NULL)
        die("no memory");
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)i;
    if (stream_arrived(&exec.main, length) != 0)
        die("more than the credit");
    input_arrived(&exec.main, bytes, length);
    free(bytes);
}

/* Bytes that the command can read now, and whether they count up from `*at`. */
static size_t read_input(size_t most, uint8_t *at, int *right)
{
    static uint8_t bytes[64 * 1024];
    size_t all = 0;
    struct pollfd polled = {.fd = child[0], .events = POLLIN};
    while (all < most && poll(&polled, 1, 0) > 0 && (polled.revents & POLLIN)) {
        ssize_t got = read(child[0], bytes, sizeof bytes < most - all ? sizeof bytes : most - all);
        for (ssize_t i = 0; i < got; i++)
            *right &= bytes[i] == (*at)++;
        if (got <= 0)
            break;
        all += (size_t)got;
        loop();
    }
    return all;
}

static int at_end(void)
{
    uint8_t byte;
    struct pollfd polled = {.fd = child[0], .events = POLLIN};
    return poll(&polled, 1, 0) == 1 && read(child[0], &byte, 1) == 0;
}

/* --- Tests -------------------------------------------------------------------------------------------------------- */

static void test_input(void)
{
    uint8_t next = 0;
    int right = 1;
    begin(0);
    send_input(100);
    test(read_input(SIZE_MAX, &next, &right) == 100 && right, "a command reads what was sent");
    for (int i = 0; i < 4; i++)
        send_input(32 * 1024);
    test(exec.in.wanted == POLLOUT && outlet_waiting(&exec.waiting) > 0, "what a command does not read waits");
    test(exec.large_pipe == 1, "and its pipe is made larger");
    send_input(GUEST_WINDOW_BYTES / 2);
    next = 0;
    test(read_input(SIZE_MAX, &next, &right) == 4 * 32 * 1024 + GUEST_WINDOW_BYTES / 2 && right,
         "all of it arrives, in order");
    test(credit_given >= GUEST_WINDOW_BYTES / 2 && exec.in.wanted == 0, "and its credit is given back");
    send_input(1);
    input_ended(&exec.main);
    next = 0;
    test(read_input(SIZE_MAX, &next, &right) == 1 && at_end(), "an end is one");
    test(exec.in.fd == -1, "and nothing is given any more");
    send_input(10);
    test(exec.in.fd == -1 && outlet_waiting(&exec.waiting) == 0, "what comes after it is forgotten");
    close_child();
    finish();
}

static void test_input_end_waits(void)
{
    uint8_t next = 0;
    int right = 1;
    begin(0);
    send_input(WINDOW / 2);
    input_ended(&exec.main);
    test(exec.in.fd >= 0, "an end waits for what waits before it");
    test(read_input(SIZE_MAX, &next, &right) == WINDOW / 2 && right && at_end(), "and follows it");
    close_child();
    finish();
}

static void test_input_unread(void)
{
    begin(0);
    send_input(GUEST_WINDOW_BYTES);
    test(outlet_waiting(&exec.waiting) > 0, "input waits for a command");
    close_child();
    loop();
    test(exec.in.fd == -1 && outlet_waiting(&exec.waiting) == 0, "that ends, and nothing waits any more");
    test(credit_given >= GUEST_WINDOW_BYTES / 2, "and the host may send on");
    finish();
    begin(0);
    close_child();
    send_input(WINDOW / 2);
    test(exec.in.fd == -1, "input to a command that does not read is forgotten");
    finish();
}

static void test_typed_end(void)
{
    uint8_t typed[8];
    begin(1);
    input_arrived(&exec.main, (const uint8_t *)"a\n", 2);
    input_ended(&exec.main);
    test(read(child[0], typed, sizeof typed) == 3 && typed[2] == 4, "the end of a terminal is typed");
    finish();
    close_child();
    begin(1);
    input_arrived(&exec.main, (const uint8_t *)"a", 1);
    input_ended(&exec.main);
    test(read(child[0], typed, sizeof typed) == 3 && typed[1] == 4 && typed[2] == 4, "twice behind half a line");
    finish();
    close_child();
    begin(1);
    close_child();
    loop();
    test(exec.in.fd == -1 && exec.out.fd == -1 && ends[MAIN_ID] == 1, "a terminal ends in both directions at once");
    finish();
}

static void test_output(void)
{
    static uint8_t bytes[32 * 1024];
    begin(0);
    memset(bytes, 'x', sizeof bytes);
    test(write(child[1], "out", 3) == 3 && write(child[2], "error", 5) == 5, "a command writes");
    loop();
    test(output_bytes[MAIN_ID] == 3 && output_bytes[ERROR_ID] == 5, "each output has its stream");
    exec.main.credit = 10;
    test(write(child[1], bytes, sizeof bytes) == sizeof bytes, "more than there is credit for");
    loop();
    test(output_bytes[MAIN_ID] == 13 && exec.out.wanted == 0, "is not read");
    exec.main.credit = WINDOW;
    output_window_grew(&exec.main);
    loop();
    test(output_bytes[MAIN_ID] == 3 + sizeof bytes, "until there is");
    close(child[2]);
    loop();
    test(ends[ERROR_ID] == 1 && exec.error.id == 0 && freed == 0, "stderr ends alone");
    exec.reaped = 1;
    test(write(child[1], "!", 1) == 1, "a command says something and ends");
    close(child[1]);
    loop();
    test(last_byte == '!' && ends[MAIN_ID] == 1 && freed == 1, "all of it is told before the end");
    close(child[0]);
    finish();
}

int main(void)
{
    int wire[2];
    static const uint8_t hello[] = HELLO_MAGIC;
    signal(SIGPIPE, SIG_IGN);
    require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, wire));
    host = wire[1];
    agent.wire = (struct wire){.fd = wire[0], .mailbox = -1};
    agent.wire.out_capacity = 2 * (FRAME_BYTES_MAX + HEADER_BYTES);
    agent.wire.out = malloc(agent.wire.out_capacity);
    if (agent.wire.out == NULL)
        die("no memory");
    agent.streams.window = WINDOW;
    frame_decoder_init(&decoder);
    wire_send(&agent.wire, FRAME_HELLO, 0, 0, hello, sizeof hello);
    test_input();
    test_input_end_waits();
    test_input_unread();
    test_typed_end();
    test_output();
    free(agent.wire.out);
    return tap_end();
}
