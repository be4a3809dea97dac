/* HTTP/1.1 as far as GET / needs it: a request is a head without a body, up to the empty line. */
#include "protocol.h"

#include <string.h>

enum { HEAD_MAX = 16 << 10 };

static const char OK[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, world!";
static const char NOT_FOUND[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
static const char BAD[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

static bool begins(const uint8_t *data, size_t len, const char *prefix) {
    size_t prefix_len = strlen(prefix);
    return len >= prefix_len && memcmp(data, prefix, prefix_len) == 0;
}

/* Behind the empty line that ends the head, or NULL. Line by line: memchr is many times as fast as memmem. */
static const uint8_t *find_end(const uint8_t *data, size_t len) {
    const uint8_t *end = data + len;
    while ((data = memchr(data, '\n', (size_t)(end - data))) != NULL) {
        data++;
        if (end - data >= 2 && data[0] == '\r' && data[1] == '\n') return data + 2;
    }
    return NULL;
}

static void append(struct text *replies, const char *response, size_t size) {
    memcpy(text_extend(replies, size - 1), response, size - 1);
}

static size_t take_requests(const uint8_t *data, size_t len, struct reply *reply) {
    static struct text replies;
    size_t at = 0;
    bool is_right = true;
    replies.len = 0;
    while (is_right && at < len && replies.len < REPLY_LARGE) {
        const uint8_t *end = find_end(data + at, len - at);
        if (end == NULL && len - at < HEAD_MAX) break;
        if (end != NULL && begins(data + at, len - at, "GET / HTTP/1.1\r\n")) {
            append(&replies, OK, sizeof OK);
        } else if (end != NULL && begins(data + at, len - at, "GET ")) {
            append(&replies, NOT_FOUND, sizeof NOT_FOUND);
        } else {
            append(&replies, BAD, sizeof BAD);
            is_right = false;
        }
        if (end != NULL) at = (size_t)(end - data);
    }
    reply->data = replies.data;
    reply->len = replies.len;
    return is_right ? at : TAKE_WRONG;
}

const struct protocol http = {.take = take_requests};
