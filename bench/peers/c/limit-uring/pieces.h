/* Runs of bytes on their way back to a connection: a buffer of the ring's, or memory of its own. */
#ifndef PIECES_H
#define PIECES_H

#include "ring.h"

enum {
    /* Bytes of a buffer of the ring's, and how many there are. */
    PIECE_SIZE = 32 << 10,
    PIECE_COUNT = 2048
};

struct piece {
    struct piece *next;
    uint8_t *data;
    /* Bytes from at to len are to be sent. capacity is what the piece costs, however few they are. */
    size_t at, len, capacity;
};

/* The piece of the buffer that the kernel has filled with len bytes. */
struct piece *piece_of_buffer(unsigned buffer, size_t len);

/* One of its own, empty. Ends the process if there is no memory. */
struct piece *piece_new(size_t capacity);

/* Puts bytes behind those of a piece of its own; answers where it is now. It grows to at least need bytes. */
struct piece *piece_append(struct piece *piece, const uint8_t *data, size_t len, size_t need);

/* Gives the buffer back, or the memory. NULL is fine. */
void piece_free(struct piece *piece);

#endif
