/* What the tests share: results in TAP, and memory of just the size of what is to be read. */
#ifndef TAP_H
#define TAP_H

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tests;
static int failures;

__attribute__((format(printf, 2, 3))) static inline void test(int passed, const char *name, ...)
{
    va_list arguments;
    va_start(arguments, name);
    printf("%s %d - ", passed ? "ok" : "not ok", ++tests);
    vprintf(name, arguments);
    putchar('\n');
    va_end(arguments);
    failures += !passed;
}

/* The last line, and what main() returns. */
static inline int tap_end(void)
{
    printf("1..%d\n", tests);
    if (failures > 0)
        printf("# %d of %d failed\n", failures, tests);
    return failures > 0;
}

static inline void *must(void *memory)
{
    if (memory == NULL) {
        puts("Bail out! no memory");
        exit(1);
    }
    return memory;
}

/* A copy in memory of its own, without a NUL behind it. */
static inline uint8_t *exact(const void *bytes, size_t length)
{
    uint8_t *copy = must(malloc(length > 0 ? length : 1));
    memcpy(copy, bytes, length);
    return copy;
}

#endif
