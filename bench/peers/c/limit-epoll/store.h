/* A plain hash table of byte strings: chained, doubled when it is full. One per process. */
#ifndef STORE_H
#define STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
    const uint8_t *data;
    size_t len;
};

/* False if there is no such key. The value is valid until the next call that changes something. */
bool store_get(struct bytes key, struct bytes *out_value);

/* Keeps copies. Ends the process if there is no memory. */
void store_set(struct bytes key, struct bytes value);

bool store_delete(struct bytes key);

#endif
