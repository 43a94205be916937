#include "json.h"

#include <stdlib.h>
#include <string.h>

struct reader {
    char *at;
    char *end;
    struct json *values;
    uint32_t used;
    uint32_t capacity;
};

static void skip_space(struct reader *reader)
{
    while (reader->at < reader->end && strchr(" \t\r\n", *reader->at) != NULL && *reader->at != 0)
        reader->at++;
}

/* Takes `c` after white space. */
static int take(struct reader *reader, char c)
{
    skip_space(reader);
    if (reader->at >= reader->end || *reader->at != c)
        return 0;
    reader->at++;
    return 1;
}

static int hex4(const char *at, const char *end, uint32_t *value)
{
    if (end - at < 4)
        return 0;
    *value = 0;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        uint32_t digit;
        if (c >= '0' && c <= '9')
            digit = (uint32_t)(c - '0');
        else if ((c | 32) >= 'a' && (c | 32) <= 'f')
            digit = (uint32_t)((c | 32) - 'a' + 10);
        else
            return 0;
        *value = *value << 4 | digit;
    }
    return 1;
}

static char *put_utf8(char *out, uint32_t point)
{
    if (point < 0x80) {
        *out++ = (char)point;
    } else if (point < 0x800) {
        *out++ = (char)(0xc0 | point >> 6);
        *out++ = (char)(0x80 | (point & 0x3f));
    } else if (point < 0x10000) {
        *out++ = (char)(0xe0 | point >> 12);
        *out++ = (char)(0x80 | (point >> 6 & 0x3f));
        *out++ = (char)(0x80 | (point & 0x3f));
    } else {
        *out++ = (char)(0xf0 | point >> 18);
        *out++ = (char)(0x80 | (point >> 12 & 0x3f));
        *out++ = (char)(0x80 | (point >> 6 & 0x3f));
        *out++ = (char)(0x80 | (point & 0x3f));
    }
    return out;
}

/* Reads the four digits after \u, and the second half of a surrogate pair. A NUL is refused. Half a pair has no UTF-8:
 * it becomes U+FFFD, as when a JavaScript string is encoded. */
static int take_unicode(struct reader *reader, uint32_t *point)
{
    if (!hex4(reader->at, reader->end, point) || *point == 0)
        return 0;
    reader->at += 4;
    if (*point < 0xd800 || *point >= 0xe000)
        return 1;
    uint32_t low;
    if (*point < 0xdc00 && reader->end - reader->at >= 6 && reader->at[0] == '\\' && reader->at[1] == 'u' &&
        hex4(reader->at + 2, reader->end, &low) && low >= 0xdc00 && low < 0xe000) {
        reader->at += 6;
        *point = 0x10000 + ((*point - 0xd800) << 10) + (low - 0xdc00);
    } else {
        *point = 0xfffd;
    }
    return 1;
}

