/*
 * Commands. A command is two streams: the main one carries stdin to it, stdout from it, and messages; stderr has one of
 * its own, so that neither can hold up the other. With a terminal there is only the main one.
 *
 * The main stream ends with its FINAL frame when both are true: the process has been reaped, and its output has ended,
 * which a background child that keeps the pipe may delay. The exit itself is told at once.
 */
#include "exec.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launch.h"

static struct exec *execs;

int exec_is_over(const struct exec *exec)
{
    return exec->reaped && exec->out.fd < 0 && !exec->kill_follows;
}

static void unlink_exec(struct exec *exec)
{
    struct exec **at = &execs;
    while (*at != exec)
        at = &(*at)->next;
    *at = exec->next;
}

void exec_free_if_over(struct exec *exec)
{
    if (!exec_is_over(exec) || exec->answer.fd >= 0)
        return;
    if (exec->main.id != 0) {
        streams_remove(&agent.streams, &exec->main);
        exec->main.id = 0;
        input_close(exec);
    }
    if (exec->err.fd >= 0)
        return;
    unlink_exec(exec);
    cgroup_give_back(exec->cgroup);
    free(exec);
}

/* --- Messages ---------------------------------------------------------------------------------------------------- */

static void send_exit(struct exec *exec)
{
    int signaled = WIFSIGNALED(exec->status);
    uint8_t flags = exec_is_over(exec) ? FLAG_FINAL : 0;
    wire_send_json(&agent.wire, FRAME_CONTROL, exec->main.id, flags, "{\"exit\":{\"%s\":%d},\"oom\":%s}",
                   signaled ? "signal" : "code", signaled ? WTERMSIG(exec->status) : WEXITSTATUS(exec->status),
                   cgroup_lost_for_memory(exec->cgroup) ? "true" : "false");
}

/* Anything but SIGKILL asks nicely. */
static void end_tree(struct exec *exec, int signal)
{
    cgroup_signal(exec->cgroup, signal);
    exec->kill_follows = signal != SIGKILL;
    if (exec_is_over(exec)) {
        wire_send_json(&agent.wire, FRAME_CONTROL, exec->main.id, FLAG_FINAL, "{}");
        exec_free_if_over(exec);
    }
}

static void message_arrived(struct stream *stream, const struct json *message)
{
    struct exec *exec = stream->owner;
    int64_t signal = json_number(message, "signal", 0);
    int64_t tree = json_number(message, "signalTree", 0);
    const struct json *size = json_get(message, "resize");
    if (signal > 0 && signal <= SIGRTMAX && !exec->reaped)
        kill(exec->pid, (int)signal);
    if (size != NULL && exec->tty && exec->out.fd >= 0)
        ends_resize(exec->out.fd, size);
    if (tree > 0 && tree <= SIGRTMAX)
        end_tree(exec, (int)tree);
}

/* The host gave the command up: nothing of it may go on. */
static void given_up(struct stream *stream)
{
    struct exec *exec = stream->owner;
    if (stream == &exec->error) {
        stream->id = 0;
        output_close(&exec->err);
        exec_free_if_over(exec);
        return;
    }
    stream->id = 0;
    input_close(exec);
    cgroup_signal(exec->cgroup, SIGKILL);
    exec->kill_follows = 0;
    if (exec->out.fd >= 0)
        output_close(&exec->out);
    exec_free_if_over(exec);
}

static const struct stream_events main_events = {
    .data = input_arrived,
    .end = input_ended,
    .control = message_arrived,
    .window = output_window_grew,
    .reset = given_up,
};
static const struct stream_events error_events = {.window = output_window_grew, .reset = given_up};

static void accept_exec(const struct exec *exec)
{
    wire_send_json(&agent.wire, FRAME_ACCEPT, exec->main.id, 0, "{\"pid\":%d}", (int)exec->pid);
}

/* It was refused: nothing of it has been a command. */
static void drop(struct exec *exec, const struct launch_failure *why)
{
    if (exec->main.id != 0) {
        reject(exec->main.id, why->code, why->message);
        streams_remove(&agent.streams, &exec->main);
    }
    if (exec->error.id != 0)
        streams_remove(&agent.streams, &exec->error);
    input_close(exec);
    if (exec->out.fd >= 0)
        output_close(&exec->out);
    if (exec->err.fd >= 0)
        output_close(&exec->err);
    unlink_exec(exec);
    cgroup_give_back(exec->cgroup);
    free(exec);
}

/* Whether there still is a command. */
static int take_answer(struct exec *exec)
{
    struct launch_failure told;
    ssize_t got = read(exec->answer.fd, &told, sizeof told);
    output_close(&exec->answer);
    if (got == (ssize_t)sizeof told) {
        drop(exec, &told);
        return 0;
    }
    if (exec->main.id != 0)
        accept_exec(exec);
    exec->out.wanted = exec->err.wanted = POLLIN;
    return 1;
}

