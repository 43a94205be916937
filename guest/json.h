/* A small JSON reader: one pass, in place, into a flat array. Whole numbers only. Pure. */
#ifndef JSON_H
#define JSON_H

#include <stddef.h>
#include <stdint.h>

#include "portal_messages.h" /* JSON_DEPTH_MAX */

enum json_type { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* More than any request needs: 2 000 variables and as many arguments many times over. */
#define JSON_VALUES_MAX 65536

/* A value. Its children follow it in the array, an object's as key, value, key, value. */
struct json {
    enum json_type type;
    /* Values in this subtree, itself included: where the next sibling is. */
    uint32_t span;
    /* Elements of an array, pairs of an object. */
    uint32_t count;
    /* A string's text: unescaped, NUL-terminated, without a NUL inside. */
    char *text;
    int64_t number;
};

/* Reads `text`, which it changes. NULL if it is not JSON, is too deep or too much; free() the result. */
struct json *json_parse(char *text, size_t length);

/* The value of an object's field, NULL if there is none or `object` is not an object. */
const struct json *json_get(const struct json *object, const char *key);
/* The same if it is a string, otherwise `fallback`. */
const char *json_text(const struct json *object, const char *key, const char *fallback);
/* The same if it is a number, otherwise `fallback`. */
int64_t json_number(const struct json *object, const char *key, int64_t fallback);

/* Writes `text` as a JSON string, quotes included, cut to fit `size`. Returns the bytes written, without the NUL. */
size_t json_quote(char *out, size_t size, const char *text);

#endif
