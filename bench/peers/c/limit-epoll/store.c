#include "store.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CHAINS = 1024 };

struct pair {
    struct pair *next;
    uint64_t hash;
    size_t key_len, value_len, value_capacity;
    uint8_t *value;
    uint8_t key[];
};

static struct pair **chains;
static size_t chain_count, pair_count;

static void *or_abort(void *memory) {
    if (memory == NULL) abort();
    return memory;
}

/* FNV-1a, with the constants of its authors (Fowler, Noll, Vo) for 64 bits. */
static uint64_t hash_of(struct bytes key) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < key.len; i++) hash = (hash ^ key.data[i]) * 0x100000001b3u;
    return hash;
}

/* The link that points to the pair, or the NULL at the chain's end. Needs chains. */
static struct pair **find(struct bytes key, uint64_t hash) {
    struct pair **link = &chains[hash & (chain_count - 1)];
    while (*link != NULL && ((*link)->hash != hash || (*link)->key_len != key.len ||
                             memcmp((*link)->key, key.data, key.len) != 0)) {
        link = &(*link)->next;
    }
    return link;
}

static void grow(void) {
    size_t count = chain_count == 0 ? FIRST_CHAINS : 2 * chain_count;
    struct pair **wider = or_abort(calloc(count, sizeof *wider));
    for (size_t i = 0; i < chain_count; i++) {
        for (struct pair *pair = chains[i], *next; pair != NULL; pair = next) {
            next = pair->next;
            pair->next = wider[pair->hash & (count - 1)];
            wider[pair->hash & (count - 1)] = pair;
        }
    }
    free(chains);
    chains = wider;
    chain_count = count;
}

static struct pair *add(struct pair **link, struct bytes key, uint64_t hash) {
    struct pair *pair = or_abort(malloc(sizeof *pair + key.len));
    *pair = (struct pair){.hash = hash, .key_len = key.len};
    memcpy(pair->key, key.data, key.len);
    pair_count++;
    return *link = pair;
}

bool store_get(struct bytes key, struct bytes *out_value) {
    struct pair *pair = chain_count == 0 ? NULL : *find(key, hash_of(key));
    if (pair == NULL) return false;
    *out_value = (struct bytes){pair->value, pair->value_len};
    return true;
}

void store_set(struct bytes key, struct bytes value) {
    if (pair_count == chain_count) grow();
    uint64_t hash = hash_of(key);
    struct pair **link = find(key, hash), *pair = *link == NULL ? add(link, key, hash) : *link;
    if (value.len > pair->value_capacity || pair->value == NULL) {
        free(pair->value);
        pair->value_capacity = value.len < 16 ? 16 : value.len;
        pair->value = or_abort(malloc(pair->value_capacity));
    }
    memcpy(pair->value, value.data, value.len);
    pair->value_len = value.len;
}

bool store_delete(struct bytes key) {
    struct pair **link = chain_count == 0 ? NULL : find(key, hash_of(key));
    if (link == NULL || *link == NULL) return false;
    struct pair *pair = *link;
    *link = pair->next;
    free(pair->value);
    free(pair);
    pair_count--;
    return true;
}
