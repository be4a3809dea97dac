#define _DEFAULT_SOURCE /* getentropy */

#include "kv_store.h"
#include "kv_hash.h"
#include "kv_watch.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    /* A power of 2. */
    SHARDS = 64,
    FIRST_CAPACITY = 16,
    /* Slots that a sweep looks at, in all shards together, unless it finds much that has expired. */
    SWEPT = 16 << 10
};

/* The hash stands beside the pointer, so that a look at another key costs no memory access of its own. */
struct slot {
    uint64_t hash;
    struct entry *entry; /* NULL: free */
};

/*
 * A hash table with linear probing: an entry stands in the first free slot from that of its hash on. capacity is a
 * power of 2, of which at most three quarters are used, or 0.
 */
struct shard {
    pthread_mutex_t lock;
    struct slot *slots;
    size_t capacity, count;
    size_t expiring; /* entries that expire */
    size_t sweep_at; /* the slot where the next sweep begins */
    struct watchers watchers;
};

struct store {
    struct hash_key key;
    moment began;
    size_t shard_count; /* a power of 2 */
    struct shard shards[SHARDS];
};

static moment clock_now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (moment)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* ---- one shard, under its lock ---- */

/* The slot of the key, or the free one where it would stand. There must be slots. */
static struct slot *find(const struct shard *shard, uint64_t hash, struct bytes key) {
    size_t mask = shard->capacity - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct slot *slot = &shard->slots[i];
        if (slot->entry == NULL) return slot;
        if (slot->hash != hash || slot->entry->key_len != key.len) continue;
        if (memcmp(slot->entry->bytes, key.data, key.len) == 0) return slot;
    }
}

static bool grow(struct shard *shard) {
    struct shard grown = {.capacity = shard->capacity == 0 ? FIRST_CAPACITY : 2 * shard->capacity};
    grown.slots = calloc(grown.capacity, sizeof *grown.slots);
    if (grown.slots == NULL) return false;
    size_t mask = grown.capacity - 1;
    for (size_t i = 0; i < shard->capacity; i++) {
        struct slot slot = shard->slots[i];
        if (slot.entry == NULL) continue;
        size_t to = slot.hash & mask;
        while (grown.slots[to].entry != NULL) to = (to + 1) & mask;
        grown.slots[to] = slot;
    }
    free(shard->slots);
    shard->slots = grown.slots;
    shard->capacity = grown.capacity;
    shard->sweep_at = 0;
    return true;
}

static void touch(const struct shard *shard, const struct slot *slot) {
    watchers_touch(&shard->watchers, slot->hash, entry_key(slot->entry));
}

static void remove_at(struct shard *shard, struct slot *slot) {
    touch(shard, slot);
    size_t mask = shard->capacity - 1, gap = (size_t)(slot - shard->slots);
    shard->expiring -= slot->entry->expires != NEVER;
    shard->count--;
    free(slot->entry);
    /* What follows moves up, if its hash allows: no search must end at the gap too early. */
    for (size_t i = (gap + 1) & mask; shard->slots[i].entry != NULL; i = (i + 1) & mask) {
        size_t home = shard->slots[i].hash & mask;
        if (((i - home) & mask) < ((i - gap) & mask)) continue;
        shard->slots[gap] = shard->slots[i];
        gap = i;
    }
    shard->slots[gap].entry = NULL;
}

/* Looks at so many slots; says how many entries it removed. */
static size_t sweep(struct shard *shard, moment now, size_t slots) {
    size_t before = shard->count, mask = shard->capacity - 1;
    for (; slots > 0 && shard->expiring > 0; slots--) {
        struct slot *slot = &shard->slots[shard->sweep_at];
        if (slot->entry != NULL && slot->entry->expires <= now) {
            remove_at(shard, slot); /* another one may stand there now */
        } else {
            shard->sweep_at = (shard->sweep_at + 1) & mask;
        }
    }
    return before - shard->count;
}

static void clear(struct shard *shard) {
    for (size_t i = 0; i < shard->capacity; i++) {
        if (shard->slots[i].entry == NULL) continue;
        touch(shard, &shard->slots[i]);
        free(shard->slots[i].entry);
    }
    free(shard->slots);
    shard->slots = NULL;
    shard->capacity = shard->count = shard->expiring = shard->sweep_at = 0;
}

