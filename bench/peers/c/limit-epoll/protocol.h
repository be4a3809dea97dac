/*
 * What a protocol does with input: it takes whole messages off the front and says what to send. No I/O here.
 */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    /* A protocol that has gathered so many bytes to send pauses: they leave before it goes on. */
    REPLY_LARGE = 256 << 10,
    /* Bytes received at a time. */
    READ_SIZE = 64 << 10
};

/* To send: inside the input, or in memory of the protocol's that lives until the next call. */
struct reply {
    const uint8_t *data;
    size_t len;
    /* Bytes that the first message not taken has in all, or 0 while that is unknown. */
    size_t need;
};

/* The input is malformed: the reply is sent, and the connection closed. */
#define TAKE_WRONG SIZE_MAX

struct protocol {
    /* Returns how many bytes it took, or TAKE_WRONG; it is called again with the rest until it takes nothing. */
    size_t (*take)(const uint8_t *data, size_t len, struct reply *reply);
    /* The reply goes to every connection, the sender included. */
    bool to_everybody;
};

extern const struct protocol echo, frames, answers, http, kv, broadcast;

/* A growing buffer in which a protocol gathers its replies. */
struct text {
    uint8_t *data;
    size_t len, capacity;
};

/* Room for so many bytes behind what is there, which count from now on. Ends the process if there is no memory. */
uint8_t *text_extend(struct text *text, size_t len);

#endif
