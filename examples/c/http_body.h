/*
 * The bodies of requests. Nobody wants them here: they are skipped, and so read to their ends.
 */
#ifndef HTTP_BODY_H
#define HTTP_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What comes next of a body in chunks, each with its size in front. */
enum body_part {
    BODY_BYTES, /* of a body of known length, or of a chunk */
    BODY_SIZE,
    BODY_MORE_SIZE,
    BODY_EXTENSION,
    BODY_SIZE_LF,
    BODY_CHUNK_CR,
    BODY_CHUNK_LF,
    BODY_LINE_OF_TRAILERS,
    BODY_TRAILER,
    BODY_TRAILER_LF,
    BODY_LAST_LF,
    BODY_OVER
};

/* What has not come yet of a request's body. */
struct body {
    enum body_part next;
    bool is_chunked;
    uint64_t left; /* bytes of the body or of the chunk, or the chunk's size as far as that has come */
    size_t extra;  /* bytes of extensions and trailers */
};

struct body body_of_length(uint64_t len);
struct body body_in_chunks(void);
bool body_is_over(const struct body *body);

/*
 * Says how many bytes at the front of the input are the body's. False for what is no body in chunks: nobody knows where
 * the next request would begin.
 */
bool body_skip(struct body *body, const char *data, size_t len, size_t *out_used);

#endif