/* An entry with room for the value, out of the one before, which may be NULL. NULL: no memory, and it is as it was. */
static struct entry *fit(struct entry *entry, struct bytes key, size_t value_len) {
    /* The memory stays, unless it is much too large. */
    bool fits = entry != NULL && entry->value_capacity >= value_len && entry->value_capacity <= 2 * value_len + 64;
    if (fits) return entry;
    struct entry *fitting = realloc(entry, sizeof *entry + key.len + value_len);
    if (fitting == NULL) return NULL;
    if (entry == NULL) {
        fitting->expires = NEVER;
        fitting->key_len = key.len;
        memcpy(fitting->bytes, key.data, key.len);
    }
    fitting->value_capacity = value_len;
    return fitting;
}

/* ---- the store ---- */

struct store *store_new(bool for_one_thread) {
    struct store *store = calloc(1, sizeof *store);
    if (store == NULL) return NULL;
    store->began = clock_now();
    store->shard_count = for_one_thread ? 1 : SHARDS;
    bool is_ready = getentropy(&store->key, sizeof store->key) == 0;
    for (size_t i = 0; i < store->shard_count; i++) is_ready &= pthread_mutex_init(&store->shards[i].lock, NULL) == 0;
    if (is_ready) return store;
    free(store);
    return NULL;
}

void store_free(struct store *store) {
    if (store == NULL) return;
    for (size_t i = 0; i < store->shard_count; i++) {
        clear(&store->shards[i]);
        pthread_mutex_destroy(&store->shards[i].lock);
    }
    free(store);
}

int64_t store_age(const struct store *store) { return clock_now() - store->began; }

void store_sweep(struct store *store) {
    size_t slots = SWEPT / store->shard_count, removed;
    moment now = clock_now();
    for (size_t i = 0; i < store->shard_count; i++) {
        do {
            pthread_mutex_lock(&store->shards[i].lock);
            removed = sweep(&store->shards[i], now, slots);
            pthread_mutex_unlock(&store->shards[i].lock);
            /* Where much had expired, there is more. */
        } while (removed > slots / 4);
    }
}

/* ---- sessions ---- */

void session_begin(struct session *session, struct store *store) { *session = (struct session){.store = store}; }

/* Gives all locks back. */
void session_end(struct session *session) {
    if (session->one != NULL) pthread_mutex_unlock(&session->one->lock);
    for (size_t i = 0; session->has_all && i < session->store->shard_count; i++) {
        pthread_mutex_unlock(&session->store->shards[i].lock);
    }
    session->one = NULL;
    session->has_all = false;
}

moment session_now(struct session *session) {
    if (session->now == 0) session->now = clock_now();
    return session->now;
}

bool session_after(struct session *session, int64_t count, int64_t unit, moment *out_moment) {
    moment now = session_now(session);
    if (count <= 0 || count > (INT64_MAX - 1 - now) / unit) return false;
    *out_moment = now + count * unit;
    return true;
}

void session_lock_all(struct session *session) {
    if (session->has_all) return;
    session_end(session); /* who holds one lock must not wait for another */
    /* In the order of the shards, so that two sessions cannot wait for each other. */
    for (size_t i = 0; i < session->store->shard_count; i++) pthread_mutex_lock(&session->store->shards[i].lock);
    session->has_all = true;
}

/* The shard of a hash, locked. The slots use the lowest bits. */
static struct shard *shard_of(struct session *session, uint64_t hash) {
    struct shard *shard = &session->store->shards[(hash >> 40) & (session->store->shard_count - 1)];
    if (session->has_all || session->one == shard) return shard;
    if (session->one != NULL) pthread_mutex_unlock(&session->one->lock);
    pthread_mutex_lock(&shard->lock);
    return session->one = shard;
}

