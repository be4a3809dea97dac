#include "kv_commands.h"

#include <inttypes.h>
#include <stdio.h>

/* The commands about keys, whatever their values. */

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

/* The options of EXPIRE. */
struct expire_options {
    bool nx, xx, gt, lt;
};

static const char *expire_options(struct call *call, struct expire_options *options) {
    for (size_t i = 3; i < call->request->count; i++) {
        struct bytes word = arg(call, i);
        if (is_word(word, "nx")) {
            options->nx = true;
        } else if (is_word(word, "xx")) {
            options->xx = true;
        } else if (is_word(word, "gt")) {
            options->gt = true;
        } else if (is_word(word, "lt")) {
            options->lt = true;
        } else {
            snprintf(call->error, sizeof call->error, "Unsupported option %.*s", at_most(word, 128),
                     (const char *)word.data);
            return call->error;
        }
    }
    if (options->nx && (options->xx || options->gt || options->lt)) {
        return "NX and XX, GT or LT options at the same time are not compatible";
    }
    return options->gt && options->lt ? "GT and LT options at the same time are not compatible" : NULL;
}

/* Whether a moment may follow the one before. */
static bool may_follow(const struct expire_options *options, moment next, moment old) {
    return !((options->nx && old != NEVER) || (options->xx && old == NEVER) || (options->gt && next <= old) ||
             (options->lt && next >= old));
}

static const char *expire(struct call *call, int64_t unit) {
    struct expire_options options = {0};
    int64_t time;
    moment expires = 0;
    const char *wrong = expire_options(call, &options);
    if (wrong != NULL) return wrong;
    if (!parse_integer(arg(call, 2), &time)) return NOT_AN_INTEGER;
    bool is_over = time <= 0 && time >= INT64_MIN / unit;
    if (!is_over && !session_after(call->session, time, unit, &expires)) return invalid_expire(call);
    const struct entry *entry = session_get(call->session, arg(call, 1));
    bool changes = entry != NULL && may_follow(&options, expires, entry->expires);
    if (changes && is_over) session_remove(call->session, arg(call, 1));
    if (changes && !is_over) session_expire(call->session, arg(call, 1), expires);
    reply_integer(call->replies, changes);
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

/* Decimal digits, with a plus sign or without. */
static bool parse_cursor(struct bytes bytes, uint64_t *out_cursor) {
    size_t begin = bytes.len > 1 && bytes.data[0] == '+';
    *out_cursor = 0;
    if (bytes.len == 0) return false;
    for (size_t i = begin; i < bytes.len; i++) {
        uint64_t digit = (uint64_t)bytes.data[i] - '0';
        if (digit > 9 || *out_cursor > (UINT64_MAX - digit) / 10) return false;
        *out_cursor = *out_cursor * 10 + digit;
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
