#include "file_request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES_MAX 32

/* "name=value" and its NUL, if there is room. */
static size_t put(char *out, size_t size, const char *name, const char *value)
{
    size_t name_length = strlen(name);
    size_t value_length = strlen(value);
    if (name_length == 0 || name_length > NAME_BYTES_MAX || strchr(name, '=') != NULL)
        return 0;
    size_t length = name_length + 1 + value_length + 1;
    if (length > size)
        return 0;
    memcpy(out, name, name_length);
    out[name_length] = '=';
    memcpy(out + name_length + 1, value, value_length + 1);
    return length;
}

size_t file_request_encode(const struct json *object, char *out, size_t size)
{
    char number[32];
    size_t used = 0;
    if (object->type != JSON_OBJECT)
        return 0;
    const struct json *at = object + 1;
    for (uint32_t i = 0; i < object->count; i++) {
        const struct json *value = at + 1;
        const char *text = number;
        if (value->type == JSON_STRING)
            text = value->text;
        else if (value->type == JSON_NUMBER)
            snprintf(number, sizeof number, "%lld", (long long)value->number);
        else if (value->type == JSON_TRUE || value->type == JSON_FALSE)
            snprintf(number, sizeof number, "%d", value->type == JSON_TRUE);
        else
            return 0;
        size_t length = put(out + used, size - used, at->text, text);
        if (length == 0)
            return 0;
        used += length;
        at = value + value->span;
    }
    return used;
}

const char *file_request_text(const struct file_request *request, const char *name, const char *fallback)
{
    size_t name_length = strlen(name);
    for (size_t at = 0; at < request->length; at += strlen(request->text + at) + 1) {
        const char *text = request->text + at;
        if (strncmp(text, name, name_length) == 0 && text[name_length] == '=')
            return text + name_length + 1;
    }
    return fallback;
}

int64_t file_request_number(const struct file_request *request, const char *name, int64_t fallback)
{
    const char *text = file_request_text(request, name, NULL);
    return text != NULL ? strtoll(text, NULL, 10) : fallback;
}

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = c != 0 ? strchr(digits, c) : NULL;
    return found != NULL ? (int)(found - digits) : -1;
}

/* Bytes decoded, or -1 with errno. */
static long base64_decode(const char *text, char *out, size_t size)
{
    uint32_t bits = 0;
    int count = 0;
    size_t length = 0;
    for (; *text != 0 && *text != '='; text++) {
        int digit = base64_digit(*text);
        if (digit < 0) {
            errno = EINVAL;
            return -1;
        }
        bits = bits << 6 | (uint32_t)digit;
        count += 6;
        if (count < 8)
            continue;
        count -= 8;
        if (length == size) {
            errno = ENAMETOOLONG;
            return -1;
        }
        out[length++] = (char)(bits >> count);
    }
    return (long)length;
}

long file_request_path(const struct file_request *request, const char *name, char path[FILE_PATH_BYTES])
{
    char coded[NAME_BYTES_MAX];
    snprintf(coded, sizeof coded, "%s64", name);
    const char *text = file_request_text(request, name, NULL);
    const char *base64 = file_request_text(request, coded, NULL);
    long length = -1;
    if (base64 != NULL) {
        length = base64_decode(base64, path, FILE_PATH_BYTES - 1);
        if (length < 0)
            return -1;
        path[length] = 0;
    } else if (text != NULL) {
        length = (long)strlen(text);
        if (length >= FILE_PATH_BYTES) {
            errno = ENAMETOOLONG;
            return -1;
        }
        memcpy(path, text, (size_t)length + 1);
    }
    if (length < 0 || strlen(path) != (size_t)length) {
        errno = EINVAL;
        return -1;
    }
    return length;
}
