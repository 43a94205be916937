/*
 * Tests of the file service's parts, in TAP: `test_files RECORDS SCRATCH`, where RECORDS is test/vectors/archive.txt and
 * SCRATCH a directory to work in. Built with AddressSanitizer; what is to be read lies in memory of just its size.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "archive.h"
#include "directories.h"
#include "file_request.h"
#include "file_sink.h"
#include "file_tree.h"
#include "tap.h"

#define MEBIBYTE (1024 * 1024)

/* --- The golden records ------------------------------------------------------------------------------------------ */

static size_t from_hex(const char *text, uint8_t *out)
{
    size_t length = 0;
    unsigned value;
    for (; text[0] != '-' && sscanf(text, "%2x", &value) == 1; text += 2)
        out[length++] = (uint8_t)value;
    return length;
}

static int is_entry(uint8_t kind)
{
    return kind >= ARCHIVE_DIRECTORY && kind <= ARCHIVE_LINK;
}

/* NULL, or what the decoder says. */
static const char *decode(const uint8_t *record, size_t length, struct archive_header *header,
                          struct archive_entry *entry)
{
    const char *wrong = archive_decode_header(record, header);
    if (wrong != NULL)
        return wrong;
    if (header->length != length - ARCHIVE_HEADER_BYTES)
        return "the record is not as long as it says";
    return is_entry(header->kind)
               ? archive_decode_entry(header->kind, record + ARCHIVE_HEADER_BYTES, header->length, entry)
               : NULL;
}

struct fields {
    unsigned mode;
    uint32_t link;
    int64_t seconds;
    uint32_t nanoseconds;
    char name[2 * ARCHIVE_NAME_MAX + 4];
    char target[2 * ARCHIVE_TARGET_MAX + 4];
};

static int same_entry(const struct archive_entry *entry, const struct fields *fields)
{
    static uint8_t name[ARCHIVE_NAME_MAX + 1];
    static uint8_t target[ARCHIVE_TARGET_MAX + 1];
    name[from_hex(fields->name, name)] = 0;
    target[from_hex(fields->target, target)] = 0;
    return entry->mode == fields->mode && entry->link == fields->link && entry->seconds == fields->seconds &&
           entry->nanoseconds == fields->nanoseconds && strcmp(entry->name, (char *)name) == 0 &&
           strcmp(entry->target, (char *)target) == 0;
}

static void test_record(const char *title, int good, const uint8_t *bytes, size_t length, const struct fields *fields)
{
    static struct archive_entry entry;
    static uint8_t again[ARCHIVE_HEADER_BYTES + ARCHIVE_ENTRY_BYTES_MAX];
    struct archive_header header;
    uint8_t *record = exact(bytes, length);
    const char *wrong = decode(record, length, &header, &entry);
    if (!good) {
        test(wrong != NULL, "refuses %s", title);
    } else if (wrong != NULL || !is_entry(header.kind)) {
        test(wrong == NULL, "reads %s", title);
    } else {
        test(same_entry(&entry, fields), "reads %s", title);
        size_t size = archive_encode_entry(again, header.kind, &entry);
        test(size == length && memcmp(again, record, length) == 0, "writes %s", title);
    }
    free(record);
}

static void test_records(const char *path)
{
    static char line[32 * 1024];
    static char hex[32 * 1024];
    static uint8_t bytes[16 * 1024];
    static struct fields fields;
    char title[64];
    char verdict[8];
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        test(0, "%s can be read", path);
        return;
    }
    while (fgets(line, sizeof line, file) != NULL) {
        if (line[0] == '#' || line[0] == '\n')
            continue;
        int count = sscanf(line, "%63s %7s %32767s %u %" SCNu32 " %" SCNd64 " %" SCNu32 " %513s %8193s", title, verdict,
                           hex, &fields.mode, &fields.link, &fields.seconds, &fields.nanoseconds, fields.name,
                           fields.target);
        if (count != 3 && count != 9)
            test(0, "a line of the records reads: %s", title);
        else
            test_record(title, strcmp(verdict, "ok") == 0, bytes, from_hex(hex, bytes), &fields);
    }
    fclose(file);
}

