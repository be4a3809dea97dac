#include "kv_resp.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* As in Redis: PROTO_INLINE_MAX_SIZE, proto-max-bulk-len, client-query-buffer-limit, the arguments of Redis 6. */
static const size_t MAX_INLINE = (size_t)64 << 10;
static const size_t MAX_BULK = (size_t)512 << 20;
static const size_t MAX_REQUEST = (size_t)1 << 30;
static const size_t MAX_ARGUMENTS = (size_t)1 << 20;

enum {
    /* Spans whose memory a parser keeps. */
    KEPT_SPANS = 64,
    /* A value of at least so many bytes goes to the connection without a detour through the buffer. */
    LARGE = 16 << 10,
    /* Bytes of a line with a number, its kind and its end included. */
    NUMBER_SIZE = 24
};

/* ---- requests ---- */

static enum parsed wrong(const char *text, const char **out_wrong) {
    *out_wrong = text;
    return PARSED_WRONG;
}

void parser_free(struct parser *parser) {
    free(parser->spans);
    *parser = (struct parser){0};
}

/* Forgets the request before; the memory of one with very many arguments, too. */
static void clear(struct parser *parser) {
    if (parser->capacity > KEPT_SPANS) parser_free(parser);
    parser->count = parser->at = 0;
}

static bool push(struct parser *parser, size_t begin, size_t len) {
    if (parser->count == parser->capacity) {
        size_t capacity = parser->capacity == 0 ? 8 : 2 * parser->capacity;
        struct span *spans = realloc(parser->spans, capacity * sizeof *spans);
        if (spans == NULL) return false;
        parser->spans = spans;
        parser->capacity = capacity;
    }
    parser->spans[parser->count++] = (struct span){begin, len};
    return true;
}

/* A number and CR LF at a place of the input, which is moved behind it. */
static enum parsed read_number(struct bytes input, size_t *at, int64_t *out_value) {
    size_t i = *at;
    bool is_negative = i < input.len && input.data[i] == '-';
    int64_t value = 0;
    size_t first = i += is_negative;
    for (; i < input.len && input.data[i] >= '0' && input.data[i] <= '9'; i++) {
        /* 18 digits fit; no length has more. */
        if (i - first >= 18) return PARSED_WRONG;
        value = value * 10 + (input.data[i] - '0');
    }
    if (i == input.len) return PARSED_PARTIAL;
    if (input.data[i] != '\r' || i == first) return PARSED_WRONG;
    if (i + 1 == input.len) return PARSED_PARTIAL;
    *at = i + 2;
    *out_value = is_negative ? -value : value;
    return PARSED_REQUEST;
}

static enum parsed unexpected(uint8_t byte, const char **out_wrong) {
    static _Thread_local char text[] = "expected '$', got ' '";
    text[sizeof text - 3] = (char)byte;
    return wrong(text, out_wrong);
}

static enum parsed read_arguments(struct parser *parser, struct bytes input, const char **out_wrong) {
    for (; parser->missing > 0; parser->missing--) {
        size_t at = parser->at;
        int64_t len;
        if (at >= input.len) return PARSED_PARTIAL;
        if (input.data[at] != '$') return unexpected(input.data[at], out_wrong);
        at++;
        enum parsed parsed = read_number(input, &at, &len);
        if (parsed == PARSED_PARTIAL) return PARSED_PARTIAL;
        bool is_wrong = parsed == PARSED_WRONG || len < 0 || (uint64_t)len > MAX_BULK;
        if (is_wrong) return wrong("invalid bulk length", out_wrong);
        size_t end = at + (size_t)len + 2;
        parser->need = end;
        if (end > MAX_REQUEST) return wrong("too big request", out_wrong);
        if (end > input.len) return PARSED_PARTIAL;
        if (!push(parser, at, (size_t)len)) return wrong("out of memory", out_wrong);
        parser->at = end;
    }
    parser->need = 0;
    return PARSED_REQUEST;
}

static enum parsed begin_request(struct parser *parser, struct bytes input, const char **out_wrong) {
    size_t at = 1;
    int64_t count;
    clear(parser);
    enum parsed parsed = read_number(input, &at, &count);
    if (parsed == PARSED_PARTIAL) return PARSED_PARTIAL;
    if (parsed == PARSED_WRONG || count > (int64_t)MAX_ARGUMENTS) return wrong("invalid multibulk length", out_wrong);
    parser->at = at;
    parser->missing = count > 0 ? (size_t)count : 0;
    return read_arguments(parser, input, out_wrong);
}

static bool is_space(uint8_t byte) { return byte == ' ' || (byte >= '\t' && byte <= '\r'); }

/* A request as a person types it: words on a line. Unlike in Redis, and in Python, quotes are part of them. */
static enum parsed read_inline(struct parser *parser, struct bytes input, const char **out_wrong) {
    const uint8_t *found = memchr(input.data + parser->at, '\n', input.len - parser->at);
    if (found == NULL) {
        parser->at = input.len;
        return input.len <= MAX_INLINE ? PARSED_PARTIAL : wrong("too big inline request", out_wrong);
    }
    if ((size_t)(found - input.data) > MAX_INLINE) return wrong("too big inline request", out_wrong);
    clear(parser);
    parser->at = (size_t)(found - input.data) + 1;
    for (size_t i = 0; i < parser->at;) {
        size_t begin = i;
        while (!is_space(input.data[i])) i++; /* the line ends with one */
        if (i > begin && !push(parser, begin, i - begin)) return wrong("out of memory", out_wrong);
        i++;
    }
    return PARSED_REQUEST;
}

