/*
 * Commands. A command is two streams: the main one carries stdin to it, stdout from it, and messages; stderr has one of
 * its own, so that neither can hold up the other. With a terminal there is only the main one.
 *
 * The main stream ends with its FINAL frame when both are true: the process has been reaped, and its output has ended,
 * which a background child that keeps the pipe may delay. The exit itself is told at once.
 *
 * A system call of a UML guest costs 50 to 100 us, so the child is made by vfork(), errors come back through memory,
 * and poll() needs no call per descriptor. Only where there are volumes the agent cannot stand still until the child has
 * become its program, which may lie in one: there it is made by fork(), and a pipe tells when and why not.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"
#include "cgroup.h"
#include "clone.h"
#include "container.h"
#include "file_worker.h"
#include "oom.h"
#include "power.h"
#include "process.h"
#include "user.h"

/* A pipe's default size; a reader that gets as much at once makes the pipe larger. */
#define PIPE_BYTES (64 * 1024)
#define PIPE_BYTES_LARGE (1024 * 1024)
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define HOME_PREFIX "HOME="
/* What the agent adds to the caller's environment: HOME. */
#define EXTRA_VARIABLES 1
/* What Ctrl-D types. */
#define END_OF_FILE 4

struct exec {
    struct stream main;
    struct stream error; /* id 0 if there is none */
    struct source in;
    struct source out;
    struct source err;
    /* The pipe that tells whether the child has become the program, -1 once it has. */
    struct source answer;
    pid_t pid;
    int reaped;
    int status;
    /* The host has asked the tree to end and will kill what does not: until then the stream stays open. */
    int kill_follows;
    struct cgroup *cgroup;
    /* The host has had it killed. */
    int killed;
    int tty;
    int large_pipe;
    /* Input the process has not taken: queue[queue_start..queue_end). */
    uint8_t *queue;
    size_t queue_start;
    size_t queue_end;
    size_t queue_capacity;
    /* The host has sent all the input. */
    int in_ending;
    /* A terminal's last line has no end yet. */
    int in_line;
    struct exec *next;
};

/* What the child is told, and tells when it cannot become the program. */
struct launch {
    char **argv;
    char **environment;
    size_t environment_count;
    const char *directory;
    /* Make the directory if it is missing. */
    int make_directory;
    const char *user;
    /* The number of its terminal, -1 if it has none. */
    int terminal;
    int fds[3];
};

struct failure {
    int number;
    char code[16];
    char message[256];
};

static struct exec *execs;
/* Shared between the child and the agent, whether vfork() shares memory or not. */
static struct failure *failure;
/* In a child made by fork(): where it tells its failure. */
static int failure_pipe = -1;

/* --- Input ------------------------------------------------------------------------------------------------------- */

static void close_input(struct exec *exec)
{
    if (exec->in.fd < 0)
        return;
    source_remove(&exec->in);
    /* A terminal has one descriptor for both directions: the output closes it. */
    if (!exec->tty)
        close(exec->in.fd);
    exec->in.fd = -1;
    free(exec->queue);
    exec->queue = NULL;
    exec->queue_start = exec->queue_end = exec->queue_capacity = 0;
}

static void used_input(struct exec *exec, size_t length)
{
    uint8_t bytes[4];
    uint32_t credit = stream_used(&exec->main, length);
    if (credit == 0)
        return;
    write_u32(bytes, credit);
    wire_send(&agent.wire, FRAME_WINDOW, exec->main.id, 0, bytes, sizeof bytes);
}

/* Gives the process what it takes now. Returns the bytes used; all of them if it takes no more ever. */
static size_t feed(struct exec *exec, const uint8_t *bytes, size_t length)
{
    size_t fed = 0;
    while (fed < length && exec->in.fd >= 0) {
        ssize_t written = write(exec->in.fd, bytes + fed, length - fed);
        if (written > 0)
            fed += (size_t)written;
        else if (written < 0 && errno == EAGAIN)
            break;
        else if (written < 0 && errno == EINTR)
            continue;
        else
            close_input(exec);
    }
    return exec->in.fd < 0 ? length : fed;
}

