/*
 * Tests of the agent's pure parts, in TAP: `test_agent FRAMES [SEEDS]`, where FRAMES is test/vectors/frames.txt. Into
 * the directory SEEDS go the frames and the texts of the tests, for the fuzzers to start from. Built with
 * AddressSanitizer; what is to be read lies in memory of just its size, so that a byte too many is noticed.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "datagram.h"
#include "frame.h"
#include "json.h"
#include "outlet.h"
#include "stream.h"
#include "tap.h"
#include "user.h"

/* --- What a decoder tells, as one piece of text ------------------------------------------------------------------ */

struct record {
    char *text;
    size_t length;
    size_t capacity;
    /* The last thing told was DATA of this stream: pieces of it are one. */
    int64_t data_stream;
    int messages_without_nul;
};

static void put(struct record *record, const void *bytes, size_t length)
{
    if (record->length + length > record->capacity) {
        record->capacity = (record->length + length) * 2;
        record->text = must(realloc(record->text, record->capacity));
    }
    if (length > 0)
        memcpy(record->text + record->length, bytes, length);
    record->length += length;
}

static const char *record_frame(void *context, const struct frame_header *header, uint8_t *payload, size_t length)
{
    struct record *record = context;
    char line[80];
    int size = snprintf(line, sizeof line, "[%d %" PRIu32 " %d %zu]", header->type, header->stream, header->flags,
                        length);
    put(record, line, (size_t)size);
    put(record, payload, length);
    record->data_stream = -1;
    record->messages_without_nul += payload[length] != 0;
    /* A receiver may do as it likes with its payload. */
    memset(payload, 0xee, length);
    return NULL;
}

static const char *record_data(void *context, uint32_t stream, const uint8_t *piece, size_t length)
{
    struct record *record = context;
    char line[40];
    int size = snprintf(line, sizeof line, "[DATA %" PRIu32 "]", stream);
    if (record->data_stream != stream)
        put(record, line, (size_t)size);
    put(record, piece, length);
    record->data_stream = stream;
    return NULL;
}

/* The mailbox of these tests holds its own offsets. */
static const char *read_mailbox(void *context, uint32_t offset, uint32_t length, const uint8_t **payload)
{
    static uint8_t piece[FRAME_BYTES_MAX];
    (void)context;
    for (uint32_t i = 0; i < length; i++)
        piece[i] = (uint8_t)(offset / 4096 * 31 + i);
    *payload = piece;
    return NULL;
}

static struct record new_record(void)
{
    return (struct record){.data_stream = -1};
}

static int same_record(const struct record *one, const struct record *other)
{
    return one->length == other->length && (one->length == 0 || memcmp(one->text, other->text, one->length) == 0);
}

/* --- Decoding with cuts ------------------------------------------------------------------------------------------ */

struct decoding {
    struct frame_decoder decoder;
    struct record record;
    const char *wrong;
};

static void start_decoding(struct decoding *decoding)
{
    frame_decoder_init(&decoding->decoder);
    decoding->record = new_record();
    decoding->wrong = NULL;
}

static void feed(struct decoding *decoding, const uint8_t *bytes, size_t length)
{
    const struct frame_sink sink = {
        .context = &decoding->record, .frame = record_frame, .data = record_data, .mailbox = read_mailbox};
    if (decoding->wrong != NULL)
        return;
    uint8_t *copy = exact(bytes, length);
    decoding->wrong = frame_decoder_push(&decoding->decoder, copy, length, &sink);
    free(copy);
}

static void end_decoding(struct decoding *decoding)
{
    frame_decoder_free(&decoding->decoder);
    free(decoding->record.text);
}

/* Whether `bytes` decode to `expected`, without a breach, in pieces of at most `most` bytes; random if it is 0. */
static int reads_as(const uint8_t *bytes, size_t length, size_t first, size_t most, const struct record *expected)
{
    struct decoding decoding;
    start_decoding(&decoding);
    for (size_t at = 0, size = first; at < length; at += size, size = most) {
        if (size == 0)
            size = (size_t)rand() % 40;
        if (size > length - at)
            size = length - at;
        feed(&decoding, bytes + at, size);
    }
    int same = decoding.wrong == NULL && same_record(&decoding.record, expected) &&
               decoding.record.messages_without_nul == 0;
    end_decoding(&decoding);
    return same;
}

/* What is wrong with the bytes, NULL if nothing is. */
static const char *breach(const uint8_t *bytes, size_t length, size_t most)
{
    struct decoding decoding;
    start_decoding(&decoding);
    for (size_t at = 0; at < length; at += most)
        feed(&decoding, bytes + at, length - at < most ? length - at : most);
    end_decoding(&decoding);
    return decoding.wrong;
}

/* --- The golden vectors ------------------------------------------------------------------------------------------ */

struct vector {
    char name[64];
    struct frame_header header;
    uint8_t payload[512];
    size_t payload_length;
    uint8_t frame[512];
    size_t frame_length;
    int ok;
    char reason[16];
};

