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

const char *kv_get(struct call *call) {
    reply_value(call, session_get(call->session, arg(call, 1)));
    return NULL;
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
    if (!session_after(call->session, count, unit, &options->expires)) return invalid_expire(call);
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
    if (!session_after(call->session, seconds, 1000, &expires)) return invalid_expire(call);
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
