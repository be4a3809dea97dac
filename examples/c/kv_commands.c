#define _POSIX_C_SOURCE 200809L

#include "kv_commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Longer than any command's name. */
enum { NAME_SIZE = 16 };

struct command {
    /* Filled up with zeroes, to be compared at once. */
    char name[NAME_SIZE];
    /* The number of arguments, the name included; if negative, the least number. */
    int arity;
    const char *(*run)(struct call *call);
};

/* The Redis whose ways these are. */
static const char VERSION[] = "7.0.0";

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

/* For %.*s: so much of the bytes. */
static int at_most(struct bytes bytes, size_t room) { return (int)(bytes.len < room ? bytes.len : room); }

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

static const char *unknown_subcommand(struct call *call, const char *name) {
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

/* ---- commands about the connection and the server ---- */

static const char *ping(struct call *call) {
    if (call->request->count > 2) return wrong_number(call);
    if (call->request->count == 2) {
        reply_bulk(call->replies, arg(call, 1));
    } else {
        reply_simple(call->replies, "PONG");
    }
    return NULL;
}

static const char *echo(struct call *call) {
    reply_bulk(call->replies, arg(call, 1));
    return NULL;
}

static const char *quit(struct call *call) {
    reply_simple(call->replies, "OK");
    call->replies->next = NEXT_CLOSE;
    return NULL;
}

/* Chooses the version of the protocol. */
static const char *hello(struct call *call) {
    struct replies *replies = call->replies;
    int64_t version = replies->protocol;
    if (call->request->count > 1 && !parse_integer(arg(call, 1), &version)) {
        return "Protocol version is not an integer or out of range";
    }
    if (version != 2 && version != 3) {
        reply_error(replies, "NOPROTO unsupported protocol version");
        return NULL;
    }
    if (call->request->count > 2) {
        struct bytes option = arg(call, 2);
        snprintf(call->error, sizeof call->error, "Syntax error in HELLO option '%.*s'", at_most(option, 128),
                 (const char *)option.data);
        return call->error;
    }
    replies->protocol = (int)version;
    reply_map(replies, 4);
    reply_text(replies, "server");
    reply_text(replies, "redis");
    reply_text(replies, "version");
    reply_text(replies, VERSION);
    reply_text(replies, "proto");
    reply_integer(replies, version);
    reply_text(replies, "mode");
    reply_text(replies, "standalone");
    return NULL;
}

static const char *select_db(struct call *call) {
    int64_t index;
    if (!parse_integer(arg(call, 1), &index)) return NOT_AN_INTEGER;
    if (index != 0) return "DB index is out of range";
    reply_simple(call->replies, "OK");
    return NULL;
}

/* Clients ask for these when they connect. */
static const char *const SETTINGS[][2] = {{"appendonly", "no"}, {"databases", "1"}, {"maxmemory", "0"}, {"save", ""}};
enum { SETTING_COUNT = sizeof SETTINGS / sizeof *SETTINGS };

static bool is_asked(const struct call *call, const char *name) {
    struct bytes text = {(const uint8_t *)name, strlen(name)};
    for (size_t i = 2; i < call->request->count; i++) {
        if (is_word(arg(call, i), name) || glob_matches(arg(call, i), text)) return true;
    }
    return false;
}

static const char *config(struct call *call) {
    bool asked[SETTING_COUNT];
    size_t count = 0;
    if (!is_word(arg(call, 1), "get")) return unknown_subcommand(call, "CONFIG");
    for (size_t i = 0; i < SETTING_COUNT; i++) count += asked[i] = is_asked(call, SETTINGS[i][0]);
    reply_map(call->replies, count);
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        if (!asked[i]) continue;
        reply_text(call->replies, SETTINGS[i][0]);
        reply_text(call->replies, SETTINGS[i][1]);
    }
    return NULL;
}

static const char *client(struct call *call) {
    struct bytes what = arg(call, 1);
    if (is_word(what, "setname") || is_word(what, "setinfo")) {
        reply_simple(call->replies, "OK");
    } else if (is_word(what, "getname")) {
        reply_null(call->replies);
    } else {
        return unknown_subcommand(call, "CLIENT");
    }
    return NULL;
}