/* How the decoder words each reason. */
static const struct {
    const char *reason;
    const char *wording;
} wordings[] = {
    {"type", "unknown frame type"},
    {"reserved", "reserved bytes are not zero"},
    {"flags", "a flag that the frame type does not have"},
    {"place", "a frame of the wire on a stream"},
    {"place", "a frame of a stream on stream 0"},
    {"length", "a frame is too long"},
    {"length", "an empty part of a message"},
    {"length", "a mailbox frame has not 8 bytes"},
    {"length", "a number has not 4 bytes"},
    {"length", "a number has not 8 bytes"},
    {"length", "a payload where none belongs"},
};

static int is_wording(const char *reason, const char *wording)
{
    for (size_t i = 0; i < sizeof wordings / sizeof *wordings; i++)
        if (strcmp(wordings[i].reason, reason) == 0 && strcmp(wordings[i].wording, wording) == 0)
            return 1;
    return 0;
}

static size_t from_hex(const char *hex, uint8_t *bytes, size_t size)
{
    size_t length = 0;
    unsigned byte;
    for (; length < size && sscanf(hex + 2 * length, "%2x", &byte) == 1; length++)
        bytes[length] = (uint8_t)byte;
    return length;
}

static int read_vector(const char *line, struct vector *vector)
{
    char payload[1025];
    char frame[1025];
    char verdict[8];
    unsigned type;
    unsigned flags;
    if (sscanf(line, "%63s %" SCNu32 " %u %u %1024s %1024s %7s %15s", vector->name, &vector->header.stream, &type,
               &flags, payload, frame, verdict, vector->reason) != 8)
        return 0;
    vector->header.type = (uint8_t)type;
    vector->header.flags = (uint8_t)flags;
    vector->payload_length = from_hex(payload, vector->payload, sizeof vector->payload);
    vector->header.length = (uint32_t)vector->payload_length;
    vector->frame_length = from_hex(frame, vector->frame, sizeof vector->frame);
    vector->ok = strcmp(verdict, "ok") == 0;
    return 1;
}

static void test_vector(const struct vector *vector)
{
    struct frame_header header;
    uint8_t *bytes = exact(vector->frame, HEADER_BYTES);
    const char *wrong = frame_decode_header(bytes, &header);
    free(bytes);
    if (!vector->ok) {
        test(wrong != NULL && is_wording(vector->reason, wrong), "%s is refused for its %s", vector->name,
             vector->reason);
        return;
    }
    uint8_t written[HEADER_BYTES];
    frame_encode_header(written, &vector->header);
    int reads = wrong == NULL && header.stream == vector->header.stream && header.type == vector->header.type &&
                header.flags == vector->header.flags && header.length == vector->header.length;
    int writes = memcmp(written, vector->frame, HEADER_BYTES) == 0 &&
                 memcmp(vector->payload, vector->frame + HEADER_BYTES, vector->payload_length) == 0;
    test(reads && writes, "%s is read and written", vector->name);
}

/* What the good vectors say one after the other. */
struct conversation {
    uint8_t bytes[8192];
    size_t length;
    struct record expected;
    uint8_t joined[8192];
    size_t joined_length;
};

static void add_to_conversation(struct conversation *talk, const struct vector *vector)
{
    const uint8_t *payload = vector->payload;
    size_t length = vector->payload_length;
    memcpy(talk->bytes + talk->length, vector->frame, vector->frame_length);
    talk->length += vector->frame_length;
    if (vector->header.flags & FLAG_MAILBOX) {
        length = read_u32(payload + 4);
        read_mailbox(NULL, read_u32(payload), (uint32_t)length, &payload);
    }
    if (vector->header.type == FRAME_DATA) {
        if (length > 0)
            record_data(&talk->expected, vector->header.stream, payload, length);
        return;
    }
    if (vector->header.type == FRAME_PING || vector->header.type == FRAME_PONG) {
        uint8_t between[9] = {0};
        memcpy(between, payload, length);
        record_frame(&talk->expected, &vector->header, between, length);
        return;
    }
    memcpy(talk->joined + talk->joined_length, payload, length);
    talk->joined_length += length;
    if (vector->header.flags & FLAG_MORE)
        return;
    talk->joined[talk->joined_length] = 0;
    record_frame(&talk->expected, &vector->header, talk->joined, talk->joined_length);
    talk->joined_length = 0;
}

