#include "kv_commands.h"

#include <inttypes.h>
#include <stdio.h>

static void reply_value(struct call *call, const struct entry *entry) {
    if (entry == NULL) {
        reply_null(call->replies);
    } else {
        reply_bulk(call->replies, entry_value(entry));
    }
}

/* ---- values ---- */

const char *kv_get(struct call *call) {
    reply_value(call, session_get(call->session, arg(call, 1)));
    return NULL;
}

/* The moment after so many units of so many milliseconds; false if it is not to come, or too far away. */
static bool moment_after(struct call *call, int64_t count, int64_t unit, moment *out_moment) {
    moment now = session_now(call->session);
    if (count <= 0 || count > (INT64_MAX - 1 - now) / unit) return false;
    *out_moment = now + count * unit;
    return true;
}

/* The options of SET. */
struct set_options {
    bool only_new, only_existing, answers_old, keeps_ttl, has_expiry;
    moment expires;
};

static const char *take_expiry(struct call *call, size_t index, int64_t unit, struct set_options *options) {
    int64_t count;
    if (options->has_expiry || options->keeps_ttl || index >= call->request->count) return SYNTAX;
    if (!parse_integer(arg(call, index), &count)) return NOT_AN_INTEGER;
    if (!moment_after(call, count, unit, &options->expires)) return invalid_expire(call);
    options->has_expiry = true;
    return NULL;
}

static const char *take_options(struct call *call, struct set_options *options) {
    for (size_t i = 3; i < call->request->count; i++) {
        struct bytes word = arg(call, i);
        const char *wrong = NULL;
        if (is_word(word, "nx") && !options->only_existing) {
            options->only_new = true;
        } else if (is_word(word, "xx") && !options->only_new) {
            options->only_existing = true;
        } else if (is_word(word, "get")) {
            options->answers_old = true;
        } else if (is_word(word, "keepttl") && !options->has_expiry) {
            options->keeps_ttl = true;
        } else if (is_word(word, "ex") || is_word(word, "px")) {
            wrong = take_expiry(call, ++i, is_word(word, "ex") ? 1000 : 1, options);
        } else {
            wrong = SYNTAX;
        }
        if (wrong != NULL) return wrong;
    }
    return NULL;
}

/* SET with all that it can be asked for. */
static const char *set_with(struct call *call) {
    struct set_options options = {.expires = NEVER};
    const char *wrong = take_options(call, &options);
    if (wrong != NULL) return wrong;
    struct entry *old = session_get(call->session, arg(call, 1));
    bool writes = old != NULL ? !options.only_new : !options.only_existing;
    if (old != NULL && options.keeps_ttl) options.expires = old->expires;
    if (options.answers_old) reply_value(call, old);
    if (writes && !session_set(call->session, arg(call, 1), arg(call, 2), options.expires)) {
        /* One request has one reply. */
        if (!options.answers_old) return NO_MEMORY;
        call->replies->next = NEXT_CLOSE;
    }
    if (options.answers_old) return NULL;
    if (writes) {
        reply_simple(call->replies, "OK");
    } else {
        reply_null(call->replies);
    }
    return NULL;
}

const char *kv_set(struct call *call) {
    if (call->request->count > 3) return set_with(call);
    if (!session_set(call->session, arg(call, 1), arg(call, 2), NEVER)) return NO_MEMORY;
    reply_simple(call->replies, "OK");
    return NULL;
}

const char *kv_setnx(struct call *call) {
    bool is_new = session_get(call->session, arg(call, 1)) == NULL;
    if (is_new && !session_set(call->session, arg(call, 1), arg(call, 2), NEVER)) return NO_MEMORY;
    reply_integer(call->replies, is_new);
    return NULL;
}

const char *kv_setex(struct call *call) {
    int64_t seconds;
    moment expires;
    if (!parse_integer(arg(call, 2), &seconds)) return NOT_AN_INTEGER;
    if (!moment_after(call, seconds, 1000, &expires)) return invalid_expire(call);
    if (!session_set(call->session, arg(call, 1), arg(call, 3), expires)) return NO_MEMORY;
    reply_simple(call->replies, "OK");
    return NULL;
}