/* The slot of a key that is there; NULL otherwise. */
static struct slot *lookup(struct session *session, struct bytes key, struct shard **out_shard) {
    uint64_t hash = hash_bytes(session->store->key, key.data, key.len);
    struct shard *shard = *out_shard = shard_of(session, hash);
    if (shard->count == 0) return NULL;
    struct slot *slot = find(shard, hash, key);
    if (slot->entry == NULL) return NULL;
    if (slot->entry->expires == NEVER || slot->entry->expires > session_now(session)) return slot;
    remove_at(shard, slot);
    return NULL;
}

struct entry *session_get(struct session *session, struct bytes key) {
    struct shard *shard;
    struct slot *slot = lookup(session, key, &shard);
    return slot == NULL ? NULL : slot->entry;
}

bool session_set(struct session *session, struct bytes key, struct bytes value, moment expires) {
    uint64_t hash = hash_bytes(session->store->key, key.data, key.len);
    struct shard *shard = shard_of(session, hash);
    if ((shard->count + 1) * 4 > shard->capacity * 3 && !grow(shard)) return false;
    struct slot *slot = find(shard, hash, key);
    struct entry *entry = fit(slot->entry, key, value.len);
    if (entry == NULL) return false;
    shard->count += slot->entry == NULL;
    shard->expiring += (size_t)(expires != NEVER) - (size_t)(entry->expires != NEVER);
    *slot = (struct slot){hash, entry};
    entry->expires = expires;
    entry->value_len = value.len;
    memcpy(entry->bytes + entry->key_len, value.data, value.len);
    touch(shard, slot);
    return true;
}

bool session_expire(struct session *session, struct bytes key, moment expires) {
    struct shard *shard;
    struct slot *slot = lookup(session, key, &shard);
    if (slot == NULL) return false;
    shard->expiring += (size_t)(expires != NEVER) - (size_t)(slot->entry->expires != NEVER);
    slot->entry->expires = expires;
    touch(shard, slot);
    return true;
}

bool session_remove(struct session *session, struct bytes key) {
    struct shard *shard;
    struct slot *slot = lookup(session, key, &shard);
    if (slot != NULL) remove_at(shard, slot);
    return slot != NULL;
}

void session_clear(struct session *session) {
    session_lock_all(session);
    for (size_t i = 0; i < session->store->shard_count; i++) clear(&session->store->shards[i]);
}

bool session_watch(struct session *session, struct bytes key, struct watch *watch) {
    uint64_t hash = hash_bytes(session->store->key, key.data, key.len);
    /* What has expired before does not change by being removed. */
    session_get(session, key);
    return watchers_add(&shard_of(session, hash)->watchers, hash, key, watch);
}

void session_unwatch(struct session *session, struct watch *watch) {
    while (watch->first != NULL) {
        struct watched *first = watch->first;
        watch->first = first->next;
        watchers_remove(&shard_of(session, first->hash)->watchers, first);
    }
    watch->has_changed = false;
}

bool session_has_changed(struct session *session, const struct watch *watch) {
    /* What has expired is removed by looking, and has changed. */
    for (const struct watched *watched = watch->first; watched != NULL; watched = watched->next) {
        session_get(session, (struct bytes){watched->key, watched->key_len});
    }
    return watch->has_changed;
}

void session_count(struct session *session, size_t *out_keys, size_t *out_expiring) {
    session_lock_all(session);
    *out_keys = *out_expiring = 0;
    for (size_t i = 0; i < session->store->shard_count; i++) {
        *out_keys += session->store->shards[i].count;
        *out_expiring += session->store->shards[i].expiring;
    }
}

size_t session_parts(const struct session *session) { return session->store->shard_count; }

const struct entry *session_next_in(struct session *session, size_t part, size_t *slot) {
    const struct shard *shard = &session->store->shards[part];
    while (*slot < shard->capacity) {
        const struct entry *entry = shard->slots[(*slot)++].entry;
        if (entry != NULL && entry->expires > session_now(session)) return entry;
    }
    return NULL;
}

const struct entry *session_next(struct session *session, struct walk *walk) {
    for (; walk->shard < session_parts(session); walk->shard++, walk->slot = 0) {
        const struct entry *entry = session_next_in(session, walk->shard, &walk->slot);
        if (entry != NULL) return entry;
    }
    return NULL;
}
