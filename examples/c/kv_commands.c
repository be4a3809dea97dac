#include "kv_commands.h"

#include <stdio.h>
#include <string.h>

/* ---- what can be wrong ---- */

const char SYNTAX[] = "syntax error";
const char NOT_AN_INTEGER[] = "value is not an integer or out of range";
const char NO_MEMORY[] = "out of memory";

const char *wrong_number(struct call *call) {
    snprintf(call->error, sizeof call->error, "wrong number of arguments for '%s' command", call->name);
    return call->error;
}

const char *invalid_expire(struct call *call) {
    snprintf(call->error, sizeof call->error, "invalid expire time in '%s' command", call->name);
    return call->error;
}

int at_most(struct bytes bytes, size_t room) { return (int)(bytes.len < room ? bytes.len : room); }

/* Quotes at most 128 bytes of the name and about as many of the arguments. */
static const char *unknown(struct call *call) {
    enum { QUOTED = 128 };
    struct bytes name = arg(call, 0);
    size_t size = sizeof call->error;
    size_t len = (size_t)snprintf(call->error, size, "unknown command '%.*s', with args beginning with: ",
                                  at_most(name, QUOTED), (const char *)name.data);
    size_t begin = len;
    for (size_t i = 1; i < call->request->count && len - begin < QUOTED; i++) {
        struct bytes next = arg(call, i);
        len += (size_t)snprintf(call->error + len, size - len, "'%.*s' ", at_most(next, QUOTED - (len - begin)),
                                (const char *)next.data);
    }
    return call->error;
}

const char *unknown_subcommand(struct call *call, const char *name) {
    struct bytes given = arg(call, 1);
    snprintf(call->error, sizeof call->error, "unknown subcommand '%.*s'. Try %s HELP.", at_most(given, 128),
             (const char *)given.data, name);
    return call->error;
}

/* ---- words and numbers ---- */

static char lower(uint8_t byte) { return (char)(byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte); }

bool is_word(struct bytes bytes, const char *word) {
    size_t i = 0;
    while (i < bytes.len && word[i] != '\0' && lower(bytes.data[i]) == word[i]) i++;
    return i == bytes.len && word[i] == '\0';
}

bool parse_integer(struct bytes bytes, int64_t *out_value) {
    bool is_negative = bytes.len > 0 && bytes.data[0] == '-';
    size_t i = is_negative, digits = bytes.len - i;
    uint64_t value = 0, limit = (uint64_t)INT64_MAX + is_negative;
    if (digits == 0 || digits > 19) return false; /* 19 digits fit 64 bits without a sign */
    if (bytes.data[i] == '0' && bytes.len > 1) return false;
    for (; i < bytes.len; i++) {
        if (bytes.data[i] < '0' || bytes.data[i] > '9') return false;
        value = value * 10 + (uint64_t)(bytes.data[i] - '0');
    }
    if (value > limit) return false;
    /* Without a step outside the range. */
    *out_value = is_negative ? -(int64_t)(value - 1) - 1 : (int64_t)value;
    return true;
}

/* ---- the table ---- */

/* No keys, a single one, all arguments, every second one. */
#define NONE {0, 0, 0}
#define ONE {1, 1, 1}
#define ALL {1, -1, 1}
#define PAIRS {1, -1, 2}

