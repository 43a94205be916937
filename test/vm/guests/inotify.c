/* Says "ready", and then what happens in a directory, until something there is deleted. */
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    _Alignas(struct inotify_event) char events[4096];
    int fd = inotify_init1(IN_CLOEXEC);
    if (argc != 2 || inotify_add_watch(fd, argv[1], IN_CREATE | IN_MODIFY | IN_MOVE | IN_DELETE) < 0)
        return 1;
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        ssize_t got = read(fd, events, sizeof events);
        const struct inotify_event *event;
        for (char *at = events; at < events + got; at += sizeof *event + event->len) {
            event = (const struct inotify_event *)at;
            printf("%x %s\n", event->mask, event->name);
            if (event->mask & IN_DELETE)
                return 0;
        }
    }
}
