/* A worker's side of the file service: what its operations read and answer with. */
#ifndef FILE_WORKER_H
#define FILE_WORKER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "file_request.h"
#include "files.h"

/* --- Answers. Each request gets one of: answer_done(), answer_error(), or what ends with FILE_LAST. -------------- */

/* ACCEPT with a JSON object made as by printf. */
void answer_accept(uint8_t flags, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* CONTROL with a JSON object made as by printf. */
void answer_message(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* At most FILE_PAYLOAD_MAX bytes. Waits while the host does not read. */
void answer_data(uint8_t flags, const void *bytes, size_t length);
/* An item of a list: a letter, a text and a NUL, collected to go out as DATA in large pieces. */
void answer_item(char letter, const char *text);
/* Sends the items that have been collected. */
void answer_items(uint8_t flags);
/* The end, after ACCEPT or DATA. */
void answer_done(uint8_t flags);
/* errno, as REJECT or, once the request has been accepted, RESET. `about` names the file, "" for the request's own. */
void answer_error(uint8_t flags, const char *about);

/* The name of an error number, such as "ENOENT". */
const char *error_name(int number);

/* --- What the host sends on with the request --------------------------------------------------------------------- */

/*
 * The next bytes of the content, at most `limit`; they are good until the next call. Returns how many, 0 at the end.
 * Waits; with `patience_ms` >= 0 only so long, and then returns -1.
 */
ssize_t content_next(const void **bytes, size_t limit, int patience_ms);
/* Just `length` bytes. 0 if the content ends before. */
int content_exact(void *buffer, size_t length);
/* The next message of the host. 0 if it has ended the stream. Content before it is skipped. */
int control_read(struct file_request *message);

/* --- Half-made files --------------------------------------------------------------------------------------------- */

/* From now until partial_kept() the file is removed if the request is given up. */
void partial_made(int directory, const char *name);
void partial_kept(void);
/* Removes it now, if there is one. Keeps errno. */
void partial_removed(void);

/* --- Operations -------------------------------------------------------------------------------------------------- */

/* Those that are one system call, or a few. 0 if `op` is none of them. */
int file_metadata(const char *op, const struct file_request *request);

void file_list(const struct file_request *request);
void file_read(const struct file_request *request);
void file_write(const struct file_request *request);
void file_copy(const struct file_request *request);
void file_remove(const struct file_request *request);
void file_handle(const struct file_request *request);
void file_watch(const struct file_request *request);
void file_pack(const struct file_request *request);
void file_unpack(const struct file_request *request);

/* What a request may set of a mode. */
#define FILE_PERMISSIONS 07777

/* What stat() tells, as the text of a JSON array. */
#define FILE_STAT_TEXT 512
int file_stat_text(int directory, const char *path, int flags, char text[FILE_STAT_TEXT]);

#endif
