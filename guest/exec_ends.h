/* The ends of what a command speaks through: the agent's, which do not block, and the child's. */
#ifndef EXEC_ENDS_H
#define EXEC_ENDS_H

#include "json.h"

struct ends {
    /* With a terminal `in` and `out` are one descriptor, and `err` is -1. */
    int in, out, err;
    /* -1 where it opens its terminal itself. */
    int child[3];
    /* The number of its terminal, -1 if it has none. */
    int terminal;
};

/* Three pipes. 0, or -1. */
int ends_open_pipes(struct ends *ends);
/* A terminal of this {rows, cols}. 0, or -1. */
int ends_open_terminal(struct ends *ends, const struct json *size);
/* Gives a terminal another size. */
void ends_resize(int terminal, const struct json *size);

void ends_close_child(const struct ends *ends);
void ends_close_own(const struct ends *ends);

#endif