enum parsed parser_read(struct parser *parser, struct bytes input, size_t *out_taken, const char **out_wrong) {
    enum parsed parsed;
    if (input.len < parser->need) return PARSED_PARTIAL;
    if (parser->missing > 0) {
        parsed = read_arguments(parser, input, out_wrong);
    } else if (input.data[0] == '*') {
        parsed = begin_request(parser, input, out_wrong);
    } else {
        parsed = read_inline(parser, input, out_wrong);
    }
    if (parsed == PARSED_REQUEST) {
        *out_taken = parser->at;
        parser->at = 0;
    }
    return parsed;
}

/* ---- replies ---- */

void replies_begin(struct replies *replies, reactor_server *server, reactor_conn conn, struct peer *peer,
                   int protocol) {
    /* Not the buffer. */
    replies->server = server;
    replies->conn = conn;
    replies->peer = peer;
    replies->room = SIZE_MAX;
    replies->protocol = protocol;
    replies->next = NEXT_READ;
    replies->len = 0;
}

/* Writes what was gathered, and the value and a line's end behind it. */
static void write_all(struct replies *replies, struct bytes value) {
    uint32_t pressure = REACTOR_PRESSURE_LOW;
    struct iovec slices[] = {{replies->buffer, replies->len}, {(void *)(uintptr_t)value.data, value.len}, {"\r\n", 2}};
    size_t count = value.data == NULL ? 1 : 3;
    replies->len = 0;
    if (reactor_conn_write_gathered(replies->server, replies->conn, slices, count, &pressure) != REACTOR_OK) {
        replies->next = NEXT_CLOSE;
    } else if (pressure == REACTOR_PRESSURE_HIGH && replies->next == NEXT_READ) {
        replies->next = NEXT_WAIT;
    }
}

void replies_flush(struct replies *replies) {
    if (replies->len > 0) write_all(replies, (struct bytes){NULL, 0});
}

/* Room for so many bytes, which are far fewer than the buffer has. */
static uint8_t *room(struct replies *replies, size_t len) {
    if (replies->len + len > REPLIES_SIZE) replies_flush(replies);
    return replies->buffer + replies->len;
}

/* A kind, a number and a line's end. */
static void number_line(struct replies *replies, char kind, bool is_negative, uint64_t value) {
    char digits[NUMBER_SIZE];
    size_t begin = sizeof digits;
    digits[--begin] = '\n';
    digits[--begin] = '\r';
    do {
        digits[--begin] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    if (is_negative) digits[--begin] = '-';
    digits[--begin] = kind;
    memcpy(room(replies, sizeof digits), digits + begin, sizeof digits - begin);
    replies->len += sizeof digits - begin;
}

/* A kind, at most LARGE bytes of a text, and a line's end. */
static uint8_t *text_line(struct replies *replies, char kind, const char *text, size_t len) {
    if (len > LARGE) len = LARGE;
    uint8_t *line = room(replies, len + 3);
    line[0] = (uint8_t)kind;
    memcpy(line + 1, text, len);
    memcpy(line + 1 + len, "\r\n", 2);
    replies->len += len + 3;
    return line;
}

void reply_simple(struct replies *replies, const char *text) { text_line(replies, '+', text, strlen(text)); }

void reply_error(struct replies *replies, const char *text) {
    uint8_t *line = text_line(replies, '-', text, strlen(text));
    for (uint8_t *end = replies->buffer + replies->len - 2; line < end; line++) {
        if (*line == '\r' || *line == '\n') *line = ' ';
    }
}

void reply_integer(struct replies *replies, int64_t value) {
    number_line(replies, ':', value < 0, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void reply_bulk(struct replies *replies, struct bytes value) {
    if (value.len > replies->room) {
        reply_error(replies, "ERR the values have more than 64 MiB together");
        return;
    }
    replies->room -= value.len;
    number_line(replies, '$', false, value.len);
    if (value.len >= LARGE) {
        write_all(replies, value);
        return;
    }
    uint8_t *to = room(replies, value.len + 2);
    memcpy(to, value.data, value.len);
    memcpy(to + value.len, "\r\n", 2);
    replies->len += value.len + 2;
}

void reply_text(struct replies *replies, const char *text) {
    reply_bulk(replies, (struct bytes){(const uint8_t *)text, strlen(text)});
}

void reply_pair(struct replies *replies, const char *field, const char *value) {
    reply_text(replies, field);
    reply_text(replies, value);
}

static void null_of(struct replies *replies, char kind) {
    if (replies->protocol == 2) {
        text_line(replies, kind, "-1", 2);
    } else {
        text_line(replies, '_', "", 0);
    }
}

void reply_null(struct replies *replies) { null_of(replies, '$'); }

void reply_null_array(struct replies *replies) { null_of(replies, '*'); }

void reply_array(struct replies *replies, size_t len) { number_line(replies, '*', false, len); }

void reply_set(struct replies *replies, size_t len) {
    number_line(replies, replies->protocol == 2 ? '*' : '~', false, len);
}

void reply_map(struct replies *replies, size_t len) {
    if (replies->protocol == 2) {
        reply_array(replies, 2 * len);
    } else {
        number_line(replies, '%', false, len);
    }
}
