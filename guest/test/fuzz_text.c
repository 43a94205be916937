/*
 * Fuzzes the readers of text. The input is read as JSON, and, cut at its first two NULs, as a user and the image's
 * /etc/passwd and /etc/group.
 */
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "user.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

/* Visits a value and what is in it; returns what follows. */
static const struct json *visit(const struct json *value, int depth)
{
    const struct json *at = value + 1;
    require(depth <= JSON_DEPTH_MAX + 1);
    if (value->type == JSON_STRING)
        require(value->text != NULL && strlen(value->text) < SIZE_MAX);
    for (uint32_t i = 0; i < value->count; i++) {
        if (value->type == JSON_OBJECT) {
            require(at->type == JSON_STRING);
            require(json_get(value, at->text) != NULL);
            at = visit(at, depth + 1);
        }
        at = visit(at, depth + 1);
    }
    require(at == value + value->span);
    return at;
}

static void read_as_json(const uint8_t *data, size_t size)
{
    char *text = malloc(size > 0 ? size : 1);
    require(text != NULL);
    memcpy(text, data, size);
    struct json *value = json_parse(text, size);
    if (value != NULL)
        visit(value, 1);
    free(value);
    free(text);
}

static void read_as_user(const uint8_t *data, size_t size)
{
    struct user user;
    char *text = malloc(size + 3);
    require(text != NULL);
    memcpy(text, data, size);
    memset(text + size, 0, 3);
    const char *passwd = text + strlen(text) + 1;
    const char *group = passwd + strlen(passwd) + 1;
    if (user_resolve(text, passwd, group, &user) == NULL) {
        require(user.uid != (uid_t)-1 && user.gid != (gid_t)-1);
        require(user.group_count >= 0 && user.group_count <= USER_GROUPS_MAX);
        require(user.home[0] == '/' && memchr(user.home, 0, sizeof user.home) != NULL);
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_as_json(data, size);
    read_as_user(data, size);
    return 0;
}