static void test_hole(void)
{
    uint8_t record[ARCHIVE_HEADER_BYTES + 8];
    struct archive_header header;
    int same = 1;
    const uint64_t lengths[] = {0, 1, 1ULL << 32, UINT64_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        same &= archive_encode_hole(record, lengths[i]) == sizeof record;
        same &= archive_decode_header(record, &header) == NULL && header.kind == ARCHIVE_HOLE;
        same &= archive_decode_hole(record + ARCHIVE_HEADER_BYTES) == lengths[i];
    }
    test(same, "a hole of any length reads as it was written");
}

/* --- Requests ---------------------------------------------------------------------------------------------------- */

static struct json *parse(char *text)
{
    struct json *json = json_parse(text, strlen(text));
    return must(json);
}

static void test_requests(void)
{
    char text[] = "{\"op\":\"stat\",\"path\":\"/a=b\",\"opus\":\"no\",\"mode\":420,\"yes\":true,\"no\":false,\"low\":-7,"
                  "\"empty\":\"\"}";
    char encoded[256];
    struct json *json = parse(text);
    size_t length = file_request_encode(json, encoded, sizeof encoded);
    uint8_t *copy = exact(encoded, length);
    const struct file_request request = {.text = (char *)copy, .length = length};
    char path[FILE_PATH_BYTES];
    test(strcmp(file_request_text(&request, "op", ""), "stat") == 0, "a request has its texts");
    test(strcmp(file_request_text(&request, "empty", "x"), "") == 0, "an empty text is one");
    test(strcmp(file_request_text(&request, "pat", "none"), "none") == 0, "half a name is none");
    test(file_request_number(&request, "mode", 0) == 420 && file_request_number(&request, "low", 0) == -7 &&
             file_request_number(&request, "yes", 0) == 1 && file_request_number(&request, "no", 1) == 0,
         "a request has its numbers and booleans");
    test(file_request_number(&request, "absent", 9) == 9, "what is absent has its fallback");
    test(file_request_path(&request, "path", path) == 4 && strcmp(path, "/a=b") == 0, "a path may hold anything");
    test(file_request_path(&request, "to", path) < 0 && errno == EINVAL, "a path that is absent is an error");
    int fits = 1;
    for (size_t size = 0; size < length; size++) {
        char *small = must(malloc(size > 0 ? size : 1));
        fits &= file_request_encode(json, small, size) == 0;
        free(small);
    }
    test(fits, "a request that does not fit is refused");
    free(copy);
    free(json);
}

static void test_refused_requests(void)
{
    char encoded[64];
    char array[] = "{\"op\":[1]}";
    char object[] = "{\"op\":{}}";
    char null[] = "{\"op\":null}";
    char name[] = "{\"a=b\":\"c\"}";
    char nameless[] = "{\"\":\"c\"}";
    char list[] = "[]";
    char *const texts[] = {array, object, null, name, nameless, list};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char shown[64];
        snprintf(shown, sizeof shown, "%s", texts[i]);
        struct json *json = parse(texts[i]);
        test(file_request_encode(json, encoded, sizeof encoded) == 0, "refuses %s", shown);
        free(json);
    }
}

static long coded_path(const char *base64, char path[FILE_PATH_BYTES])
{
    static char text[2 * FILE_PATH_BYTES];
    int length = snprintf(text, sizeof text, "path64=%s", base64);
    const struct file_request request = {.text = text, .length = (size_t)length + 1};
    return file_request_path(&request, "path", path);
}

static void test_coded_paths(void)
{
    static char path[FILE_PATH_BYTES];
    static char longest[FILE_PATH_BYTES * 4 / 3 + 8];
    test(coded_path("L/+A", path) == 3 && memcmp(path, "/\xff\x80", 4) == 0, "a path of any bytes comes in base64");
    test(coded_path("L2E=", path) == 2 && strcmp(path, "/a") == 0, "one with padding");
    test(coded_path("L2EA", path) < 0 && errno == EINVAL, "a NUL inside is refused");
    test(coded_path("L2E*", path) < 0 && errno == EINVAL, "what is no base64 is refused");
    memset(longest, 'Y', sizeof longest - 1);
    longest[4095 / 3 * 4] = 0;
    test(coded_path(longest, path) == 4095, "the longest path is taken");
    longest[4095 / 3 * 4] = 'Y';
    longest[4095 / 3 * 4 + 4] = 0;
    test(coded_path(longest, path) < 0 && errno == ENAMETOOLONG, "a longer one is refused");
}