static void answer_ready(struct source *source, short events)
{
    (void)events;
    take_answer(source->owner);
}

void exec_reaped(int pid, int status)
{
    struct exec *exec = execs;
    while (exec != NULL && (exec->pid != pid || exec->reaped))
        exec = exec->next;
    if (exec == NULL || (exec->answer.fd >= 0 && !take_answer(exec)))
        return;
    exec->reaped = 1;
    exec->status = status;
    if (exec->main.id != 0)
        send_exit(exec);
    exec_free_if_over(exec);
}

/* --- Start ------------------------------------------------------------------------------------------------------- */

/* The strings of an array, and room for `extra` more, NULL-terminated. NULL if it is not an array of strings. */
static char **string_list(const struct json *array, size_t extra, size_t *count)
{
    *count = 0;
    if (array == NULL || array->type != JSON_ARRAY)
        return NULL;
    char **list = calloc(array->count + extra + 1, sizeof *list);
    const struct json *at = array + 1;
    for (uint32_t i = 0; list != NULL && i < array->count; i++, at += at->span) {
        if (at->type != JSON_STRING) {
            free(list);
            return NULL;
        }
        list[i] = at->text;
    }
    *count = array->count;
    return list;
}

/* Ends what has been opened for a command that does not run. */
static void refuse(struct exec *exec, uint32_t id, const char *code, const char *message)
{
    if (exec->cgroup != NULL)
        cgroup_give_back(exec->cgroup);
    reject(id, code, message);
    free(exec);
}

static void start(struct exec *exec, uint32_t id, const struct json *request, struct launch *launch)
{
    struct ends ends;
    exec->cgroup = cgroup_take();
    if (exec->cgroup == NULL ||
        (exec->tty ? ends_open_terminal(&ends, json_get(request, "tty")) : ends_open_pipes(&ends)) != 0) {
        refuse(exec, id, "failed", "the box is out of descriptors or memory");
        return;
    }
    memcpy(launch->fds, ends.child, sizeof launch->fds);
    launch->terminal = ends.terminal;
    int answer;
    struct launch_failure failure;
    exec->pid = launch_spawn(launch, exec->cgroup, &answer, &failure);
    ends_close_child(&ends);
    if (exec->pid < 0) {
        ends_close_own(&ends);
        refuse(exec, id, failure.code, failure.message);
        return;
    }
    exec->main = (struct stream){.events = &main_events, .owner = exec};
    exec->error = (struct stream){.events = &error_events, .owner = exec};
    streams_add(&agent.streams, &exec->main, id);
    if (!exec->tty)
        streams_add(&agent.streams, &exec->error, (uint32_t)json_number(request, "stderr", 0));
    input_open(exec, ends.in);
    output_open(exec, ends.out, ends.err);
    exec->next = execs;
    execs = exec;
    exec->answer = (struct source){.fd = answer, .wanted = POLLIN, .ready = answer_ready, .owner = exec};
    if (answer < 0) {
        accept_exec(exec);
        return;
    }
    exec->out.wanted = exec->err.wanted = 0;
    source_add(&exec->answer);
}

/* The stream for stderr is the host's to open like any other; a command with a terminal has none. */
static int is_error_stream(uint32_t id, int64_t error_id, int tty)
{
    return tty ? error_id == 0
               : error_id > 0 && error_id <= UINT32_MAX && error_id % 2 == 1 && error_id != id &&
                     streams_find(&agent.streams, (uint32_t)error_id) == NULL;
}

void exec_open(uint32_t id, const struct json *request)
{
    size_t argument_count;
    struct launch launch = {
        .directory = json_text(request, "cwd", "/"),
        .user = json_text(request, "user", ""),
    };
    launch.argv = string_list(json_get(request, "argv"), 0, &argument_count);
    launch.environment = string_list(json_get(request, "env"), LAUNCH_VARIABLES, &launch.environment_count);
    const struct json *make = json_get(request, "makeCwd");
    launch.make_directory = make != NULL && make->type == JSON_TRUE;
    const struct json *tty = json_get(request, "tty");
    struct exec *exec = calloc(1, sizeof *exec);
    if (exec != NULL)
        exec->tty = tty != NULL && tty->type == JSON_OBJECT;
    if (!agent.booted)
        reject(id, "invalid", "the box has not booted");
    else if (launch.argv == NULL || argument_count == 0 || launch.environment == NULL || exec == NULL)
        reject(id, "invalid", "exec needs argv and env");
    else if (!is_error_stream(id, json_number(request, "stderr", 0), exec->tty))
        reject(id, "invalid", "stderr is no stream that can be opened");
    else if (agent.streams.count + 2 > STREAMS_MAX)
        reject(id, "failed", "too many streams");
    else {
        start(exec, id, request, &launch);
        exec = NULL;
    }
    free(exec);
    free(launch.argv);
    free(launch.environment);
}
