#include "exec_ends.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "container.h"

static struct winsize window_of(const struct json *size)
{
    return (struct winsize){
        .ws_row = (unsigned short)json_number(size, "rows", 24),
        .ws_col = (unsigned short)json_number(size, "cols", 80),
    };
}

void ends_resize(int terminal, const struct json *size)
{
    const struct winsize window = window_of(size);
    ioctl(terminal, TIOCSWINSZ, &window);
}

int ends_open_terminal(struct ends *ends, const struct json *size)
{
    const struct winsize window = window_of(size);
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

/* The child's ends, which are other file descriptions, do block. */
int ends_open_pipes(struct ends *ends)
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

void ends_close_child(const struct ends *ends)
{
    for (int i = 0; i < 3 && ends->child[i] >= 0; i++)
        close(ends->child[i]);
}

void ends_close_own(const struct ends *ends)
{
    close(ends->in);
    if (ends->out != ends->in)
        close(ends->out);
    if (ends->err >= 0)
        close(ends->err);
}