static void test_conversation(const struct conversation *talk)
{
    int same = 1;
    for (size_t cut = 0; cut <= talk->length; cut++)
        same &= reads_as(talk->bytes, talk->length, cut, talk->length, &talk->expected);
    test(same, "the good vectors make a conversation that reads the same at every cut");
    test(reads_as(talk->bytes, talk->length, 1, 1, &talk->expected), "and one byte at a time");
    for (int i = 0; i < 500; i++)
        same &= reads_as(talk->bytes, talk->length, 0, 0, &talk->expected);
    test(same, "and at many random cuts");

    uint8_t noisy[sizeof talk->bytes + 100];
    memset(noisy, 0x55, 60);
    memcpy(noisy + 60, talk->bytes, HEADER_BYTES + HELLO_MAGIC_BYTES - 1);
    size_t noise = 60 + HEADER_BYTES + HELLO_MAGIC_BYTES - 1;
    memcpy(noisy + noise, talk->bytes, talk->length);
    same = 1;
    for (size_t most = 1; most < 100; most++)
        same &= reads_as(noisy, noise + talk->length, most, most, &talk->expected);
    test(same, "and behind noise that ends in half a HELLO");
}

static void write_seed(const char *directory, const char *name, const void *bytes, size_t length)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    int written = file != NULL && fwrite(bytes, 1, length, file) == length;
    test(file != NULL && fclose(file) == 0 && written, "%s is written", path);
}

/* A fuzzer's first byte says how to cut: 0 is in pieces of any size, without a HELLO of its own. */
static void write_frame_seed(const char *directory, const struct conversation *talk)
{
    struct record seed = new_record();
    put(&seed, "", 1);
    put(&seed, talk->bytes, talk->length);
    write_seed(directory, "frame", seed.text, seed.length);
    free(seed.text);
}

static void test_vectors(const char *path, const char *seeds)
{
    static struct conversation talk;
    char line[4096];
    FILE *file = fopen(path, "r");
    int good = 0;
    int bad = 0;
    talk.expected = new_record();
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        struct vector vector;
        if (line[0] == '#')
            continue;
        if (!read_vector(line, &vector)) {
            test(0, "a line of the vectors reads: %s", line);
            continue;
        }
        good += vector.ok;
        bad += !vector.ok;
        test_vector(&vector);
        if (vector.ok)
            add_to_conversation(&talk, &vector);
    }
    if (file != NULL)
        fclose(file);
    test(good > 20 && bad > 30, "%s has good and bad frames", path);
    test_conversation(&talk);
    if (seeds != NULL)
        write_frame_seed(seeds, &talk);
    free(talk.expected.text);
}

/* --- The decoder's limits ---------------------------------------------------------------------------------------- */

/* Bytes to decode, put together frame by frame; its HELLO comes first. */
struct bytes {
    uint8_t *at;
    size_t length;
};

static void add_frame(struct bytes *bytes, uint8_t type, uint32_t stream, uint8_t flags, size_t length)
{
    struct frame_header header = {.stream = stream, .length = (uint32_t)length, .type = type, .flags = flags};
    bytes->at = must(realloc(bytes->at, bytes->length + HEADER_BYTES + length));
    frame_encode_header(bytes->at + bytes->length, &header);
    memset(bytes->at + bytes->length + HEADER_BYTES, 'x', length);
    bytes->length += HEADER_BYTES + length;
}

static struct bytes greeting(void)
{
    static const uint8_t magic[] = HELLO_MAGIC;
    struct bytes bytes = {0};
    add_frame(&bytes, FRAME_HELLO, 0, 0, 20);
    memcpy(bytes.at + HEADER_BYTES, magic, sizeof magic);
    return bytes;
}

static int refuses(struct bytes bytes, const char *wording)
{
    const char *whole = breach(bytes.at, bytes.length, bytes.length);
    const char *cut = breach(bytes.at, bytes.length, 7);
    free(bytes.at);
    if (wording == NULL)
        return whole == NULL && cut == NULL;
    return whole != NULL && cut != NULL && strcmp(whole, wording) == 0 && strcmp(cut, wording) == 0;
}

static struct bytes parts(size_t size)
{
    struct bytes bytes = greeting();
    for (; size > FRAME_BYTES_MAX; size -= FRAME_BYTES_MAX)
        add_frame(&bytes, FRAME_OPEN, 1, FLAG_MORE, FRAME_BYTES_MAX);
    add_frame(&bytes, FRAME_OPEN, 1, 0, size);
    return bytes;
}

static struct bytes behind_noise(size_t noise)
{
    struct bytes hello = greeting();
    struct bytes bytes = {must(malloc(noise + hello.length)), noise + hello.length};
    memset(bytes.at, 0x55, noise);
    memcpy(bytes.at + noise, hello.at, hello.length);
    free(hello.at);
    return bytes;
}

static struct bytes two_frames(uint8_t type, uint32_t stream, size_t length)
{
    struct bytes bytes = greeting();
    add_frame(&bytes, FRAME_OPEN, 1, FLAG_MORE, 5);
    add_frame(&bytes, type, stream, 0, length);
    return bytes;
}

static struct bytes interrupted(size_t size)
{
    struct bytes bytes = greeting();
    for (; size > FRAME_BYTES_MAX; size -= FRAME_BYTES_MAX) {
        add_frame(&bytes, FRAME_OPEN, 1, FLAG_MORE, FRAME_BYTES_MAX);
        add_frame(&bytes, FRAME_PING, 0, 0, 8);
    }
    add_frame(&bytes, FRAME_OPEN, 1, 0, size);
    return bytes;
}