static void queue_input(struct exec *exec, const uint8_t *bytes, size_t length)
{
    size_t waiting = exec->queue_end - exec->queue_start;
    if (waiting + length > exec->queue_capacity) {
        uint8_t *grown = realloc(exec->queue, waiting + length);
        if (grown == NULL)
            die("no memory for input");
        exec->queue = grown;
        exec->queue_capacity = waiting + length;
    }
    if (exec->queue_end + length > exec->queue_capacity) {
        memmove(exec->queue, exec->queue + exec->queue_start, waiting);
        exec->queue_start = 0;
        exec->queue_end = waiting;
    }
    memcpy(exec->queue + exec->queue_end, bytes, length);
    exec->queue_end += length;
    exec->in.wanted = POLLOUT;
}

static void in_ready(struct source *source, short events)
{
    struct exec *exec = source->owner;
    size_t waiting = exec->queue_end - exec->queue_start;
    if (events & POLLERR)
        close_input(exec);
    size_t fed = feed(exec, exec->queue + exec->queue_start, waiting);
    /* What was typed for the host at the end, it has not sent. */
    if (!exec->in_ending)
        used_input(exec, fed);
    if (exec->in.fd < 0)
        return;
    exec->queue_start += fed;
    if (fed < waiting)
        return;
    exec->queue_start = exec->queue_end = 0;
    exec->in.wanted = 0;
    if (exec->in_ending)
        close_input(exec);
}

static int ends_line(uint8_t byte)
{
    return byte == '\n' || byte == '\r' || byte == END_OF_FILE;
}

static void input_arrived(struct stream *stream, const uint8_t *bytes, size_t length)
{
    struct exec *exec = stream->owner;
    size_t fed = exec->queue_end > exec->queue_start ? 0 : feed(exec, bytes, length);
    used_input(exec, fed);
    if (length > 0)
        exec->in_line = !ends_line(bytes[length - 1]);
    if (fed == length)
        return;
    /* It does not keep up: a larger pipe makes fewer, larger writes. */
    if (!exec->tty && !exec->large_pipe) {
        exec->large_pipe = 1;
        fcntl(exec->in.fd, F_SETPIPE_SZ, PIPE_BYTES_LARGE);
    }
    queue_input(exec, bytes + fed, length - fed);
}

/* A terminal is not closed but told: Ctrl-D ends what is read, and behind a line without an end only that line. */
static void type_end(struct exec *exec)
{
    static const uint8_t ends[] = {END_OF_FILE, END_OF_FILE};
    size_t length = exec->in_line ? 2 : 1;
    size_t fed = exec->queue_end > exec->queue_start ? 0 : feed(exec, ends, length);
    if (fed < length)
        queue_input(exec, ends, length - fed);
}

static void input_ended(struct stream *stream)
{
    struct exec *exec = stream->owner;
    if (exec->tty)
        type_end(exec);
    exec->in_ending = 1;
    if (exec->queue_end == exec->queue_start)
        close_input(exec);
}

/* --- Output ------------------------------------------------------------------------------------------------------ */

static void close_output(struct source *source)
{
    source_remove(source);
    close(source->fd);
    source->fd = -1;
}

/* Whether there is nothing more to say about it. */
static int is_over(const struct exec *exec)
{
    return exec->reaped && exec->out.fd < 0 && !exec->kill_follows;
}

static void output_ended(struct exec *exec, struct source *source)
{
    if (source == &exec->err) {
        close_output(source);
        wire_send(&agent.wire, FRAME_END, exec->error.id, FLAG_FINAL, NULL, 0);
        streams_remove(&agent.streams, &exec->error);
        exec->error.id = 0;
        return;
    }
    if (exec->tty)
        close_input(exec);
    close_output(source);
    wire_send(&agent.wire, FRAME_END, exec->main.id, is_over(exec) ? FLAG_FINAL : 0, NULL, 0);
}

static void unlink_exec(struct exec *exec)
{
    struct exec **at = &execs;
    while (*at != exec)
        at = &(*at)->next;
    *at = exec->next;
}

