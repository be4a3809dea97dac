#include "kv_watch.h"
#include "kv_resp.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 16 };

static struct watched **bucket_of(const struct watchers *watchers, uint64_t hash) {
    return &watchers->buckets[hash & (watchers->capacity - 1)];
}

/* The first one behind this one, itself included, that is about the key. */
static struct watched *find(struct watched *watched, uint64_t hash, struct bytes key) {
    for (; watched != NULL; watched = watched->next_in_bucket) {
        if (watched->hash != hash || watched->key_len != key.len) continue;
        if (memcmp(watched->key, key.data, key.len) == 0) return watched;
    }
    return NULL;
}

void watchers_touch(const struct watchers *watchers, uint64_t hash, struct bytes key) {
    if (watchers->count == 0) return;
    struct watched *watched = find(*bucket_of(watchers, hash), hash, key);
    for (; watched != NULL; watched = find(watched->next_in_bucket, hash, key)) {
        /* The locks of the shards put it in order. */
        atomic_store_explicit(&watched->watch->has_changed, true, memory_order_relaxed);
    }
}

static void put(struct watchers *watchers, struct watched *watched) {
    struct watched **bucket = bucket_of(watchers, watched->hash);
    watched->next_in_bucket = *bucket;
    *bucket = watched;
}

static bool grow(struct watchers *watchers) {
    struct watchers grown = {.count = watchers->count};
    grown.capacity = watchers->capacity == 0 ? FIRST_CAPACITY : 2 * watchers->capacity;
    grown.buckets = calloc(grown.capacity, sizeof(struct watched *));
    if (grown.buckets == NULL) return false;
    for (size_t i = 0; i < watchers->capacity; i++) {
        for (struct watched *watched = watchers->buckets[i], *next; watched != NULL; watched = next) {
            next = watched->next_in_bucket;
            put(&grown, watched);
        }
    }
    free(watchers->buckets);
    *watchers = grown;
    return true;
}

bool watchers_add(struct watchers *watchers, uint64_t hash, struct bytes key, struct watch *watch) {
    if (watchers->count == watchers->capacity && !grow(watchers)) return false;
    struct watched *same = find(*bucket_of(watchers, hash), hash, key);
    while (same != NULL && same->watch != watch) same = find(same->next_in_bucket, hash, key);
    if (same != NULL) return true;
    struct watched *watched = malloc(sizeof *watched + key.len);
    if (watched == NULL) return false;
    *watched = (struct watched){.next = watch->first, .watch = watch, .hash = hash, .key_len = key.len};
    memcpy(watched->key, key.data, key.len);
    watch->first = watched;
    put(watchers, watched);
    watchers->count++;
    return true;
}

void watchers_remove(struct watchers *watchers, struct watched *watched) {
    struct watched **at = bucket_of(watchers, watched->hash);
    while (*at != watched) at = &(*at)->next_in_bucket;
    *at = watched->next_in_bucket;
    free(watched);
    if (--watchers->count > 0) return;
    free(watchers->buckets);
    *watchers = (struct watchers){0};
}