static void test_decoder_limits(void)
{
    static const char middle[] = "another frame in the middle of a longer message";
    test(refuses(parts(CONTROL_BYTES_MAX), NULL), "a message of 4 MiB is joined from its parts");
    test(refuses(parts(CONTROL_BYTES_MAX + 1), "a control message is too long"), "a longer one is refused");
    test(refuses(two_frames(FRAME_OPEN, 1, 5), NULL), "two parts of one message belong together");
    test(refuses(two_frames(FRAME_OPEN, 3, 5), middle), "another stream's message does not belong between them");
    test(refuses(two_frames(FRAME_CONTROL, 1, 5), middle), "nor a message of another type");
    test(refuses(two_frames(FRAME_DATA, 1, 5), middle), "nor DATA");
    test(refuses(two_frames(FRAME_DATA, 1, 0), middle), "not even DATA of no bytes");
    test(refuses(two_frames(FRAME_WINDOW, 0, 4), middle), "nor credit");
    test(refuses(two_frames(FRAME_PING, 0, 8), NULL), "but PING does");
    test(refuses(two_frames(FRAME_PONG, 0, 8), NULL), "and PONG");
    test(refuses(interrupted(CONTROL_BYTES_MAX), NULL), "which count for nothing in a message of 4 MiB");
    test(refuses(behind_noise(SYNC_BYTES_MAX), NULL), "a HELLO behind 64 KiB of noise is found");
    test(refuses(behind_noise(SYNC_BYTES_MAX + 1), "no HELLO"), "one behind more noise is not looked for");
}

static void test_decoder_ends(void)
{
    struct bytes hello = greeting();
    struct bytes short_hello = greeting();
    struct decoding decoding;
    write_u32(short_hello.at + 4, 3);
    start_decoding(&decoding);
    feed(&decoding, short_hello.at, short_hello.length);
    test(decoding.wrong == NULL && decoding.record.length == 0, "a HELLO too short for its magic is noise");
    feed(&decoding, hello.at, hello.length);
    test(decoding.wrong == NULL && decoding.record.length > 0, "the HELLO behind it is found");
    end_decoding(&decoding);

    struct bytes large = parts(CONTROL_BYTES_MAX);
    start_decoding(&decoding);
    feed(&decoding, large.at, large.length);
    test(decoding.decoder.message_capacity <= 64 * 1024, "the memory of a large message is given back");
    end_decoding(&decoding);

    start_decoding(&decoding);
    feed(&decoding, large.at, large.length / 2);
    end_decoding(&decoding);
    test(decoding.decoder.message == NULL, "a decoder can be freed in the middle of a message");
    free(hello.at);
    free(short_hello.at);
    free(large.at);
}

/* --- JSON -------------------------------------------------------------------------------------------------------- */

/* Writes a value as text: strings as they are, between single quotes. Returns what follows it. */
static const struct json *show(const struct json *value, struct record *out)
{
    static const char *const words[] = {[JSON_NULL] = "null", [JSON_FALSE] = "false", [JSON_TRUE] = "true"};
    char number[32];
    const struct json *at = value + 1;
    switch (value->type) {
    case JSON_NULL:
    case JSON_FALSE:
    case JSON_TRUE:
        put(out, words[value->type], strlen(words[value->type]));
        break;
    case JSON_NUMBER:
        put(out, number, (size_t)snprintf(number, sizeof number, "%" PRId64, value->number));
        break;
    case JSON_STRING:
        put(out, "'", 1);
        put(out, value->text, strlen(value->text));
        put(out, "'", 1);
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        put(out, value->type == JSON_ARRAY ? "[" : "{", 1);
        for (uint32_t i = 0; i < value->count; i++) {
            put(out, " ", i > 0);
            if (value->type == JSON_OBJECT) {
                at = show(at, out);
                put(out, ":", 1);
            }
            at = show(at, out);
        }
        put(out, value->type == JSON_ARRAY ? "]" : "}", 1);
        break;
    }
    return at == value + value->span ? at : NULL;
}

/* What the text reads as, NULL if it is refused; to be freed. */
static char *read_json(const char *text, size_t length)
{
    struct record out = {0};
    uint8_t *copy = exact(text, length);
    struct json *value = json_parse((char *)copy, length);
    if (value != NULL) {
        if (show(value, &out) == NULL)
            put(&out, " SPAN IS WRONG", strlen(" SPAN IS WRONG"));
        put(&out, "", 1);
    }
    free(value);
    free(copy);
    return out.text;
}

