/* A cache that speaks RESP2 as redis-benchmark uses it: PING, GET, SET, DEL, each as an array of bulk strings. */
#include "protocol.h"
#include "store.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
    MAX_ARGUMENTS = 16,
    /* Bytes of the longest argument. */
    MAX_BULK = 64 << 20,
    /* Digits of the longest number. */
    MAX_DIGITS = 9
};

enum parsed { PARSED, PARTIAL, WRONG };

struct request {
    struct bytes arguments[MAX_ARGUMENTS];
    size_t count;
};

/* A kind, a number and CR LF at a place of the input, which is moved behind it. */
static enum parsed read_number(struct bytes input, size_t *at, uint8_t kind, size_t *out_value) {
    size_t i = *at, value = 0;
    if (i == input.len) return PARTIAL;
    if (input.data[i] != kind) return WRONG;
    size_t first = ++i;
    for (; i < input.len && input.data[i] >= '0' && input.data[i] <= '9'; i++) {
        if (i - first == MAX_DIGITS) return WRONG;
        value = value * 10 + (size_t)(input.data[i] - '0');
    }
    if (i == input.len) return PARTIAL;
    if (i == first || input.data[i] != '\r') return WRONG;
    if (i + 1 == input.len) return PARTIAL;
    *at = i + 2;
    *out_value = value;
    return PARSED;
}

/* Reads a request at a place of the input, which is moved behind it. *need is how far the input must reach at least. */
static enum parsed read_request(struct bytes input, size_t *at, struct request *request, size_t *need) {
    size_t i = *at, len;
    enum parsed parsed = read_number(input, &i, '*', &request->count);
    if (parsed != PARSED) return parsed;
    if (request->count == 0 || request->count > MAX_ARGUMENTS) return WRONG;
    for (size_t n = 0; n < request->count; n++) {
        parsed = read_number(input, &i, '$', &len);
        if (parsed != PARSED) return parsed;
        if (len > MAX_BULK) return WRONG;
        request->arguments[n] = (struct bytes){input.data + i, len};
        i += len + 2;
        if (i > input.len) {
            *need = i - *at;
            return PARTIAL;
        }
    }
    *at = i;
    return PARSED;
}

static void append(struct text *replies, const void *data, size_t len) { memcpy(text_extend(replies, len), data, len); }

static void reply_text(struct text *replies, const char *text) { append(replies, text, strlen(text)); }

static void reply_bulk(struct text *replies, struct bytes value) {
    char line[32];
    append(replies, line, (size_t)snprintf(line, sizeof line, "$%zu\r\n", value.len));
    append(replies, value.data, value.len);
    append(replies, "\r\n", 2);
}

static bool is_command(const struct request *request, const char *name, size_t count) {
    struct bytes word = request->arguments[0];
    return request->count == count && word.len == strlen(name) &&
           strncasecmp((const char *)word.data, name, word.len) == 0;
}

static void obey(const struct request *request, struct text *replies) {
    const struct bytes *arguments = request->arguments;
    struct bytes value;
    if (is_command(request, "GET", 2)) {
        if (store_get(arguments[1], &value)) {
            reply_bulk(replies, value);
        } else {
            reply_text(replies, "$-1\r\n");
        }
    } else if (is_command(request, "SET", 3)) {
        store_set(arguments[1], arguments[2]);
        reply_text(replies, "+OK\r\n");
    } else if (is_command(request, "PING", 1)) {
        reply_text(replies, "+PONG\r\n");
    } else if (is_command(request, "PING", 2)) {
        reply_bulk(replies, arguments[1]);
    } else if (is_command(request, "DEL", 2)) {
        reply_text(replies, store_delete(arguments[1]) ? ":1\r\n" : ":0\r\n");
    } else {
        reply_text(replies, "-ERR unknown command, or another number of arguments than it takes here\r\n");
    }
}

static size_t take_requests(const uint8_t *data, size_t len, struct reply *reply) {
    static struct text replies;
    struct bytes input = {data, len};
    struct request request;
    size_t at = 0;
    enum parsed parsed = PARSED;
    replies.len = 0;
    while (at < len && replies.len < REPLY_LARGE) {
        parsed = read_request(input, &at, &request, &reply->need);
        if (parsed != PARSED) break;
        obey(&request, &replies);
    }
    if (parsed == WRONG) reply_text(&replies, "-ERR Protocol error\r\n");
    reply->data = replies.data;
    reply->len = replies.len;
    return parsed == WRONG ? TAKE_WRONG : at;
}

const struct protocol kv = {.take = take_requests};