static const char *add(struct call *call, int64_t by) {
    struct entry *entry = session_get(call->session, arg(call, 1));
    moment expires = entry == NULL ? NEVER : entry->expires;
    int64_t value = 0;
    if (entry != NULL && !parse_integer(entry_value(entry), &value)) return NOT_AN_INTEGER;
    if (by < 0 ? value < INT64_MIN - by : value > INT64_MAX - by) return "increment or decrement would overflow";
    value += by;
    char text[24];
    struct bytes bytes = {(const uint8_t *)text, (size_t)snprintf(text, sizeof text, "%" PRId64, value)};
    if (!session_set(call->session, arg(call, 1), bytes, expires)) return NO_MEMORY;
    reply_integer(call->replies, value);
    return NULL;
}

const char *kv_incr(struct call *call) { return add(call, 1); }

const char *kv_decr(struct call *call) { return add(call, -1); }

const char *kv_incrby(struct call *call) {
    int64_t by;
    return parse_integer(arg(call, 2), &by) ? add(call, by) : NOT_AN_INTEGER;
}

const char *kv_decrby(struct call *call) {
    int64_t by;
    if (!parse_integer(arg(call, 2), &by)) return NOT_AN_INTEGER;
    return by == INT64_MIN ? "decrement would overflow" : add(call, -by);
}

/* Bytes that the values of one MGET may have together: a small request can ask for one large value many times. */
enum { MAX_MGET = 64 << 20 };

const char *kv_mget(struct call *call) {
    size_t total = 0;
    session_lock_all(call->session);
    for (size_t i = 1; i < call->request->count; i++) {
        const struct entry *entry = session_get(call->session, arg(call, i));
        if (entry != NULL) total += entry->value_len;
    }
    if (total > MAX_MGET) return "the values have more than 64 MiB together";
    reply_array(call->replies, call->request->count - 1);
    for (size_t i = 1; i < call->request->count; i++) reply_value(call, session_get(call->session, arg(call, i)));
    return NULL;
}

const char *kv_mset(struct call *call) {
    if (call->request->count % 2 == 0) return wrong_number(call);
    session_lock_all(call->session);
    for (size_t i = 1; i < call->request->count; i += 2) {
        if (!session_set(call->session, arg(call, i), arg(call, i + 1), NEVER)) return NO_MEMORY;
    }
    reply_simple(call->replies, "OK");
    return NULL;
}

const char *kv_strlen(struct call *call) {
    const struct entry *entry = session_get(call->session, arg(call, 1));
    reply_integer(call->replies, entry == NULL ? 0 : (int64_t)entry->value_len);
    return NULL;
}

/* ---- keys ---- */

static bool exists(struct session *session, struct bytes key) { return session_get(session, key) != NULL; }

/* Answers for how many of the keys, repeated ones counted again, it holds. */
static const char *count(struct call *call, bool (*holds)(struct session *, struct bytes)) {
    int64_t found = 0;
    if (call->request->count > 2) session_lock_all(call->session);
    for (size_t i = 1; i < call->request->count; i++) found += holds(call->session, arg(call, i));
    reply_integer(call->replies, found);
    return NULL;
}

const char *kv_del(struct call *call) { return count(call, session_remove); }

const char *kv_exists(struct call *call) { return count(call, exists); }

static const char *expire(struct call *call, int64_t unit) {
    int64_t time;
    moment expires;
    if (!parse_integer(arg(call, 2), &time)) return NOT_AN_INTEGER;
    if (time <= 0 && time >= INT64_MIN / unit) {
        reply_integer(call->replies, session_remove(call->session, arg(call, 1)));
        return NULL;
    }
    if (!moment_after(call, time, unit, &expires)) return invalid_expire(call);
    reply_integer(call->replies, session_expire(call->session, arg(call, 1), expires));
    return NULL;
}

const char *kv_expire(struct call *call) { return expire(call, 1000); }

const char *kv_pexpire(struct call *call) { return expire(call, 1); }

const char *kv_persist(struct call *call) {
    const struct entry *entry = session_get(call->session, arg(call, 1));
    bool expires = entry != NULL && entry->expires != NEVER;
    reply_integer(call->replies, expires && session_expire(call->session, arg(call, 1), NEVER));
    return NULL;
}

static const char *ttl(struct call *call, int64_t unit) {
    const struct entry *entry = session_get(call->session, arg(call, 1));
    int64_t answer = -2;
    if (entry != NULL) {
        answer = entry->expires == NEVER ? -1 : (entry->expires - session_now(call->session) + unit / 2) / unit;
    }
    reply_integer(call->replies, answer);
    return NULL;
}