static const char *const json_valid[][2] = {
    {"{}", "{}"},
    {"[]", "[]"},
    {" \t\r\n{ \"a\" : [ 1 , 2 ] , \"b\":{}} \n", "{'a':[1 2] 'b':{}}"},
    {"[null,true,false]", "[null true false]"},
    {"[0,-0,-1,9007199254740991,-9007199254740991]", "[0 0 -1 9007199254740991 -9007199254740991]"},
    {"1", "1"},
    {"\"text\"", "'text'"},
    {"[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]", "['\"\\/\b\f\n\r\t']"},
    {"\"\\u0041\\u00e9\\u00C9\\u20ac\\uFFFF\\u0001\"", "'A\xc3\xa9\xc3\x89\xe2\x82\xac\xef\xbf\xbf\x01'"},
    {"\"\\ud83d\\ude00\\uDBFF\\uDFFF\"", "'\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf'"},
    /* Half a pair has no UTF-8. */
    {"\"\\ud83d\"", "'\xef\xbf\xbd'"},
    {"\"\\ude00\"", "'\xef\xbf\xbd'"},
    {"\"\\ud83dx\"", "'\xef\xbf\xbdx'"},
    {"\"\\ud83d\\n\"", "'\xef\xbf\xbd\n'"},
    {"\"\\ud83d\\ud83d\\ude00\"", "'\xef\xbf\xbd\xf0\x9f\x98\x80'"},
    {"\"\xc3\xa9 \xff\"", "'\xc3\xa9 \xff'"},
    {"{\"\":\"\",\"a\":1,\"a\":2}", "{'':'' 'a':1 'a':2}"},
    {"[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]", "[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]"},
};

static const char *const json_invalid[] = {
    "",
    " ",
    "{",
    "}",
    "[",
    "]",
    "[1",
    "[1,",
    "[1,]",
    "[,1]",
    "[1 2]",
    "[1]]",
    "{\"a\"",
    "{\"a\":",
    "{\"a\":1",
    "{\"a\":1,",
    "{\"a\":1,}",
    "{\"a\",1}",
    "{a:1}",
    "{1:1}",
    "{} {}",
    "nul",
    "nulL",
    "truefalse",
    "-",
    "- 1",
    "+1",
    "01",
    "-01",
    "1.5",
    "1e3",
    "12345678901234567890",
    ".5",
    "0x10",
    "\"",
    "\"a",
    "\"\\",
    "\"\\\"",
    "\"\\x\"",
    "\"\\u\"",
    "\"\\u12\"",
    "\"\\u123g\"",
    "\"\\u0000\"",
    "\"\\ud83d\\u0000\"",
    "\"\\ud83d\\u12\"",
    "\"line\nbreak\"",
    "'a'",
    "\xef\xbb\xbf{}",
    "{}//",
    "[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]",
    "{\"a\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}",
};

static void test_json_texts(void)
{
    for (size_t i = 0; i < sizeof json_valid / sizeof *json_valid; i++) {
        char *seen = read_json(json_valid[i][0], strlen(json_valid[i][0]));
        test(seen != NULL && strcmp(seen, json_valid[i][1]) == 0, "JSON text %zu is read", i);
        free(seen);
    }
    for (size_t i = 0; i < sizeof json_invalid / sizeof *json_invalid; i++) {
        char *seen = read_json(json_invalid[i], strlen(json_invalid[i]));
        test(seen == NULL, "bad JSON text %zu is refused", i);
        free(seen);
    }
    const char *deep = "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]";
    char *seen = read_json(deep, strlen(deep));
    test(seen != NULL && strcmp(seen, deep) == 0, "JSON may be 16 deep");
    free(seen);
    test(read_json("\"a\0b\"", 5) == NULL, "a NUL in a string is refused");
    test(read_json("{}\0", 3) == NULL, "a NUL behind a value is refused");
    test(read_json("\0{}", 3) == NULL, "a NUL before a value is refused");

    static const char whole[] = "{\"a\\u00e9\":[1,\"\\ud83d\\ude00\",true,null],\"b\":{\"c\":-12}}";
    int refused = 1;
    for (size_t length = 0; length < strlen(whole); length++)
        refused &= read_json(whole, length) == NULL;
    test(refused, "JSON that ends too early is refused wherever it ends");
}

/* An array of `count` ones: count + 1 values. */
static char *read_ones(size_t count)
{
    size_t length = 2 * count + 1;
    char *text = must(malloc(length));
    text[0] = '[';
    for (size_t i = 0; i < count; i++)
        memcpy(text + 1 + 2 * i, "1,", 2);
    text[length - 1] = ']';
    char *seen = read_json(text, length);
    free(text);
    return seen;
}

static void test_json_size(void)
{
    char *most = read_ones(JSON_VALUES_MAX - 1);
    char *more = read_ones(JSON_VALUES_MAX);
    test(most != NULL, "as many values as allowed are read");
    test(more == NULL, "one value more is refused");
    free(most);

    size_t length = CONTROL_BYTES_MAX;
    char *text = must(malloc(length));
    memset(text, ',', length);
    text[0] = text[length - 1] = '"';
    char *seen = read_json(text, length);
    test(seen != NULL && strlen(seen) == length, "a string of 4 MiB is read");
    free(seen);
    memset(text, '[', length);
    test(read_json(text, length) == NULL, "4 MiB of brackets are refused");
    free(text);
}

