/*
 * The Redis protocol: requests are cut in place, replies are gathered and written together.
 */
#ifndef KV_RESP_H
#define KV_RESP_H

#include "kv_transaction.h"
#include "kv_watch.h"

#include <reactor.h>
#include <stdint.h>

/* Bytes that belong to somebody else. */
struct bytes {
    const uint8_t *data;
    size_t len;
};

/* Where an argument stands, counted from the first byte of the request. */
struct span {
    size_t begin, len;
};

/*
 * Cuts the requests of one connection into arguments. It remembers how far it came in a request that is not whole yet,
 * so that one that comes in many pieces is read once. All zeroes in the beginning.
 */
struct parser {
    struct span *spans;
    size_t count, capacity;
    size_t at;      /* where to go on */
    size_t missing; /* arguments */
    size_t need;    /* the request cannot be whole before the input has so many bytes */
};

enum parsed {
    /* A whole request. It may have no arguments, and then asks for nothing. */
    PARSED_REQUEST,
    /* The beginning of one: call again with the same bytes and more behind them. */
    PARSED_PARTIAL,
    /* Not the protocol. */
    PARSED_WRONG
};

/*
 * Reads on in the request at the front of the input, which has at least one byte. *out_taken is given the bytes of a
 * whole request, *out_wrong what is wrong, valid until the next call.
 */
enum parsed parser_read(struct parser *parser, struct bytes input, size_t *out_taken, const char **out_wrong);

void parser_free(struct parser *parser);

/* A request: arguments in the input that it was found in. The first one is the command's name. */
struct request {
    const uint8_t *input;
    const struct span *spans;
    size_t count;
};

/* The argument at an index below the count. */
static inline struct bytes argument(const struct request *request, size_t index) {
    struct span span = request->spans[index];
    return (struct bytes){request->input + span.begin, span.len};
}

/* What to do after a request. */
enum next {
    NEXT_READ,
    /* Answer no more until the queue has drained: the client does not keep up. */
    NEXT_WAIT,
    /* Nothing may follow. */
    NEXT_CLOSE
};

/* Longer than any client's name. */
enum { PEER_NAME_SIZE = 1025 };

/* What the server knows of a client. */
struct peer {
    int64_t id; /* a number of its own */
    struct transaction transaction;
    struct watch watch;
    char name[PEER_NAME_SIZE]; /* that it gave itself, or empty */
};

enum { REPLIES_SIZE = 64 << 10 };

/* The replies to one input. On the stack: nothing is to be released. */
struct replies {
    reactor_server *server;
    reactor_conn conn;
    struct peer *peer;
    size_t room; /* bytes that values may have from here on */
    /* 2, or 3 if the client asked for it, which has words of its own for nothing, maps and sets. */
    int protocol;
    enum next next;
    size_t len;
    uint8_t buffer[REPLIES_SIZE];
};

void replies_begin(struct replies *replies, reactor_server *server, reactor_conn conn, struct peer *peer, int protocol);
/* Writes what is not written yet. */
void replies_flush(struct replies *replies);

void reply_simple(struct replies *replies, const char *text);
/* Line breaks in the text would break the protocol; they become spaces. */
void reply_error(struct replies *replies, const char *text);
void reply_integer(struct replies *replies, int64_t value);
void reply_bulk(struct replies *replies, struct bytes value);
void reply_text(struct replies *replies, const char *text);
/* One behind the other. */
void reply_pair(struct replies *replies, const char *field, const char *value);
void reply_null(struct replies *replies);
/* Where an array would be. */
void reply_null_array(struct replies *replies);
/* So many replies follow; different ones in any order; pairs of them. */
void reply_array(struct replies *replies, size_t len);
void reply_set(struct replies *replies, size_t len);
void reply_map(struct replies *replies, size_t len);

#endif
