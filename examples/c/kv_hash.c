#include "kv_hash.h"

#include <string.h>

struct state {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate(uint64_t word, int bits) { return word << bits | word >> (64 - bits); }

static inline void sip_round(struct state *s) {
    s->v0 += s->v1, s->v1 = rotate(s->v1, 13) ^ s->v0, s->v0 = rotate(s->v0, 32);
    s->v2 += s->v3, s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 += s->v3, s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 += s->v1, s->v1 = rotate(s->v1, 17) ^ s->v2, s->v2 = rotate(s->v2, 32);
}

static inline void absorb(struct state *s, uint64_t word) {
    s->v3 ^= word;
    sip_round(s);
    s->v0 ^= word;
}

/* The last bytes, and the length in the highest. Words are in the machine's order: hashes do not leave it. */
static inline uint64_t last_word(const uint8_t *data, size_t len) {
    uint64_t word = 0;
    memcpy(&word, data, len % 8);
    return word ^ (uint64_t)len << 56;
}

uint64_t hash_bytes(struct hash_key key, const uint8_t *data, size_t len) {
    struct state s = {
        .v0 = key.words[0] ^ UINT64_C(0x736f6d6570736575),
        .v1 = key.words[1] ^ UINT64_C(0x646f72616e646f6d),
        .v2 = key.words[0] ^ UINT64_C(0x6c7967656e657261),
        .v3 = key.words[1] ^ UINT64_C(0x7465646279746573),
    };
    const uint8_t *end = data + len / 8 * 8;
    for (; data < end; data += 8) {
        uint64_t word;
        memcpy(&word, data, 8);
        absorb(&s, word);
    }
    absorb(&s, last_word(data, len));
    s.v2 ^= 0xff;
    for (int i = 0; i < 3; i++) sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
