/* Generated from src/portal/messages.ts by scripts/gen-portal.ts. Do not edit. */
#ifndef PORTAL_MESSAGES_H
#define PORTAL_MESSAGES_H

#define PORTAL_VERSION 1
#define HEADER_BYTES 12
#define FRAME_BYTES_MAX 262144
#define CONTROL_BYTES_MAX 4194304
#define JSON_DEPTH_MAX 16
#define SYNC_BYTES_MAX 65536
#define STREAMS_MAX 2048
#define GUEST_WINDOW_BYTES 524288
#define WINDOW_BYTES_MAX 16777216

#define HELLO_MAGIC {0x89, 0x42, 0x58, 0x4c, 0x0d, 0x0a, 0x1a, 0x0a}
#define HELLO_MAGIC_BYTES 8

#define FLAG_MORE 1
#define FLAG_MAILBOX 2
#define FLAG_FINAL 4

/* What may stand in a frame of each type. */
enum frame_place { ON_ZERO, ON_STREAM, ON_ANY };
enum frame_payload { AS_HELLO, AS_JSON, AS_RAW, AS_U32, AS_U64, AS_NONE };
struct frame_rule {
    const char *name;
    enum frame_place on;
    enum frame_payload payload;
    unsigned char flags;
};

#define FRAME_HELLO 1 /* first frame of each side: {min, max, window, build}; the guest speaks first */
#define FRAME_OPEN 2 /* starts a stream: {service, ...what the service asks for} */
#define FRAME_ACCEPT 3 /* the service runs; what it says about itself */
#define FRAME_REJECT 4 /* the service does not run: {code, message}; the stream is closed */
#define FRAME_DATA 5 /* bytes of the stream; uses credit */
#define FRAME_END 6 /* no more DATA from this side */
#define FRAME_RESET 7 /* gives the stream up in both directions: {code, message} */
#define FRAME_WINDOW 8 /* more credit, in bytes; on stream 0: mailbox pieces the guest has taken */
#define FRAME_PING 9 /* asks for a PONG */
#define FRAME_PONG 10 /* returns the PING's payload */
#define FRAME_GOAWAY 11 /* the sender ends the connection: {code, message} */
#define FRAME_CONTROL 12 /* a message about the stream, such as a signal, a resize or an exit */
#define FRAME_TYPE_MAX 12

#define FRAME_RULES                                                                      \
    {                                                                                    \
        [FRAME_HELLO] = {"HELLO", ON_ZERO, AS_HELLO, 0}, \
        [FRAME_OPEN] = {"OPEN", ON_STREAM, AS_JSON, 3}, \
        [FRAME_ACCEPT] = {"ACCEPT", ON_STREAM, AS_JSON, 0}, \
        [FRAME_REJECT] = {"REJECT", ON_STREAM, AS_JSON, 0}, \
        [FRAME_DATA] = {"DATA", ON_STREAM, AS_RAW, 2}, \
        [FRAME_END] = {"END", ON_STREAM, AS_NONE, 4}, \
        [FRAME_RESET] = {"RESET", ON_STREAM, AS_JSON, 0}, \
        [FRAME_WINDOW] = {"WINDOW", ON_ANY, AS_U32, 0}, \
        [FRAME_PING] = {"PING", ON_ZERO, AS_U64, 0}, \
        [FRAME_PONG] = {"PONG", ON_ZERO, AS_U64, 0}, \
        [FRAME_GOAWAY] = {"GOAWAY", ON_ZERO, AS_JSON, 0}, \
        [FRAME_CONTROL] = {"CONTROL", ON_STREAM, AS_JSON, 7}, \
    }

#endif
