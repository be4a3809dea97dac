#include "pieces.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static struct piece of_buffers[PIECE_COUNT];

struct piece *piece_of_buffer(unsigned buffer, size_t len) {
    struct piece *piece = &of_buffers[buffer];
    *piece = (struct piece){.data = ring_bytes(buffer), .len = len, .capacity = PIECE_SIZE};
    return piece;
}

static struct piece *resize(struct piece *piece, size_t capacity) {
    piece = realloc(piece, sizeof *piece + capacity);
    if (piece == NULL) abort();
    piece->data = (uint8_t *)(piece + 1);
    piece->capacity = capacity;
    return piece;
}

struct piece *piece_new(size_t capacity) {
    struct piece *piece = resize(NULL, capacity);
    piece->next = NULL;
    piece->at = piece->len = 0;
    return piece;
}

struct piece *piece_append(struct piece *piece, const uint8_t *data, size_t len, size_t need) {
    size_t capacity = piece->len + len > need ? piece->len + len : need;
    if (capacity > piece->capacity) piece = resize(piece, capacity);
    memcpy(piece->data + piece->len, data, len);
    piece->len += len;
    return piece;
}

void piece_free(struct piece *piece) {
    bool is_of_buffer = piece >= of_buffers && piece < of_buffers + PIECE_COUNT;
    if (is_of_buffer) {
        ring_recycle((unsigned)(piece - of_buffers));
    } else {
        free(piece);
    }
}