static void free_if_over(struct exec *exec)
{
    if (!is_over(exec) || exec->answer.fd >= 0)
        return;
    if (exec->main.id != 0) {
        streams_remove(&agent.streams, &exec->main);
        exec->main.id = 0;
        close_input(exec);
    }
    if (exec->err.fd >= 0)
        return;
    unlink_exec(exec);
    cgroup_give_back(exec->cgroup);
    free(exec);
}

static void out_ready(struct source *source, short events)
{
    struct exec *exec = source->owner;
    struct stream *stream = source == &exec->err ? &exec->error : &exec->main;
    int ended = !(events & POLLIN);
    while (!ended) {
        size_t room = stream->credit;
        uint8_t *buffer = room > 0 ? wire_reserve(&agent.wire, &room) : NULL;
        if (buffer == NULL)
            break;
        ssize_t got = read(source->fd, buffer, room);
        if (got > 0) {
            wire_commit(&agent.wire, FRAME_DATA, stream->id, (size_t)got);
            stream->credit -= (uint32_t)got;
            if (got == PIPE_BYTES)
                fcntl(source->fd, F_SETPIPE_SZ, PIPE_BYTES_LARGE);
            if ((size_t)got < room)
                break;
        } else if (got < 0 && errno == EINTR) {
            continue;
        } else {
            /* A terminal whose last program has gone answers EIO. */
            ended = got == 0 || errno != EAGAIN;
            break;
        }
    }
    if (ended) {
        output_ended(exec, source);
        free_if_over(exec);
        return;
    }
    if (stream->credit == 0)
        source->wanted = 0;
}

static void window_grew(struct stream *stream)
{
    struct exec *exec = stream->owner;
    struct source *source = stream == &exec->error ? &exec->err : &exec->out;
    if (source->fd >= 0)
        source->wanted = POLLIN;
}

/* --- Messages ---------------------------------------------------------------------------------------------------- */

/* Also for a shell, which says so of what it ran. */
static int ran_out_of_memory(const struct exec *exec)
{
    int status = exec->status;
    int was_killed = WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 128 + SIGKILL;
    return was_killed && !exec->killed && oom_killed(exec->pid);
}

static void send_exit(struct exec *exec)
{
    int signaled = WIFSIGNALED(exec->status);
    uint8_t flags = is_over(exec) ? FLAG_FINAL : 0;
    wire_send_json(&agent.wire, FRAME_CONTROL, exec->main.id, flags, "{\"exit\":{\"%s\":%d},\"oom\":%s}",
                   signaled ? "signal" : "code", signaled ? WTERMSIG(exec->status) : WEXITSTATUS(exec->status),
                   ran_out_of_memory(exec) ? "true" : "false");
}

static void resize(struct exec *exec, const struct json *size)
{
    struct winsize window = {
        .ws_row = (unsigned short)json_number(size, "rows", 24),
        .ws_col = (unsigned short)json_number(size, "cols", 80),
    };
    if (exec->tty && exec->out.fd >= 0)
        ioctl(exec->out.fd, TIOCSWINSZ, &window);
}

/* The command and all it has started, also what has left its session or outlived its parents. */
static void signal_all(struct exec *exec, int signal)
{
    exec->killed |= signal == SIGKILL;
    cgroup_signal(exec->cgroup, signal);
}

/* Anything but SIGKILL asks nicely. */
static void end_tree(struct exec *exec, int signal)
{
    signal_all(exec, signal);
    exec->kill_follows = signal != SIGKILL;
    if (is_over(exec)) {
        wire_send_json(&agent.wire, FRAME_CONTROL, exec->main.id, FLAG_FINAL, "{}");
        free_if_over(exec);
    }
}

static void message_arrived(struct stream *stream, const struct json *message)
{
    struct exec *exec = stream->owner;
    int64_t signal = json_number(message, "signal", 0);
    int64_t tree = json_number(message, "signalTree", 0);
    const struct json *size = json_get(message, "resize");
    if (signal > 0 && signal <= SIGRTMAX && !exec->reaped) {
        exec->killed |= signal == SIGKILL;
        kill(exec->pid, (int)signal);
    }
    if (size != NULL)
        resize(exec, size);
    if (tree > 0 && tree <= SIGRTMAX)
        end_tree(exec, (int)tree);
}