const char *kv_ttl(struct call *call) { return ttl(call, 1000); }

const char *kv_pttl(struct call *call) { return ttl(call, 1); }

const char *kv_keys(struct call *call) {
    struct bytes pattern = arg(call, 1);
    const struct entry *entry;
    size_t found = 0;
    session_lock_all(call->session);
    /* Once to count, once to reply: nothing changes in between. */
    for (struct walk walk = {0}; (entry = session_next(call->session, &walk)) != NULL;) {
        found += glob_matches(pattern, entry_key(entry));
    }
    reply_array(call->replies, found);
    for (struct walk walk = {0}; (entry = session_next(call->session, &walk)) != NULL;) {
        if (glob_matches(pattern, entry_key(entry))) reply_bulk(call->replies, entry_key(entry));
    }
    return NULL;
}

/* What SCAN asks for. */
struct scan {
    struct bytes pattern; /* without data: any key */
    uint64_t count;
    bool takes_strings;
};

static const char *scan_options(struct call *call, struct scan *scan) {
    for (size_t i = 2; i < call->request->count; i += 2) {
        int64_t count;
        if (i + 1 == call->request->count) return SYNTAX;
        struct bytes value = arg(call, i + 1);
        if (is_word(arg(call, i), "match")) {
            scan->pattern = value;
        } else if (is_word(arg(call, i), "count")) {
            if (!parse_integer(value, &count)) return NOT_AN_INTEGER;
            if (count < 1) return SYNTAX;
            scan->count = (uint64_t)count;
        } else if (is_word(arg(call, i), "type")) {
            scan->takes_strings = is_word(value, "string");
        } else {
            return SYNTAX;
        }
    }
    return NULL;
}

static bool is_scanned(const struct scan *scan, const struct entry *entry) {
    return scan->takes_strings && (scan->pattern.data == NULL || glob_matches(scan->pattern, entry_key(entry)));
}

/* Decimal digits only. */
static bool parse_cursor(struct bytes bytes, uint64_t *out_cursor) {
    *out_cursor = 0;
    if (bytes.len == 0 || bytes.len > 19) return false; /* 19 digits fit */
    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.data[i] < '0' || bytes.data[i] > '9') return false;
        *out_cursor = *out_cursor * 10 + (uint64_t)(bytes.data[i] - '0');
    }
    return true;
}

/* Whole parts of the values, until there were as many keys as asked for: what is there all the time is seen. */
const char *kv_scan(struct call *call) {
    struct scan scan = {.count = 10, .takes_strings = true};
    uint64_t cursor, seen = 0;
    const struct entry *entry;
    size_t found = 0;
    char text[24];
    if (!parse_cursor(arg(call, 1), &cursor)) return "invalid cursor";
    const char *wrong = scan_options(call, &scan);
    if (wrong != NULL) return wrong;
    session_lock_all(call->session);
    size_t parts = session_parts(call->session), begin = cursor < parts ? (size_t)cursor : parts, end = begin;
    /* Once to count, once to reply: nothing changes in between. */
    for (; end < parts && seen < scan.count; end++) {
        for (size_t slot = 0; (entry = session_next_in(call->session, end, &slot)) != NULL; seen++) {
            found += is_scanned(&scan, entry);
        }
    }
    snprintf(text, sizeof text, "%zu", end < parts ? end : 0);
    reply_array(call->replies, 2);
    reply_text(call->replies, text);
    reply_array(call->replies, found);
    for (size_t part = begin; part < end; part++) {
        for (size_t slot = 0; (entry = session_next_in(call->session, part, &slot)) != NULL;) {
            if (is_scanned(&scan, entry)) reply_bulk(call->replies, entry_key(entry));
        }
    }
    return NULL;
}

const char *kv_type(struct call *call) {
    reply_simple(call->replies, exists(call->session, arg(call, 1)) ? "string" : "none");
    return NULL;
}

const char *kv_dbsize(struct call *call) {
    size_t keys, expiring;
    session_count(call->session, &keys, &expiring);
    reply_integer(call->replies, (int64_t)keys);
    return NULL;
}

const char *kv_flush(struct call *call) {
    size_t arguments = call->request->count;
    if (arguments > 2 || (arguments == 2 && !is_word(arg(call, 1), "sync") && !is_word(arg(call, 1), "async"))) {
        return SYNTAX;
    }
    session_clear(call->session);
    reply_simple(call->replies, "OK");
    return NULL;
}