static void test_json_fields(void)
{
    char text[] = "{\"skip\":[{\"n\":9},[]],\"n\":7,\"t\":\"text\",\"o\":{\"n\":8},\"z\":null}";
    struct json *object = json_parse(text, strlen(text));
    test(json_number(object, "n", 1) == 7, "a field is found behind nested ones of its name");
    test(json_number(json_get(object, "o"), "n", 1) == 8, "a field of a field is found");
    test(json_number(object, "t", 1) == 1 && json_number(object, "x", 2) == 2, "a number falls back");
    test(strcmp(json_text(object, "t", "-"), "text") == 0, "a text is found");
    test(strcmp(json_text(object, "n", "-"), "-") == 0 && json_text(object, "z", NULL) == NULL, "a text falls back");
    test(json_get(json_get(object, "skip"), "n") == NULL && json_get(NULL, "n") == NULL, "only objects have fields");
    free(object);
}

static int quotes_as(const char *text, size_t size, const char *expected)
{
    char *out = must(malloc(size > 0 ? size : 1));
    size_t used = json_quote(out, size, text);
    int same = used == strlen(expected) && (used == 0 || strcmp(out, expected) == 0);
    free(out);
    return same;
}

static void test_json_quote(void)
{
    test(quotes_as("a\"b\\c\n\x01\xc3\x7f", 64, "\"a\\\"b\\\\c????\""), "a quoted text needs no care to be read");
    test(quotes_as("", 3, "\"\""), "an empty text fits into three bytes");
    test(quotes_as("x", 2, ""), "nothing fits into two");
    int fits = 1;
    for (size_t size = 3; size < 40; size++) {
        char *out = must(malloc(size));
        size_t used = json_quote(out, size, "\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"");
        char *seen = read_json(out, used);
        fits &= used < size && out[used] == 0 && seen != NULL;
        free(seen);
        free(out);
    }
    test(fits, "a text that is cut to fit is still JSON");
}

/* --- Users ------------------------------------------------------------------------------------------------------- */

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
                             "daemon:x:1:1::/usr/sbin:/usr/sbin/nologin\n"
                             "ann:x:1000:1000:Ann,,,:/home/ann:/bin/sh\n"
                             "# a comment\n"
                             "\n"
                             "1234:x:55:56::/home/number:/bin/sh\n"
                             "bad:x:nine:9::/home/bad:/bin/sh\n"
                             "badgroup:x:9::::/bin/sh\n"
                             "minus:x:4294967295:9::/:/bin/sh\n"
                             "nohome:x:8:8\n"
                             "relative:x:8:8::home/relative:\n"
                             "last:x:77:78::/home/last";
static const char group[] = "root:x:0:\n"
                            "ann:x:1000:\n"
                            "audio:x:29:bob,ann\n"
                            "video:x:44:ann,bob\n"
                            "games:x:60:anna,an,annx\n"
                            "badid:x:y:ann\n"
                            "short\n"
                            "77:x:99:\n"
                            "wheel:x:10:root,ann,\n";

static const char *const users[][2] = {
    {"", "0:0 /root 10"},
    {"root", "0:0 /root 10"},
    {"0", "0:0 /root 10"},
    {"ann", "1000:1000 /home/ann 29 44 10"},
    {"1000", "1000:1000 /home/ann 29 44 10"},
    {"01000", "1000:1000 /home/ann 29 44 10"},
    {"ann:audio", "1000:29 /home/ann"},
    {"ann:5", "1000:5 /home/ann"},
    {"ann:77", "1000:99 /home/ann"},
    {"ann:", "1000:1000 /home/ann 29 44 10"},
    {":audio", "0:29 /root"},
    {"4242", "4242:0 /"},
    {"4242:4243", "4242:4243 /"},
    {"4294967294", "4294967294:0 /"},
    {"1234", "55:56 /home/number"},
    {"55", "55:56 /home/number"},
    {"last", "77:78 /home/last"},
    {"nohome", "8:8 /"},
    {"relative", "8:8 /"},
    {"bob", "no such user in the image's /etc/passwd"},
    {"an", "no such user in the image's /etc/passwd"},
    {"ann\n", "no such user in the image's /etc/passwd"},
    {"root\nx", "no such user in the image's /etc/passwd"},
    {" ann", "no such user in the image's /etc/passwd"},
    {"-1", "no such user in the image's /etc/passwd"},
    {"+1", "no such user in the image's /etc/passwd"},
    {" 1", "no such user in the image's /etc/passwd"},
    {"4294967295", "no such user in the image's /etc/passwd"},
    {"18446744073709551616", "no such user in the image's /etc/passwd"},
    {"bad", "the user's line in /etc/passwd is broken"},
    {"badgroup", "the user's line in /etc/passwd is broken"},
    {"minus", "the user's line in /etc/passwd is broken"},
    {"ann:nobody", "no such group in the image's /etc/group"},
    {"ann:short", "the group's line in /etc/group is broken"},
    {"ann:badid", "the group's line in /etc/group is broken"},
    {"ann:audio:video", "no such group in the image's /etc/group"},
    {"ann:4294967295", "no such group in the image's /etc/group"},
};

/* "uid:gid home groups...", or what is wrong. */
static const char *resolve(const char *spec, const char *passwd_file, const char *group_file)
{
    static char text[1024];
    struct user user;
    const char *wrong = user_resolve(spec, passwd_file, group_file, &user);
    if (wrong != NULL)
        return wrong;
    int length = snprintf(text, sizeof text, "%u:%u %s", user.uid, user.gid, user.home);
    for (int i = 0; i < user.group_count; i++)
        length += snprintf(text + length, sizeof text - (size_t)length, " %u", user.groups[i]);
    return text;
}

static void test_users(void)
{
    for (size_t i = 0; i < sizeof users / sizeof *users; i++) {
        const char *seen = resolve(users[i][0], passwd, group);
        char quoted[64];
        json_quote(quoted, sizeof quoted, users[i][0]);
        test(strcmp(seen, users[i][1]) == 0, "user %s is \"%s\"", quoted, users[i][1]);
        if (strcmp(seen, users[i][1]) != 0)
            printf("# seen: %s\n", seen);
    }
    test(strcmp(resolve("root", "", ""), "0:0 /root") == 0, "root needs no files");
    test(strcmp(resolve("12:13", "", ""), "12:13 /") == 0, "numbers need no files");
    test(strcmp(resolve("ann", "", ""), "no such user in the image's /etc/passwd") == 0, "names do");
    test(strcmp(resolve("1", ":::\n::\n:\n\n\n", ":\n"), "1:0 /") == 0, "files of colons do no harm");
}

/* As the fuzzer cuts it: a user, its NUL, and the two files with theirs. */
static void write_text_seeds(const char *directory)
{
    static const char users_seed[] = "ann:audio";
    struct record seed = new_record();
    put(&seed, users_seed, sizeof users_seed);
    put(&seed, passwd, sizeof passwd);
    put(&seed, group, sizeof group);
    write_seed(directory, "user", seed.text, seed.length);
    seed.length = 0;
    put(&seed, "[", 1);
    for (size_t i = 0; i < sizeof json_valid / sizeof *json_valid; i++) {
        put(&seed, ",", i > 0);
        put(&seed, json_valid[i][0], strlen(json_valid[i][0]));
    }
    put(&seed, "]", 1);
    write_seed(directory, "json", seed.text, seed.length);
    free(seed.text);
}

/* A long line is not cut: what it says at its end counts, and no more than it says. */
static void test_long_lines(void)
{
    char *lines = must(malloc(20000));
    size_t length = (size_t)sprintf(lines, "many:x:7:");
    for (int i = 0; i < 1000; i++)
        length += (size_t)sprintf(lines + length, "member%04d,", i);
    sprintf(lines + length, "anna\nnext:x:8:ann\n");
    test(strcmp(resolve("ann", passwd, lines), "1000:1000 /home/ann 8") == 0, "a member is not found by its beginning");
    sprintf(lines + length, "ann\n");
    test(strcmp(resolve("ann", passwd, lines), "1000:1000 /home/ann 7") == 0, "the last of a thousand members is");

    length = (size_t)sprintf(lines, "u:x:5:6::/");
    memset(lines + length, 'h', 400);
    strcpy(lines + length + 400, ":/bin/sh\n");
    test(strcmp(resolve("u", lines, ""), "5:6 /") == 0, "a home too long to keep is not kept in part");

    length = 0;
    for (int i = 0; i < 2 * USER_GROUPS_MAX; i++)
        length += (size_t)sprintf(lines + length, "g%d:x:%d:ann\n", i, i);
    struct user user;
    test(user_resolve("ann", passwd, lines, &user) == NULL && user.group_count == USER_GROUPS_MAX,
         "no more groups are kept than there is room for");
    free(lines);
}

/* --- Streams ----------------------------------------------------------------------------------------------------- */

static void test_streams(void)
{
    static struct streams streams;
    static struct stream all[STREAMS_MAX + 1];
    int added = 1;
    streams.window = 1000;
    for (uint32_t i = 0; i < STREAMS_MAX; i++)
        added &= streams_add(&streams, &all[i], 2 * i + 1) == 0;
    test(added && streams_add(&streams, &all[STREAMS_MAX], 9999) == -1, "there are 1024 streams and no more");
    test(streams_find(&streams, 2047) == &all[1023] && streams_find(&streams, 2) == NULL, "a stream is found by its id");
    streams_remove(&streams, &all[0]);
    streams_remove(&streams, &all[0]);
    test(streams.count == STREAMS_MAX - 1 && streams_find(&streams, 1) == NULL &&
             streams_find(&streams, 2047) == &all[1023],
         "a stream is removed once");

    struct stream *stream = &all[1];
    test(stream->credit == 1000, "a stream starts with the credit of HELLO");
    test(stream_arrived(stream, GUEST_WINDOW_BYTES) == 0 && stream_arrived(stream, 1) == -1,
         "no more arrives than there is credit for");
    test(stream_used(stream, GUEST_WINDOW_BYTES / 2 - 1) == 0, "credit is given back in large steps");
    test(stream_used(stream, 1) == GUEST_WINDOW_BYTES / 2, "each of at least half a window");
    test(stream_arrived(stream, GUEST_WINDOW_BYTES / 2) == 0 && stream_arrived(stream, 1) == -1,
         "credit given back can be used once");
}

/* --- Datagrams in a stream ----------------------------------------------------------------------------------------- */

/* Datagrams of these lengths, one behind the other. */
static uint8_t *datagrams_of(const size_t *lengths, size_t count, size_t *total)
{
    *total = 0;
    for (size_t i = 0; i < count; i++)
        *total += DATAGRAM_PREFIX + lengths[i];
    uint8_t *bytes = must(malloc(*total));
    uint8_t *at = bytes;
    for (size_t i = 0; i < count; i++) {
        datagram_prefix(at, lengths[i]);
        memset(at + DATAGRAM_PREFIX, (int)('a' + i), lengths[i]);
        at += DATAGRAM_PREFIX + lengths[i];
    }
    return bytes;
}

/* Whether pieces of at most `cut` bytes give the datagrams back. */
static int datagrams_survive(const size_t *lengths, size_t count, size_t cut)
{
    size_t total;
    uint8_t *bytes = datagrams_of(lengths, count, &total);
    struct datagram_reader reader = {0};
    size_t found = 0;
    int same = 1;
    for (size_t start = 0; start < total; start += cut) {
        size_t length = total - start < cut ? total - start : cut;
        uint8_t *piece = exact(bytes + start, length);
        for (size_t at = 0; at < length;) {
            const uint8_t *datagram;
            size_t size;
            long used = datagram_take(&reader, piece + at, length - at, &datagram, &size);
            if (used <= 0) {
                same = 0;
                break;
            }
            at += (size_t)used;
            if (datagram == NULL)
                continue;
            same &= found < count && size == lengths[found];
            for (size_t i = 0; same && i < size; i++)
                same &= datagram[i] == 'a' + found;
            found++;
        }
        free(piece);
    }
    datagram_clear(&reader);
    free(bytes);
    return same && found == count;
}

static void test_datagrams(void)
{
    static const size_t lengths[] = {0, 1, 255, 256, 1472, 0, DATAGRAM_BYTES_MAX, UINT16_MAX, 3};
    static const size_t cuts[] = {1, 2, 3, 7, 255, 4096, 65509, 1 << 20};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++)
        test(datagrams_survive(lengths, sizeof lengths / sizeof *lengths, cuts[i]), "datagrams cut every %zu bytes",
             cuts[i]);
}

