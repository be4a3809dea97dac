/*
 * A hash that nobody can foresee without its key: clients choose what is hashed, and must not be able to choose much
 * that falls together.
 */
#ifndef KV_HASH_H
#define KV_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash_key {
    uint64_t words[2];
};

/* SipHash-1-3, by Aumasson and Bernstein: the variant for hash tables. */
uint64_t hash_bytes(struct hash_key key, const uint8_t *data, size_t len);

#endif
