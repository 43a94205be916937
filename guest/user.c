#include "user.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The image's files are bounded, like everything of hers. */
#define FILE_BYTES_MAX (256 * 1024)
#define FIELD_BYTES_MAX 256

/* Copies field `index` of a ':'-separated line, cut to fit. */
static void copy_field(const char *line, int index, char out[FIELD_BYTES_MAX])
{
    while (index > 0 && *line != 0 && *line != '\n')
        if (*line++ == ':')
            index--;
    size_t length = index > 0 ? 0 : strcspn(line, ":\n");
    if (length >= FIELD_BYTES_MAX)
        length = FIELD_BYTES_MAX - 1;
    memcpy(out, line, length);
    out[length] = 0;
}

static const char *next_line(const char *line)
{
    const char *end = strchr(line, '\n');
    return end != NULL ? end + 1 : line + strlen(line);
}

static int parse_id(const char *text, unsigned *id)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != 0 || value > 0xfffffffeUL)
        return 0;
    *id = (unsigned)value;
    return 1;
}

/* The first line whose field `index` is `value`. */
static const char *find_line(const char *file, int index, const char *value)
{
    char field[FIELD_BYTES_MAX];
    for (const char *line = file; *line != 0; line = next_line(line)) {
        copy_field(line, index, field);
        if (strcmp(field, value) == 0)
            return line;
    }
    return NULL;
}

static int is_member(const char *members, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = members; at != NULL && *at != 0;) {
        size_t item = strcspn(at, ",");
        if (item == length && memcmp(at, name, length) == 0)
            return 1;
        at += item;
        if (*at == ',')
            at++;
    }
    return 0;
}

static void add_groups(struct user *user, const char *name, const char *group)
{
    char field[FIELD_BYTES_MAX];
    char members[FIELD_BYTES_MAX];
    unsigned gid;
    for (const char *line = group; *line != 0 && user->group_count < USER_GROUPS_MAX; line = next_line(line)) {
        copy_field(line, 2, field);
        copy_field(line, 3, members);
        if (parse_id(field, &gid) && is_member(members, name))
            user->groups[user->group_count++] = (gid_t)gid;
    }
}

static const char *resolve_user(const char *who, const char *passwd, const char *group, struct user *user)
{
    unsigned id;
    int numeric = parse_id(who, &id);
    const char *line = find_line(passwd, 0, who);
    if (line == NULL && numeric)
        line = find_line(passwd, 2, who);
    if (line == NULL && strcmp(who, "root") == 0)
        return NULL;
    if (line == NULL && !numeric)
        return "no such user in the image's /etc/passwd";
    if (line == NULL) {
        user->uid = (uid_t)id;
        return NULL;
    }
    char field[FIELD_BYTES_MAX];
    copy_field(line, 2, field);
    if (!parse_id(field, &id))
        return "the user's line in /etc/passwd is broken";
    user->uid = (uid_t)id;
    copy_field(line, 3, field);
    if (parse_id(field, &id))
        user->gid = (gid_t)id;
    copy_field(line, 5, field);
    if (field[0] == '/')
        memcpy(user->home, field, sizeof field);
    copy_field(line, 0, field);
    add_groups(user, field, group);
    return NULL;
}

static const char *resolve_group(const char *who, const char *group, struct user *user)
{
    unsigned id;
    char field[FIELD_BYTES_MAX];
    const char *line = find_line(group, 0, who);
    if (line != NULL) {
        copy_field(line, 2, field);
        if (!parse_id(field, &id))
            return "the group's line in /etc/group is broken";
    } else if (!parse_id(who, &id)) {
        return "no such group in the image's /etc/group";
    }
    /* A group that is given replaces those of the user. */
    user->gid = (gid_t)id;
    user->group_count = 0;
    return NULL;
}

const char *user_resolve(const char *spec, const char *passwd, const char *group, struct user *user)
{
    char who[FIELD_BYTES_MAX];
    memset(user, 0, sizeof *user);
    strcpy(user->home, "/");
    copy_field(spec, 0, who);
    const char *colon = strchr(spec, ':');
    if (strcmp(who, "") == 0)
        strcpy(who, "0");
    if (strcmp(who, "0") == 0 || strcmp(who, "root") == 0)
        strcpy(user->home, "/root");
    const char *wrong = resolve_user(who, passwd, group, user);
    if (wrong == NULL && colon != NULL && colon[1] != 0)
        wrong = resolve_group(colon + 1, group, user);
    return wrong;
}

static void read_file(const char *path, char *out, size_t size)
{
    size_t used = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ssize_t got;
    while (fd >= 0 && used < size - 1 && (got = read(fd, out + used, size - 1 - used)) > 0)
        used += (size_t)got;
    if (fd >= 0)
        close(fd);
    out[used] = 0;
}

const char *user_lookup(const char *spec, struct user *user)
{
    static char passwd[FILE_BYTES_MAX];
    static char group[FILE_BYTES_MAX];
    read_file("/etc/passwd", passwd, sizeof passwd);
    read_file("/etc/group", group, sizeof group);
    return user_resolve(spec, passwd, group, user);
}