/* --- Files ------------------------------------------------------------------------------------------------------- */

/* What the sink does not write is zero. */
static int expect_file(const char *name, const uint8_t *wanted, size_t size)
{
    int fd = open(name, O_RDONLY);
    uint8_t *found = must(malloc(size + 1));
    ssize_t got = read(fd, found, size + 1);
    int same = got == (ssize_t)size && memcmp(found, wanted, size) == 0;
    close(fd);
    free(found);
    return same;
}

/* Writes pieces of several sizes: around the buffer's, and far from it. */
static void test_sink(const char *name, int flags, size_t first, size_t piece, size_t count)
{
    size_t size = first + piece * count;
    uint8_t *bytes = must(malloc(size));
    struct file_sink sink;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 31 + i / 4096);
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | flags, 0600);
    int good = file_sink_open(&sink, fd) == 0 && file_sink_put(&sink, bytes, first) == 0;
    for (size_t i = 0; i < count; i++)
        good &= file_sink_put(&sink, bytes + first + i * piece, piece) == 0;
    good &= file_sink_finish(&sink) == 0;
    close(fd);
    test(good && expect_file(name, bytes, size), "a sink writes %zu and %zu times %zu bytes%s", first, count, piece,
         flags & O_APPEND ? " at the end" : "");
    free(bytes);
    unlink(name);
}

