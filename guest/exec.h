/* A command that runs, as its input, its output and its life share it. exec.c tells how they go together. */
#ifndef EXEC_H
#define EXEC_H

#include <sys/types.h>

#include "agent.h"
#include "cgroup.h"
#include "exec_ends.h"
#include "outlet.h"

struct exec {
    /* Carries stdin to it, stdout from it, and messages. */
    struct stream main;
    /* Carries stderr; id 0 if there is none. */
    struct stream error;
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
    int tty;
    int large_pipe;
    /* Input the process has not taken. */
    struct outlet waiting;
    /* The host has sent all the input. */
    int in_ending;
    /* A terminal's last line has no end yet. */
    int in_line;
    struct exec *next;
};

/* --- exec_input.c: from the main stream to the process ----------------------------------------------------------- */

void input_open(struct exec *exec, int fd);
/* Nothing is given to the process any more. */
void input_close(struct exec *exec);
/* The stream's events. */
void input_arrived(struct stream *stream, const uint8_t *bytes, size_t length);
void input_ended(struct stream *stream);

/* --- exec_output.c: from the process to its streams -------------------------------------------------------------- */

/* `err` is -1 if there is no stderr. */
void output_open(struct exec *exec, int out, int err);
/* Reads one no more. */
void output_close(struct source *source);
/* The streams' event. */
void output_window_grew(struct stream *stream);

/* --- exec.c: its life -------------------------------------------------------------------------------------------- */

/* Whether there is nothing more to say about it. */
int exec_is_over(const struct exec *exec);
/* Frees it if all of it has ended. */
void exec_free_if_over(struct exec *exec);

#endif