/* The host gave the command up: nothing of it may go on. */
static void given_up(struct stream *stream)
{
    struct exec *exec = stream->owner;
    if (stream == &exec->error) {
        stream->id = 0;
        close_output(&exec->err);
        free_if_over(exec);
        return;
    }
    stream->id = 0;
    close_input(exec);
    signal_all(exec, SIGKILL);
    exec->kill_follows = 0;
    if (exec->out.fd >= 0)
        close_output(&exec->out);
    free_if_over(exec);
}

static const struct stream_events main_events = {
    .data = input_arrived,
    .end = input_ended,
    .control = message_arrived,
    .window = window_grew,
    .reset = given_up,
};
static const struct stream_events error_events = {.window = window_grew, .reset = given_up};

static void accept_exec(const struct exec *exec)
{
    wire_send_json(&agent.wire, FRAME_ACCEPT, exec->main.id, 0, "{\"pid\":%d}", (int)exec->pid);
}

/* It was refused: nothing of it has been a command. */
static void drop(struct exec *exec, const struct failure *why)
{
    if (exec->main.id != 0) {
        reject(exec->main.id, why->code, why->message);
        streams_remove(&agent.streams, &exec->main);
    }
    if (exec->error.id != 0)
        streams_remove(&agent.streams, &exec->error);
    close_input(exec);
    if (exec->out.fd >= 0)
        close_output(&exec->out);
    if (exec->err.fd >= 0)
        close_output(&exec->err);
    unlink_exec(exec);
    cgroup_give_back(exec->cgroup);
    free(exec);
}

/* Whether there still is a command. */
static int take_answer(struct exec *exec)
{
    struct failure told;
    ssize_t got = read(exec->answer.fd, &told, sizeof told);
    close_output(&exec->answer);
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
    free_if_over(exec);
}

/* --- Start ------------------------------------------------------------------------------------------------------- */

static _Noreturn void fail(const char *code, const char *what, int number)
{
    failure->number = number;
    snprintf(failure->code, sizeof failure->code, "%s", code);
    if (number != 0)
        snprintf(failure->message, sizeof failure->message, "%s: %s", what, strerror(number));
    else
        snprintf(failure->message, sizeof failure->message, "%s", what);
    if (failure_pipe >= 0 && write(failure_pipe, failure, sizeof *failure) < 0)
        _exit(126);
    _exit(127);
}

/* So that it can open them by the names they have in /dev and /proc. */
static void give_streams(const struct user *user)
{
    for (int i = 0; i < 3 && user->uid != 0; i++)
        fchown(i, user->uid, (gid_t)-1);
}

static void become_user(struct launch *launch)
{
    static struct user user;
    static char home[sizeof HOME_PREFIX + sizeof user.home];
    if (launch->user[0] == 0) {
        strcpy(user.home, "/root");
    } else {
        const char *wrong = user_lookup(launch->user, &user);
        if (wrong != NULL)
            fail("bad_user", wrong, 0);
        give_streams(&user);
        if (setgroups((size_t)user.group_count, user.groups) != 0 || setgid(user.gid) != 0 || setuid(user.uid) != 0)
            fail("bad_user", "cannot become the user", errno);
    }
    for (size_t i = 0; i < launch->environment_count; i++)
        if (strncmp(launch->environment[i], HOME_PREFIX, strlen(HOME_PREFIX)) == 0)
            return;
    snprintf(home, sizeof home, HOME_PREFIX "%s", user.home);
    launch->environment[launch->environment_count++] = home;
}

/* By its name in the container, by which programs look for it. It becomes the session's. */
static int open_own_terminal(int number)
{
    char path[32];
    snprintf(path, sizeof path, "/dev/pts/%d", number);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        fail("failed", "cannot take the terminal", errno);
    return fd;
}