static const char *info(struct call *call) {
    size_t keys, expiring;
    char text[512];
    session_count(call->session, &keys, &expiring);
    size_t len = (size_t)snprintf(text, sizeof text,
                                  "# Server\r\nredis_version:%s\r\nredis_mode:standalone\r\nprocess_id:%ld\r\n"
                                  "uptime_in_seconds:%" PRId64 "\r\n\r\n# Keyspace\r\n",
                                  VERSION, (long)getpid(), store_age(call->session->store) / 1000);
    if (keys > 0) snprintf(text + len, sizeof text - len, "db0:keys=%zu,expires=%zu,avg_ttl=0\r\n", keys, expiring);
    reply_text(call->replies, text);
    return NULL;
}

static const char *command(struct call *call);

/* ---- the table ---- */

/* The most frequent come first. */
static const struct command COMMANDS[] = {
    {"get", 2, kv_get},           {"set", -3, kv_set},        {"ping", -1, ping},          {"incr", 2, kv_incr},
    {"decr", 2, kv_decr},         {"incrby", 3, kv_incrby},   {"decrby", 3, kv_decrby},    {"setnx", 3, kv_setnx},
    {"setex", 4, kv_setex},       {"mget", -2, kv_mget},      {"mset", -3, kv_mset},       {"del", -2, kv_del},
    {"unlink", -2, kv_del},       {"exists", -2, kv_exists},  {"expire", 3, kv_expire},    {"pexpire", 3, kv_pexpire},
    {"persist", 2, kv_persist},   {"ttl", 2, kv_ttl},         {"pttl", 2, kv_pttl},        {"echo", 2, echo},
    {"keys", 2, kv_keys},         {"dbsize", 1, kv_dbsize},   {"flushall", -1, kv_flush},  {"flushdb", -1, kv_flush},
    {"strlen", 2, kv_strlen},     {"type", 2, kv_type},       {"hello", -1, hello},        {"select", 2, select_db},
    {"config", -2, config},       {"client", -2, client},     {"info", -1, info},          {"command", -1, command},
    {"quit", -1, quit},
};
enum { COMMAND_COUNT = sizeof COMMANDS / sizeof *COMMANDS };

/* COMMAND without a subcommand: each command's name, arity, no flags, and no positions of keys. */
static const char *command(struct call *call) {
    struct replies *replies = call->replies;
    if (call->request->count == 1) {
        reply_array(replies, COMMAND_COUNT);
        for (size_t i = 0; i < COMMAND_COUNT; i++) {
            reply_array(replies, 6);
            reply_text(replies, COMMANDS[i].name);
            reply_integer(replies, COMMANDS[i].arity);
            reply_array(replies, 0);
            for (int position = 0; position < 3; position++) reply_integer(replies, 0);
        }
    } else if (is_word(arg(call, 1), "count")) {
        reply_integer(replies, COMMAND_COUNT);
    } else if (is_word(arg(call, 1), "docs")) {
        reply_array(replies, 0);
    } else {
        return unknown_subcommand(call, "COMMAND");
    }
    return NULL;
}

static const struct command *find(struct bytes name) {
    char word[NAME_SIZE] = {0};
    if (name.len >= NAME_SIZE || memchr(name.data, 0, name.len) != NULL) return NULL;
    for (size_t i = 0; i < name.len; i++) word[i] = lower(name.data[i]);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (memcmp(COMMANDS[i].name, word, NAME_SIZE) == 0) return &COMMANDS[i];
    }
    return NULL;
}

static bool fits(int arity, size_t count) { return arity < 0 ? count >= (size_t)-arity : count == (size_t)arity; }

void execute(const struct request *request, struct session *session, struct replies *replies) {
    struct call call; /* most never need the room for an error, so it is not filled with zeroes */
    const struct command *found = find(argument(request, 0));
    call.request = request;
    call.session = session;
    call.replies = replies;
    call.name = found == NULL ? "" : found->name;
    const char *wrong = found == NULL                        ? unknown(&call)
                        : fits(found->arity, request->count) ? found->run(&call)
                                                             : wrong_number(&call);
    if (wrong == NULL) return;
    char text[sizeof call.error + 4];
    snprintf(text, sizeof text, "ERR %s", wrong);
    reply_error(replies, text);
}