static int take_escape(struct reader *reader, char **out)
{
    static const char names[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    if (reader->at >= reader->end)
        return 0;
    char c = *reader->at++;
    if (c == 'u') {
        uint32_t point;
        if (!take_unicode(reader, &point))
            return 0;
        *out = put_utf8(*out, point);
        return 1;
    }
    const char *name = c != 0 ? strchr(names, c) : NULL;
    if (name == NULL)
        return 0;
    *(*out)++ = meanings[name - names];
    return 1;
}

/* Unescapes in place: the result is never longer than what it came from. */
static char *take_string(struct reader *reader)
{
    if (!take(reader, '"'))
        return NULL;
    char *start = reader->at;
    char *out = start;
    while (reader->at < reader->end) {
        char c = *reader->at++;
        if (c == '"') {
            *out = 0;
            return start;
        }
        if (c == '\\') {
            if (!take_escape(reader, &out))
                return NULL;
        } else if ((unsigned char)c < 0x20) {
            return NULL;
        } else {
            *out++ = c;
        }
    }
    return NULL;
}

static int take_number(struct reader *reader, int64_t *number)
{
    int negative = take(reader, '-');
    int digits = 0;
    int64_t value = 0;
    if (reader->end - reader->at >= 2 && reader->at[0] == '0' && reader->at[1] >= '0' && reader->at[1] <= '9')
        return 0;
    while (reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9' && digits < 16) {
        value = value * 10 + (*reader->at++ - '0');
        digits++;
    }
    *number = negative ? -value : value;
    return digits > 0;
}

static int take_word(struct reader *reader, const char *word)
{
    size_t length = strlen(word);
    if ((size_t)(reader->end - reader->at) < length || memcmp(reader->at, word, length) != 0)
        return 0;
    reader->at += length;
    return 1;
}

static struct json *new_value(struct reader *reader, enum json_type type)
{
    if (reader->used == reader->capacity)
        return NULL;
    struct json *value = &reader->values[reader->used++];
    *value = (struct json){.type = type, .span = 1};
    return value;
}

static int take_value(struct reader *reader, int depth);

static int take_string_value(struct reader *reader)
{
    struct json *value = new_value(reader, JSON_STRING);
    if (value == NULL)
        return 0;
    value->text = take_string(reader);
    return value->text != NULL;
}

/* The elements or pairs up to the closing bracket. */
static int take_children(struct reader *reader, enum json_type type, int depth)
{
    char close = type == JSON_ARRAY ? ']' : '}';
    uint32_t index = reader->used;
    if (depth == 0 || new_value(reader, type) == NULL)
        return 0;
    uint32_t count = 0;
    if (!take(reader, close)) {
        do {
            if (type == JSON_OBJECT && (!take_string_value(reader) || !take(reader, ':')))
                return 0;
            if (!take_value(reader, depth - 1))
                return 0;
            count++;
        } while (take(reader, ','));
        if (!take(reader, close))
            return 0;
    }
    reader->values[index].count = count;
    reader->values[index].span = reader->used - index;
    return 1;
}

static int take_value(struct reader *reader, int depth)
{
    skip_space(reader);
    if (reader->at >= reader->end)
        return 0;
    switch (*reader->at) {
    case '"':
        return take_string_value(reader);
    case '[':
        reader->at++;
        return take_children(reader, JSON_ARRAY, depth);
    case '{':
        reader->at++;
        return take_children(reader, JSON_OBJECT, depth);
    case 'n':
        return take_word(reader, "null") && new_value(reader, JSON_NULL) != NULL;
    case 't':
        return take_word(reader, "true") && new_value(reader, JSON_TRUE) != NULL;
    case 'f':
        return take_word(reader, "false") && new_value(reader, JSON_FALSE) != NULL;
    default:
        break;
    }
    struct json *value = new_value(reader, JSON_NUMBER);
    return value != NULL && take_number(reader, &value->number);
}

/* No text has more values than marks between them. */
static uint32_t count_values(const char *text, size_t length)
{
    uint32_t count = 2;
    for (size_t i = 0; i < length && count < JSON_VALUES_MAX; i++)
        if (text[i] == ',' || text[i] == ':' || text[i] == '[' || text[i] == '{')
            count++;
    return count;
}

struct json *json_parse(char *text, size_t length)
{
    struct reader reader = {.at = text, .end = text + length, .capacity = count_values(text, length)};
    reader.values = calloc(reader.capacity, sizeof *reader.values);
    if (reader.values == NULL)
        return NULL;
    int whole = take_value(&reader, JSON_DEPTH_MAX);
    skip_space(&reader);
    if (!whole || reader.at != reader.end) {
        free(reader.values);
        return NULL;
    }
    return reader.values;
}

const struct json *json_get(const struct json *object, const char *key)
{
    if (object == NULL || object->type != JSON_OBJECT)
        return NULL;
    const struct json *at = object + 1;
    for (uint32_t i = 0; i < object->count; i++) {
        const struct json *value = at + 1;
        if (strcmp(at->text, key) == 0)
            return value;
        at = value + value->span;
    }
    return NULL;
}

const char *json_text(const struct json *object, const char *key, const char *fallback)
{
    const struct json *value = json_get(object, key);
    return value != NULL && value->type == JSON_STRING ? value->text : fallback;
}

int64_t json_number(const struct json *object, const char *key, int64_t fallback)
{
    const struct json *value = json_get(object, key);
    return value != NULL && value->type == JSON_NUMBER ? value->number : fallback;
}

size_t json_quote(char *out, size_t size, const char *text)
{
    size_t used = 0;
    if (size < 3)
        return 0;
    out[used++] = '"';
    /* Six bytes for the longest escape, two for the quote and the NUL. */
    for (; *text != 0 && used + 8 <= size; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            out[used++] = '\\';
            out[used++] = (char)c;
        } else if (c < 0x20 || c >= 0x7f) {
            /* What is not ASCII may be cut or wrong UTF-8; messages are for people. */
            out[used++] = '?';
        } else {
            out[used++] = (char)c;
        }
    }
    out[used++] = '"';
    out[used] = 0;
    return used;
}
