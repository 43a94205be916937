/*
 * Services for the tests of ports: `service KIND ADDRESS PORT [COMMAND...]`. Says "ready" once it listens.
 *
 *     echo   TCP: sends back what it gets, and ends behind the client
 *     many   TCP: the same for many clients at once
 *     first  TCP: ends before the client, and keeps in /late what comes after that
 *     once   TCP: becomes the command, with the first connection as its input and output
 *     reset  TCP: waits for a byte, then ends with a RST
 *     stall  TCP: takes connections, and nothing from them
 *     udp    sends datagrams back
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS_MAX 2000

static char buffer[65536];

static int listen_at(const char *address, const char *port, int type)
{
    struct addrinfo hints = {.ai_socktype = type, .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *found;
    int on = 1;
    if (getaddrinfo(address, port, &hints, &found) != 0)
        exit(2);
    int fd = socket(found->ai_family, type, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) != 0 || (type == SOCK_STREAM && listen(fd, 1024) != 0)) {
        perror("service");
        exit(1);
    }
    puts("ready");
    fflush(stdout);
    return fd;
}

static void echo(int client)
{
    ssize_t got;
    while ((got = read(client, buffer, sizeof buffer)) > 0)
        for (ssize_t at = 0, written; at < got; at += written)
            if ((written = write(client, buffer + at, (size_t)(got - at))) < 0)
                return;
    shutdown(client, SHUT_WR);
}

static void first(int client)
{
    ssize_t got;
    FILE *late = fopen("/late.new", "w");
    shutdown(client, SHUT_WR);
    while (late != NULL && (got = read(client, buffer, sizeof buffer)) > 0)
        fwrite(buffer, 1, (size_t)got, late);
    if (late != NULL && fclose(late) == 0)
        rename("/late.new", "/late");
}

static void become(int server, char **command)
{
    int client = accept(server, NULL, NULL);
    dup2(client, 0);
    dup2(client, 1);
    close(client);
    close(server);
    execvp(*command, command);
}

static void reset(int client)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    if (read(client, buffer, 1) == 1)
        setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

static void stall(int client)
{
    (void)client;
    pause();
}

static void serve(int server, void (*service)(int))
{
    int client;
    signal(SIGCHLD, SIG_IGN);
    while ((client = accept(server, NULL, NULL)) >= 0) {
        if (fork() == 0) {
            close(server);
            service(client);
            close(client);
            _exit(0);
        }
        close(client);
    }
}

/* The same as `echo` for many clients in one process. */
static void serve_many(int server)
{
    static struct pollfd polled[CLIENTS_MAX + 1];
    const struct rlimit files = {.rlim_cur = CLIENTS_MAX + 16, .rlim_max = CLIENTS_MAX + 16};
    nfds_t count = 1;
    setrlimit(RLIMIT_NOFILE, &files);
    polled[0] = (struct pollfd){.fd = server, .events = POLLIN};
    while (poll(polled, count, -1) > 0) {
        for (nfds_t i = count; --i > 0;) {
            if (polled[i].revents == 0)
                continue;
            ssize_t got = read(polled[i].fd, buffer, sizeof buffer);
            for (ssize_t at = 0, written; at < got; at += written)
                if ((written = write(polled[i].fd, buffer + at, (size_t)(got - at))) < 0)
                    break;
            if (got > 0)
                continue;
            close(polled[i].fd);
            polled[i] = polled[--count];
        }
        if (polled[0].revents != 0 && count <= CLIENTS_MAX)
            polled[count++] = (struct pollfd){.fd = accept(server, NULL, NULL), .events = POLLIN};
    }
}

static void serve_datagrams(int server)
{
    struct sockaddr_storage client;
    for (;;) {
        socklen_t length = sizeof client;
        ssize_t got = recvfrom(server, buffer, sizeof buffer, 0, (struct sockaddr *)&client, &length);
        if (got >= 0)
            sendto(server, buffer, (size_t)got, 0, (struct sockaddr *)&client, length);
    }
}

int main(int argc, char **argv)
{
    const char *kind = argc >= 4 ? argv[1] : "";
    if (strcmp(kind, "once") == 0 && argc > 4)
        become(listen_at(argv[2], argv[3], SOCK_STREAM), argv + 4);
    else if (strcmp(kind, "first") == 0)
        serve(listen_at(argv[2], argv[3], SOCK_STREAM), first);
    else if (strcmp(kind, "echo") == 0)
        serve(listen_at(argv[2], argv[3], SOCK_STREAM), echo);
    else if (strcmp(kind, "many") == 0)
        serve_many(listen_at(argv[2], argv[3], SOCK_STREAM));
    else if (strcmp(kind, "reset") == 0)
        serve(listen_at(argv[2], argv[3], SOCK_STREAM), reset);
    else if (strcmp(kind, "stall") == 0)
        serve(listen_at(argv[2], argv[3], SOCK_STREAM), stall);
    else if (strcmp(kind, "udp") == 0)
        serve_datagrams(listen_at(argv[2], argv[3], SOCK_DGRAM));
    return 2;
}