static void test_sink_from(off_t start)
{
    static uint8_t bytes[3 * MEBIBYTE];
    struct file_sink sink;
    memset(bytes, 0, sizeof bytes);
    memset(bytes + start, 'x', sizeof bytes - (size_t)start);
    int fd = open("from", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    lseek(fd, start, SEEK_SET);
    int good = file_sink_open(&sink, fd) == 0 && file_sink_put(&sink, bytes + start, sizeof bytes - (size_t)start) == 0 &&
               file_sink_finish(&sink) == 0;
    close(fd);
    test(good && expect_file("from", bytes, sizeof bytes), "a sink begins at %lld", (long long)start);
    unlink("from");
}

static void test_holes(void)
{
    static uint8_t bytes[4 * MEBIBYTE];
    struct file_sink sink;
    struct stat found;
    memset(bytes, 0, sizeof bytes);
    memset(bytes + MEBIBYTE, 'a', 10);
    int fd = open("holes", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    int good = file_sink_open(&sink, fd) == 0 && file_sink_skip(&sink, MEBIBYTE) == 0 &&
               file_sink_put(&sink, bytes + MEBIBYTE, 10) == 0 &&
               file_sink_skip(&sink, sizeof bytes - MEBIBYTE - 10) == 0 && file_sink_finish(&sink) == 0;
    good &= fstat(fd, &found) == 0;
    test(good && expect_file("holes", bytes, sizeof bytes), "a sink leaves holes, also at the end");
    test(found.st_blocks * 512 < MEBIBYTE, "which take no room");
    good = file_sink_skip(&sink, UINT64_MAX);
    test(good != 0 && errno == EFBIG, "a hole without end is refused");
    good = file_sink_skip(&sink, INT64_MAX);
    test(good != 0 && errno == EFBIG, "one beyond the largest file, too");
    close(fd);
    unlink("holes");
}

static void test_pipe_sink(void)
{
    struct file_sink sink;
    char read_back[8] = "";
    int ends[2];
    if (pipe(ends) != 0)
        exit(1);
    int good = file_sink_open(&sink, ends[1]) == 0 && file_sink_put(&sink, "now", 3) == 0;
    good &= read(ends[0], read_back, sizeof read_back) == 3;
    test(good && strcmp(read_back, "now") == 0, "what goes to a pipe goes at once");
    close(ends[0]);
    close(ends[1]);
}

/* Directories "0", "1", ... each with some files, and one file above. */
static void make_tree(int directories, int files)
{
    char name[64];
    for (int i = 0; i < directories; i++) {
        snprintf(name, sizeof name, "tree/%d", i);
        mkdir(name, 0700);
        for (int j = 0; j < files; j++) {
            snprintf(name, sizeof name, "tree/%d/%d", i, j);
            close(open(name, O_WRONLY | O_CREAT, 0600));
        }
    }
}

static void test_tree(void)
{
    struct file_tree tree = {0};
    int directories = 0;
    int files = 0;
    mkdir("tree", 0700);
    make_tree(300, 3);
    int good = tree_enter(&tree, open("tree", O_RDONLY | O_DIRECTORY)) == 0;
    while (tree.depth > 0) {
        const struct dirent *entry = tree_next(&tree);
        if (entry == NULL) {
            good &= errno == 0;
            tree_leave(&tree);
        } else if (entry->d_type == DT_DIR) {
            directories++;
            good &= tree_enter(&tree, openat(tree_directory(&tree), entry->d_name, O_RDONLY | O_DIRECTORY)) == 0;
        } else {
            files++;
        }
    }
    tree_free(&tree);
    test(good && directories == 300 && files == 900, "a walk meets all of a tree, whatever it enters meanwhile");
    if (system("rm -r tree") != 0)
        failures++;
}

static long make_directories(const char *path)
{
    char changed[64];
    snprintf(changed, sizeof changed, "%s", path);
    return directories_make(changed, 0700);
}

static void test_directories(void)
{
    struct stat found;
    test(make_directories("made/b//c/") == 5 && stat("made/b/c", &found) == 0, "what is missing of a path is made");
    test(make_directories("made/b/c") == 0, "nothing is made of what is there");
    test(make_directories("made/b/d/e") == 9, "the first one made is told of");
    close(open("made/file", O_WRONLY | O_CREAT, 0600));
    test(make_directories("made/file") == -1 && errno == EEXIST, "a file in its place is an error");
    test(make_directories("made/file/d") == -1 && errno == ENOTDIR, "one above, too");
    int linked = symlink("nowhere", "made/link");
    test(linked == 0 && make_directories("made/link/d") == -1 && errno == ENOENT, "a link to nowhere is no directory");
    if (system("rm -r made") != 0)
        failures++;
}

/* Makes directories of its own below those that all makers make. How many could not be made. */
static int make_rounds(int maker)
{
    char path[64];
    int wrong = 0;
    for (int round = 0; round < 500; round++) {
        snprintf(path, sizeof path, "shared/%d/a/b/%d", round, maker);
        wrong += make_directories(path) < 0;
    }
    return wrong;
}

static void test_directories_together(void)
{
    int wrong = 0;
    int status;
    for (int maker = 0; maker < 4; maker++)
        if (fork() == 0)
            _exit(make_rounds(maker) > 0);
    while (wait(&status) > 0)
        wrong += status != 0;
    test(wrong == 0, "several make the same directories at once");
    if (system("rm -r shared") != 0)
        failures++;
}

int main(int argc, char **argv)
{
    if (argc != 3 || chdir(argv[2]) != 0) {
        fputs("usage: test_files RECORDS SCRATCH\n", stderr);
        return 2;
    }
    test_records(argv[1]);
    test_hole();
    test_requests();
    test_refused_requests();
    test_coded_paths();
    test_sink("file", 0, 0, 1, 5);
    test_sink("file", 0, 1, 4096, 700);
    test_sink("file", 0, 0, 65536, 48);
    test_sink("file", 0, 0, MEBIBYTE, 3);
    test_sink("file", 0, 4095, MEBIBYTE + 1, 2);
    test_sink("file", O_APPEND, 5, 65536, 20);
    test_sink_from(1);
    test_sink_from(4096);
    test_sink_from(MEBIBYTE);
    test_holes();
    test_pipe_sink();
    test_tree();
    test_directories();
    test_directories_together();
    return tap_end();
}
