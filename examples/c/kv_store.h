/*
 * The keys and their values: hash tables, the shards, each under a lock, with expiry.
 */
#ifndef KV_STORE_H
#define KV_STORE_H

#include "kv_resp.h"

#include <stdbool.h>
#include <stdint.h>

/* A moment, in milliseconds of the monotonic clock. */
typedef int64_t moment;

/* The moment at which a value without a time to live expires. */
#define NEVER INT64_MAX

/* A key and its value, in one piece of memory. */
struct entry {
    moment expires;
    size_t key_len, value_len, value_capacity;
    uint8_t bytes[]; /* the key, then the value */
};

static inline struct bytes entry_key(const struct entry *entry) { return (struct bytes){entry->bytes, entry->key_len}; }

static inline struct bytes entry_value(const struct entry *entry) {
    return (struct bytes){entry->bytes + entry->key_len, entry->value_len};
}

/* All values. Used from any thread, through sessions. */
struct store;

/* One shard is best for one thread, which takes its lock once per input; otherwise there are 64. NULL: no memory. */
struct store *store_new(bool for_one_thread);
/* When no thread uses it any more. NULL is fine. */
void store_free(struct store *store);
/* Milliseconds since it was made. */
int64_t store_age(const struct store *store);
/* Removes some of what has expired; to be called several times a second, from any thread. */
void store_sweep(struct store *store);

/*
 * Access to the values while one input is handled, on one thread. It holds locks until session_end(): none, that of
 * the shard used last, or all. Entries are good until the next call.
 */
struct session {
    struct store *store;
    struct shard *one;
    bool has_all;
    moment now; /* 0: not asked yet */
};

void session_begin(struct session *session, struct store *store);
void session_end(struct session *session);

/* The present, the same for the whole session. */
moment session_now(struct session *session);
/* The moment after so many units of so many milliseconds; false if it is not to come, or too far away. */
bool session_after(struct session *session, int64_t count, int64_t unit, moment *out_moment);

/* From here on no other session comes between, whatever the keys. */
void session_lock_all(struct session *session);

/* NULL if there is none. */
struct entry *session_get(struct session *session, struct bytes key);
/* false: no memory, and nothing has changed. */
bool session_set(struct session *session, struct bytes key, struct bytes value, moment expires);
/* Says whether there was something to change, or to remove. */
bool session_expire(struct session *session, struct bytes key, moment expires);
bool session_remove(struct session *session, struct bytes key);
/* Removes everything, and gives the memory back. */
void session_clear(struct session *session);

/* Makes a client watch a key. false: no memory. */
bool session_watch(struct session *session, struct bytes key, struct watch *watch);
/* Makes it watch nothing. */
void session_unwatch(struct session *session, struct watch *watch);
/* Whether a watched key has changed; after session_lock_all(), for all keys at once. */
bool session_has_changed(struct session *session, const struct watch *watch);

/* Keys, and those of them that expire; what has expired and is not removed yet counts. */
void session_count(struct session *session, size_t *out_keys, size_t *out_expiring);

/* Where a walk over all entries is. All zeroes in the beginning. */
struct walk {
    size_t shard, slot;
};

/* The values are in so many parts. */
size_t session_parts(const struct session *session);
/*
 * The next entry of a part that has not expired, NULL at its end. *slot is where the walk over it is, first 0.
 * After session_lock_all(), and as long as nothing changes.
 */
const struct entry *session_next_in(struct session *session, size_t part, size_t *slot);

/* The next entry that has not expired; NULL at the end. After session_lock_all(), and as long as nothing changes. */
const struct entry *session_next(struct session *session, struct walk *walk);

#endif