static void take_descriptors(const struct launch *launch)
{
    int fds[3] = {launch->fds[0], launch->fds[1], launch->fds[2]};
    if (launch->terminal >= 0)
        fds[0] = fds[1] = fds[2] = open_own_terminal(launch->terminal);
    for (int i = 0; i < 3; i++)
        if (dup2(fds[i], i) < 0)
            fail("failed", "cannot set up descriptors", errno);
}

static void restore_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Tries one path; returns if it is not there, with the reason if that should be remembered. */
static int try_path(const char *path, const struct launch *launch)
{
    execve(path, launch->argv, launch->environment);
    if (errno == ENOENT || errno == ENOTDIR)
        return ENOENT;
    if (errno == EACCES || errno == ENOEXEC || errno == EISDIR || errno == EPERM)
        return errno;
    fail("failed", "cannot execute it", errno);
}

static const char *search_path(const struct launch *launch)
{
    for (size_t i = 0; i < launch->environment_count; i++)
        if (strncmp(launch->environment[i], "PATH=", 5) == 0)
            return launch->environment[i] + 5;
    return DEFAULT_PATH;
}

static _Noreturn void execute(const struct launch *launch)
{
    static char path[4096];
    const char *name = launch->argv[0];
    int reason = ENOENT;
    if (strchr(name, '/') != NULL) {
        reason = try_path(name, launch);
    } else if (*name != 0) {
        for (const char *at = search_path(launch); *at != 0;) {
            size_t length = strcspn(at, ":");
            int whole = snprintf(path, sizeof path, "%.*s/%s", (int)length, length > 0 ? at : ".", name);
            /* A path that was cut is another program's. */
            int seen = whole < (int)sizeof path ? try_path(path, launch) : ENOENT;
            if (seen != ENOENT)
                reason = seen;
            at += length;
            if (*at == ':')
                at++;
        }
    }
    fail(reason == ENOENT ? "not_found" : "not_executable", "cannot execute it", reason);
}

/* As container engines do: what the image names is made, and belongs to root. */
static void make_directory(const struct launch *launch)
{
    static char path[4096];
    if (chdir(launch->directory) == 0 || errno != ENOENT)
        return;
    int whole = snprintf(path, sizeof path, "%s", launch->directory);
    if (whole >= (int)sizeof path || file_make_directories(path, 0755) < 0)
        fail("bad_directory", launch->directory, errno);
}

static void run_child(void *argument)
{
    struct launch *launch = argument;
    setsid();
    if (container_enter() != 0)
        fail("failed", "cannot enter the container", errno);
    take_descriptors(launch);
    if (launch->make_directory)
        make_directory(launch);
    become_user(launch);
    if (chdir(launch->directory) != 0)
        fail("bad_directory", launch->directory, errno);
    restore_signals();
    process_restore_limits();
    execute(launch);
}

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

/* Descriptors of the agent's side and of the child's. */
struct ends {
    int in, out, err;
    /* -1 where it opens its terminal itself. */
    int child[3];
    int terminal;
};