/* --- Bytes towards a descriptor -------------------------------------------------------------------------------------- */

static void test_outlet(void)
{
    int ends[2];
    struct outlet outlet = {0};
    char got[8] = "";
    if (pipe(ends) != 0) {
        puts("Bail out! no pipe");
        exit(1);
    }
    test(outlet_write(&outlet, -1, (const uint8_t *)"ab", 2) == 0 && outlet_waiting(&outlet) == 2,
         "without a descriptor bytes wait");
    test(outlet_write(&outlet, ends[1], (const uint8_t *)"cd", 2) == 0 && outlet_waiting(&outlet) == 4,
         "bytes do not overtake those that wait");
    test(outlet_flush(&outlet, ends[1]) == 4 && outlet_waiting(&outlet) == 0, "what waits leaves");
    test(outlet_write(&outlet, ends[1], (const uint8_t *)"ef", 2) == 2, "a descriptor that takes bytes gets them");
    test(read(ends[0], got, sizeof got) == 6 && memcmp(got, "abcdef", 6) == 0, "bytes leave in order");
    close(ends[0]);
    signal(SIGPIPE, SIG_IGN);
    test(outlet_write(&outlet, ends[1], (const uint8_t *)"g", 1) == -1, "a broken descriptor says so");
    close(ends[1]);
    outlet_clear(&outlet);
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: test_agent FRAMES [SEEDS]\n");
        return 2;
    }
    srand(1);
    test_vectors(argv[1], argv[2]);
    test_decoder_limits();
    test_decoder_ends();
    test_json_texts();
    test_json_size();
    test_json_fields();
    test_json_quote();
    test_users();
    test_long_lines();
    test_streams();
    test_datagrams();
    test_outlet();
    if (argc == 3)
        write_text_seeds(argv[2]);
    return tap_end();
}