/* The most frequent come first. */
const struct command COMMANDS[] = {
    {"get", 2, "readonly fast", ONE, kv_get},
    {"set", -3, "write denyoom", ONE, kv_set},
    {"ping", -1, "fast", NONE, kv_ping},
    {"incr", 2, "write denyoom fast", ONE, kv_incr},
    {"decr", 2, "write denyoom fast", ONE, kv_decr},
    {"incrby", 3, "write denyoom fast", ONE, kv_incrby},
    {"decrby", 3, "write denyoom fast", ONE, kv_decrby},
    {"setnx", 3, "write denyoom fast", ONE, kv_setnx},
    {"setex", 4, "write denyoom", ONE, kv_setex},
    {"mget", -2, "readonly fast", ALL, kv_mget},
    {"mset", -3, "write denyoom", PAIRS, kv_mset},
    {"del", -2, "write", ALL, kv_del},
    {"unlink", -2, "write fast", ALL, kv_del},
    {"exists", -2, "readonly fast", ALL, kv_exists},
    {"expire", 3, "write fast", ONE, kv_expire},
    {"pexpire", 3, "write fast", ONE, kv_pexpire},
    {"persist", 2, "write fast", ONE, kv_persist},
    {"ttl", 2, "readonly fast", ONE, kv_ttl},
    {"pttl", 2, "readonly fast", ONE, kv_pttl},
    {"multi", 1, "noscript loading stale fast allow_busy", NONE, kv_multi},
    {"exec", 1, "noscript loading stale skip_slowlog", NONE, kv_exec},
    {"discard", 1, "noscript loading stale fast allow_busy", NONE, kv_discard},
    {"echo", 2, "loading stale fast", NONE, kv_echo},
    {"scan", -2, "readonly", NONE, kv_scan},
    {"keys", 2, "readonly", NONE, kv_keys},
    {"dbsize", 1, "readonly fast", NONE, kv_dbsize},
    {"flushall", -1, "write", NONE, kv_flush},
    {"flushdb", -1, "write", NONE, kv_flush},
    {"strlen", 2, "readonly fast", ONE, kv_strlen},
    {"type", 2, "readonly fast", ONE, kv_type},
    {"hello", -1, "noscript loading stale fast no_auth allow_busy", NONE, kv_hello},
    {"auth", -2, "noscript loading stale fast no_auth allow_busy", NONE, kv_auth},
    {"select", 2, "loading stale fast", NONE, kv_select},
    {"config", -2, "", NONE, kv_config},
    {"client", -2, "", NONE, kv_client},
    {"info", -1, "loading stale", NONE, kv_info},
    {"command", -1, "loading stale", NONE, kv_command},
    {"quit", -1, "noscript loading stale fast no_auth allow_busy", NONE, kv_quit},
};
const size_t COMMAND_COUNT = sizeof COMMANDS / sizeof *COMMANDS;

const struct command *command_named(struct bytes name) {
    char word[COMMAND_NAME_SIZE] = {0};
    if (name.len >= sizeof word || memchr(name.data, 0, name.len) != NULL) return NULL;
    for (size_t i = 0; i < name.len; i++) word[i] = lower(name.data[i]);
    for (size_t i = 0; i < sizeof COMMANDS / sizeof *COMMANDS; i++) {
        if (memcmp(COMMANDS[i].name, word, sizeof word) == 0) return &COMMANDS[i];
    }
    return NULL;
}

/* Whether a request of it is carried out at once, also behind MULTI. */
static bool is_immediate(const struct command *command) {
    return command->run == kv_multi || command->run == kv_exec || command->run == kv_discard || command->run == kv_quit;
}

static bool fits(int arity, size_t count) { return arity < 0 ? count >= (size_t)-arity : count == (size_t)arity; }

void execute(const struct request *request, struct session *session, struct replies *replies) {
    struct call call; /* most never need the room for an error, so it is not filled with zeroes */
    const struct command *found = command_named(argument(request, 0));
    const char *wrong;
    call.request = request;
    call.session = session;
    call.replies = replies;
    call.name = found == NULL ? "" : found->name;
    if (found == NULL || !fits(found->arity, request->count)) {
        transaction_spoil(&replies->peer->transaction);
        wrong = found == NULL ? unknown(&call) : wrong_number(&call);
    } else {
        wrong = !is_immediate(found) && transaction_gathers(&call) ? NULL : found->run(&call);
    }
    if (wrong == NULL) return;
    char text[sizeof call.error + 4];
    snprintf(text, sizeof text, "ERR %s", wrong);
    reply_error(replies, text);
}
