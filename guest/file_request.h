/* Requests as a worker gets them: "name=value" texts, one behind the other, each ended by a NUL. Pure. */
#ifndef FILE_REQUEST_H
#define FILE_REQUEST_H

#include <stddef.h>
#include <stdint.h>

#include "json.h"

/* Of a path, with its NUL: what a system call takes. */
#define FILE_PATH_BYTES 4096

struct file_request {
    const char *text;
    size_t length;
};

/* Writes an object's texts, numbers and booleans. Bytes written, or 0 if it holds something else or does not fit. */
size_t file_request_encode(const struct json *object, char *out, size_t size);

/* The value of a name, or `fallback`. */
const char *file_request_text(const struct file_request *request, const char *name, const char *fallback);
int64_t file_request_number(const struct file_request *request, const char *name, int64_t fallback);

/*
 * The path called `name`. One that is no UTF-8 comes in base64, as "<name>64". Returns its length, or -1 with errno: it
 * is missing, too long, or holds a NUL.
 */
long file_request_path(const struct file_request *request, const char *name, char path[FILE_PATH_BYTES]);

#endif
