/*
 * WATCH: the keys that clients watch, to learn in EXEC whether one has changed.
 */
#ifndef KV_WATCH_H
#define KV_WATCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes;

/* What one client watches. All zeroes in the beginning; it stays where it is. */
struct watch {
    struct watched *first;
    atomic_bool has_changed; /* set by whoever changes one of the keys, on any loop */
};

/* A key, and one client that watches it. */
struct watched {
    struct watched *next;           /* of the client */
    struct watched *next_in_bucket; /* of the shard's watchers */
    struct watch *watch;
    uint64_t hash;
    size_t key_len;
    uint8_t key[];
};

/* Who watches the keys of one shard: a hash table of lists, under the shard's lock. All zeroes in the beginning. */
struct watchers {
    struct watched **buckets;
    size_t capacity; /* a power of 2, or 0 */
    size_t count;
};

/* A key is about to change, or has. */
void watchers_touch(const struct watchers *watchers, uint64_t hash, struct bytes key);
/* Once is enough for each key of a client. false: no memory. */
bool watchers_add(struct watchers *watchers, uint64_t hash, struct bytes key, struct watch *watch);
/* Not from the client's list. */
void watchers_remove(struct watchers *watchers, struct watched *watched);

#endif
