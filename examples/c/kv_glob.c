#include "kv_commands.h"

/* Whether a byte is in the set that begins behind a [. A set that is not closed ends with the pattern, as in Redis. */
static bool fits_set(struct bytes pattern, size_t *at, uint8_t byte) {
    const uint8_t *p = pattern.data;
    bool is_negated = *at < pattern.len && p[*at] == '^', found = false;
    for (*at += is_negated; *at < pattern.len && p[*at] != ']';) {
        uint8_t first = p[*at], last = first;
        if (first == '\\' && *at + 1 < pattern.len) {
            first = last = p[*at + 1];
            *at += 2;
        } else if (*at + 2 < pattern.len && p[*at + 1] == '-') {
            last = p[*at + 2];
            *at += 3;
        } else {
            *at += 1;
        }
        found |= first <= last ? first <= byte && byte <= last : last <= byte && byte <= first;
    }
    *at += *at < pattern.len; /* the ] */
    return found != is_negated;
}

/* Whether a byte fits the pattern at a place, which is moved behind what it fits. */
static bool fits_one(struct bytes pattern, size_t *at, uint8_t byte) {
    uint8_t first = pattern.data[(*at)++];
    if (first == '?') return true;
    if (first == '[') return fits_set(pattern, at, byte);
    if (first == '\\' && *at < pattern.len) first = pattern.data[(*at)++];
    return first == byte;
}

bool glob_matches(struct bytes pattern, struct bytes text) {
    size_t p = 0, t = 0;
    /* Behind the last *, and how far the text was taken by it. */
    size_t behind = 0, taken = 0;
    bool has_star = false;
    while (t < text.len) {
        size_t next = p;
        if (p < pattern.len && pattern.data[p] == '*') {
            has_star = true;
            behind = ++p;
            taken = t;
        } else if (p < pattern.len && fits_one(pattern, &next, text.data[t])) {
            p = next;
            t++;
        } else if (has_star) {
            p = behind;
            t = ++taken;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.data[p] == '*') p++;
    return p == pattern.len;
}
