/* What a connection has only while bytes wait: output that the kernel did not take, input that is half a message. */
#ifndef BACKLOG_H
#define BACKLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes from at to len wait. */
struct queue {
    uint8_t *data;
    size_t at, len, capacity;
};

struct backlog {
    struct queue output, input;
};

/* Of the connection with a descriptor; NULL, as nearly always, if nothing of it waits. */
extern struct backlog **backlogs;

/* For descriptors below so many. */
void backlogs_begin(size_t descriptors);

/* Gives the connection one if it has none. Ends the process if there is no memory, as everything here. */
struct backlog *backlog_of(int descriptor);

/* Takes it away if nothing waits in it any more. */
void backlog_trim(int descriptor);

/* Takes it away whatever waits in it. */
void backlog_drop(int descriptor);

static inline bool backlog_has_output(int descriptor) {
    const struct backlog *backlog = backlogs[descriptor];
    return backlog != NULL && backlog->output.len > 0;
}

/* Puts a copy behind what waits. */
void queue_append(struct queue *queue, const uint8_t *data, size_t len);

/* Forgets the first bytes, and the memory with the last of them. */
void queue_consume(struct queue *queue, size_t len);

/* Moves what waits to the front, and makes room so that the queue holds capacity bytes. */
void queue_reserve(struct queue *queue, size_t capacity);

#endif
