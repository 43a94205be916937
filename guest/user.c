#include "user.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

/* The image's files are bounded, like everything of hers. */
#define FILE_BYTES_MAX (256 * 1024)

/* A part of a file or a request, looked at where it is: nothing is cut, however long it may be. */
struct field {
    const char *text;
    size_t length;
};

/* Field `index` of a ':'-separated line, empty if there are fewer. */
static struct field field_at(const char *line, int index)
{
    while (index > 0 && *line != 0 && *line != '\n')
        if (*line++ == ':')
            index--;
    return (struct field){line, index > 0 ? 0 : strcspn(line, ":\n")};
}

static int same(struct field one, struct field other)
{
    return one.length == other.length && memcmp(one.text, other.text, one.length) == 0;
}

static int is_text(struct field field, const char *text)
{
    return same(field, (struct field){text, strlen(text)});
}

static const char *next_line(const char *line)
{
    const char *end = strchr(line, '\n');
    return end != NULL ? end + 1 : line + strlen(line);
}

/* The last id, 2^32 - 1, means "no change" to the kernel. */
static int parse_id(struct field field, unsigned *id)
{
    uint64_t value = 0;
    for (size_t i = 0; i < field.length; i++) {
        if (field.text[i] < '0' || field.text[i] > '9')
            return 0;
        value = value * 10 + (uint64_t)(field.text[i] - '0');
        if (value >= UINT32_MAX)
            return 0;
    }
    *id = (unsigned)value;
    return field.length > 0;
}

/* The first line whose field `index` is `value`. */
static const char *find_line(const char *file, int index, struct field value)
{
    for (const char *line = file; *line != 0; line = next_line(line))
        if (same(field_at(line, index), value))
            return line;
    return NULL;
}

/* The same for a number, however it is spelled. */
static const char *find_id(const char *file, int index, unsigned wanted)
{
    unsigned id;
    for (const char *line = file; *line != 0; line = next_line(line))
        if (parse_id(field_at(line, index), &id) && id == wanted)
            return line;
    return NULL;
}

static int is_member(struct field members, struct field name)
{
    while (members.length > 0) {
        const char *comma = memchr(members.text, ',', members.length);
        size_t length = comma != NULL ? (size_t)(comma - members.text) : members.length;
        if (same((struct field){members.text, length}, name))
            return 1;
        if (comma != NULL)
            length++;
        members.text += length;
        members.length -= length;
    }
    return 0;
}

static void add_groups(struct user *user, struct field name, const char *group)
{
    unsigned gid;
    for (const char *line = group; *line != 0 && user->group_count < USER_GROUPS_MAX; line = next_line(line))
        if (is_member(field_at(line, 3), name) && parse_id(field_at(line, 2), &gid))
            user->groups[user->group_count++] = (gid_t)gid;
}

static const char *resolve_user(struct field who, const char *passwd, const char *group, struct user *user)
{
    unsigned uid;
    unsigned gid;
    int numeric = parse_id(who, &uid);
    const char *line = find_line(passwd, 0, who);
    if (line == NULL && numeric)
        line = find_id(passwd, 2, uid);
    if (line == NULL && is_text(who, "root"))
        return NULL;
    if (line == NULL && !numeric)
        return "no such user in the image's /etc/passwd";
    if (line == NULL) {
        user->uid = (uid_t)uid;
        return NULL;
    }
    if (!parse_id(field_at(line, 2), &uid) || !parse_id(field_at(line, 3), &gid))
        return "the user's line in /etc/passwd is broken";
    user->uid = (uid_t)uid;
    user->gid = (gid_t)gid;
    struct field home = field_at(line, 5);
    if (home.length > 0 && home.length < sizeof user->home && home.text[0] == '/') {
        memcpy(user->home, home.text, home.length);
        user->home[home.length] = 0;
    }
    add_groups(user, field_at(line, 0), group);
    return NULL;
}

static const char *resolve_group(struct field who, const char *group, struct user *user)
{
    unsigned gid;
    const char *line = find_line(group, 0, who);
    if (line != NULL && !parse_id(field_at(line, 2), &gid))
        return "the group's line in /etc/group is broken";
    if (line == NULL && !parse_id(who, &gid))
        return "no such group in the image's /etc/group";
    /* A group that is given replaces those of the user. */
    user->gid = (gid_t)gid;
    user->group_count = 0;
    return NULL;
}

const char *user_resolve(const char *spec, const char *passwd, const char *group, struct user *user)
{
    const char *colon = strchr(spec, ':');
    struct field who = {spec, colon != NULL ? (size_t)(colon - spec) : strlen(spec)};
    memset(user, 0, sizeof *user);
    if (who.length == 0)
        who = (struct field){"0", 1};
    strcpy(user->home, is_text(who, "0") || is_text(who, "root") ? "/root" : "/");
    const char *wrong = resolve_user(who, passwd, group, user);
    if (wrong == NULL && colon != NULL && colon[1] != 0)
        wrong = resolve_group((struct field){colon + 1, strlen(colon + 1)}, group, user);
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