static int open_terminal(struct ends *ends, const struct json *size)
{
    struct winsize window = {
        .ws_row = (unsigned short)json_number(size, "rows", 24),
        .ws_col = (unsigned short)json_number(size, "cols", 80),
    };
    int unlock = 0;
    int number;
    int master = open(CONTAINER_PTMX, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (master < 0)
        return -1;
    if (ioctl(master, TIOCSPTLCK, &unlock) != 0 || ioctl(master, TIOCGPTN, &number) != 0 ||
        ioctl(master, TIOCSWINSZ, &window) != 0) {
        close(master);
        return -1;
    }
    *ends = (struct ends){.in = master, .out = master, .err = -1, .child = {-1, -1, -1}, .terminal = number};
    return 0;
}

/* The agent's ends do not block; the child's, which are other file descriptions, do. */
static int open_pipes(struct ends *ends)
{
    int pipes[3][2];
    for (int i = 0; i < 3; i++) {
        if (pipe2(pipes[i], O_CLOEXEC) == 0)
            continue;
        while (i-- > 0) {
            close(pipes[i][0]);
            close(pipes[i][1]);
        }
        return -1;
    }
    *ends = (struct ends){.in = pipes[0][1], .out = pipes[1][0], .err = pipes[2][0], .terminal = -1};
    ends->child[0] = pipes[0][0];
    ends->child[1] = pipes[1][1];
    ends->child[2] = pipes[2][1];
    fcntl(ends->in, F_SETFL, O_WRONLY | O_NONBLOCK);
    fcntl(ends->out, F_SETFL, O_NONBLOCK);
    fcntl(ends->err, F_SETFL, O_NONBLOCK);
    return 0;
}

static void close_child_ends(const struct ends *ends)
{
    for (int i = 0; i < 3 && ends->child[i] >= 0; i++)
        close(ends->child[i]);
}

static void close_own_ends(const struct ends *ends)
{
    close(ends->in);
    if (ends->out != ends->in)
        close(ends->out);
    if (ends->err >= 0)
        close(ends->err);
}

static void watch(struct exec *exec, const struct ends *ends)
{
    exec->in = (struct source){.fd = ends->in, .ready = in_ready, .owner = exec};
    exec->out = (struct source){.fd = ends->out, .wanted = POLLIN, .feeds_wire = 1, .ready = out_ready, .owner = exec};
    exec->err = (struct source){.fd = ends->err, .wanted = POLLIN, .feeds_wire = 1, .ready = out_ready, .owner = exec};
    source_add(&exec->in);
    source_add(&exec->out);
    if (ends->err >= 0)
        source_add(&exec->err);
}

/* The same by fork(), and the pipe where the child tells how it went. */
static pid_t spawn_apart(struct launch *launch, const struct cgroup *cgroup, int *answer)
{
    static struct failure own;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -1;
    const struct clone_args how = {
        .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (uint64_t)cgroup->directory};
    pid_t pid = clone_fork(&how);
    if (pid == 0) {
        failure = &own;
        failure_pipe = ends[1];
        run_child(launch);
    }
    close(ends[1]);
    *answer = ends[0];
    if (pid < 0)
        close(ends[0]);
    return pid;
}

/* The process, or -1 with `failure` saying why. With volumes the answer comes later, through a pipe. */
static pid_t spawn(struct launch *launch, const struct cgroup *cgroup, int *answer)
{
    *answer = -1;
    if (failure == NULL) {
        failure = mmap(NULL, sizeof *failure, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (failure == MAP_FAILED)
            die("no memory for commands");
    }
    failure->code[0] = 0;
    pid_t pid = volumes_any() ? spawn_apart(launch, cgroup, answer)
                              : clone_vfork(CLONE_INTO_CGROUP, cgroup->directory, run_child, launch);
    if (pid < 0) {
        snprintf(failure->code, sizeof failure->code, "failed");
        snprintf(failure->message, sizeof failure->message, "cannot make a process: %s", strerror(errno));
    } else if (failure->code[0] != 0) {
        waitpid(pid, NULL, 0);
        pid = -1;
    }
    return pid;
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
        (exec->tty ? open_terminal(&ends, json_get(request, "tty")) : open_pipes(&ends)) != 0) {
        refuse(exec, id, "failed", "the box is out of descriptors or memory");
        return;
    }
    memcpy(launch->fds, ends.child, sizeof launch->fds);
    launch->terminal = ends.terminal;
    int answer;
    exec->pid = spawn(launch, exec->cgroup, &answer);
    close_child_ends(&ends);
    if (exec->pid < 0) {
        close_own_ends(&ends);
        refuse(exec, id, failure->code, failure->message);
        return;
    }
    exec->main = (struct stream){.events = &main_events, .owner = exec};
    exec->error = (struct stream){.events = &error_events, .owner = exec};
    streams_add(&agent.streams, &exec->main, id);
    if (!exec->tty)
        streams_add(&agent.streams, &exec->error, (uint32_t)json_number(request, "stderr", 0));
    watch(exec, &ends);
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
    launch.environment = string_list(json_get(request, "env"), EXTRA_VARIABLES, &launch.environment_count);
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
