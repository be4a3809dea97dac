#include "http_body.h"

/* Extensions of a chunk and trailers may have so many bytes. */
enum { MAX_EXTRA = 16 << 10 };

struct body body_of_length(uint64_t len) {
    return (struct body){.next = len > 0 ? BODY_BYTES : BODY_OVER, .left = len};
}

struct body body_in_chunks(void) {
    return (struct body){.next = BODY_SIZE, .is_chunked = true};
}

bool body_is_over(const struct body *body) {
    return body->next == BODY_OVER;
}

static int hex_digit(char byte) {
    if (byte >= '0' && byte <= '9') return byte - '0';
    if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
    if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
    return -1;
}

/* The functions below read one byte, and say whether it may stand there. */

static bool to(struct body *body, enum body_part next, bool is_right) {
    body->next = next;
    return is_right;
}

static bool read_digit(struct body *body, int digit) {
    bool fits = body->left <= UINT64_MAX >> 4;
    body->left = body->left << 4 | (uint64_t)digit;
    return to(body, BODY_MORE_SIZE, fits);
}

static bool read_extra(struct body *body, enum body_part next, char byte) {
    bool is_text = ((unsigned char)byte >= ' ' && byte != 127) || byte == '\t';
    return to(body, next, is_text && ++body->extra <= MAX_EXTRA);
}

static bool read_byte(struct body *body, char byte) {
    switch (body->next) {
        case BODY_SIZE: return hex_digit(byte) >= 0 && read_digit(body, hex_digit(byte));
        case BODY_MORE_SIZE:
            if (hex_digit(byte) >= 0) return read_digit(body, hex_digit(byte));
            if (byte == ';') return to(body, BODY_EXTENSION, true);
            return to(body, BODY_SIZE_LF, byte == '\r');
        case BODY_EXTENSION:
            return byte == '\r' ? to(body, BODY_SIZE_LF, true) : read_extra(body, BODY_EXTENSION, byte);
        case BODY_SIZE_LF: return to(body, body->left > 0 ? BODY_BYTES : BODY_LINE_OF_TRAILERS, byte == '\n');
        case BODY_CHUNK_CR: return to(body, BODY_CHUNK_LF, byte == '\r');
        case BODY_CHUNK_LF: return to(body, BODY_SIZE, byte == '\n');
        case BODY_LINE_OF_TRAILERS:
            return byte == '\r' ? to(body, BODY_LAST_LF, true) : read_extra(body, BODY_TRAILER, byte);
        case BODY_TRAILER:
            return byte == '\r' ? to(body, BODY_TRAILER_LF, true) : read_extra(body, BODY_TRAILER, byte);
        case BODY_TRAILER_LF: return to(body, BODY_LINE_OF_TRAILERS, byte == '\n');
        case BODY_LAST_LF: return to(body, BODY_OVER, byte == '\n');
        case BODY_BYTES:
        case BODY_OVER: break;
    }
    return false;
}

static size_t skip_bytes(struct body *body, size_t len) {
    size_t skipped = body->left < len ? (size_t)body->left : len;
    body->left -= skipped;
    if (body->left == 0) body->next = body->is_chunked ? BODY_CHUNK_CR : BODY_OVER;
    return skipped;
}

bool body_skip(struct body *body, const char *data, size_t len, size_t *out_used) {
    size_t at = 0;
    bool is_right = true;
    while (at < len && is_right && body->next != BODY_OVER) {
        if (body->next == BODY_BYTES) {
            at += skip_bytes(body, len - at);
        } else {
            is_right = read_byte(body, data[at++]);
        }
    }
    *out_used = at;
    return is_right;
}
