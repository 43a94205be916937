/* Who a command runs as, looked up in the image's own files. */
#ifndef USER_H
#define USER_H

#include <sys/types.h>

#define USER_GROUPS_MAX 64

struct user {
    uid_t uid;
    gid_t gid;
    gid_t groups[USER_GROUPS_MAX];
    int group_count;
    /* Where HOME points; "/" if the files do not say. */
    char home[256];
};

/*
 * Resolves "name", "uid", "uid:gid", "name:group" or "" (root) as container engines do: a number need not be listed, a
 * name must. `passwd` and `group` are the contents of the image's files, NUL-terminated, empty if they are missing.
 * NULL, or what is wrong.
 */
const char *user_resolve(const char *spec, const char *passwd, const char *group, struct user *user);

/* Reads /etc/passwd and /etc/group of the current root, and resolves `spec` with them. */
const char *user_lookup(const char *spec, struct user *user);

#endif
