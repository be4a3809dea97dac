#include "kv_commands.h"

#include <string.h>

/* Keys: none, a single one, all arguments, every second one; of counters, and of SET. */
#define NONE {0, 0, 0, "", ""}
#define ONE(flags) {1, 1, 1, flags, ""}
#define ALL(flags) {1, -1, 1, flags, ""}
#define PAIRS(flags) {1, -1, 2, flags, ""}
#define COUNTER ONE("RW access update")
#define SET {1, 1, 1, "RW access update variable_flags", "RW and ACCESS due to the optional `GET` argument"}

/* Flags. */
#define SESSION "noscript loading stale"
#define TRANSACTION SESSION " fast allow_busy"
#define GREETING SESSION " fast no_auth allow_busy"

/* Tips, and those that follow another. */
#define ALL_SHARDS "request_policy:all_shards"
#define MULTI_SHARD "request_policy:multi_shard"
#define SUCCEEDED " response_policy:all_succeeded"
#define SUM " response_policy:agg_sum"
#define RANDOM "nondeterministic_output"
#define UNORDERED RANDOM "_order"

static const struct command CLIENT[] = {
    {"client|id", 2, NONE, SESSION, "@slow @connection", "", NULL, kv_client_id},
    {"client|setname", 3, NONE, SESSION, "@slow @connection", "", NULL, kv_client_setname},
    {"client|getname", 2, NONE, SESSION, "@slow @connection", "", NULL, kv_client_getname},
    {"client|setinfo", 4, NONE, SESSION, "@slow @connection", "", NULL, kv_client_setinfo},
    {.arity = 0},
};

static const struct command CONFIG[] = {
    {"config|get", -3, NONE, "admin " SESSION, "@admin @slow @dangerous", "", NULL, kv_config_get},
    {.arity = 0},
};

static const struct command COMMAND[] = {
    {"command|info", -2, NONE, "loading stale", "@slow @connection", UNORDERED, NULL, kv_command_info},
    {"command|count", 2, NONE, "loading stale", "@slow @connection", "", NULL, kv_command_count},
    {"command|list", -2, NONE, "loading stale", "@slow @connection", UNORDERED, NULL, kv_command_list},
    {"command|docs", -2, NONE, "loading stale", "@slow @connection", UNORDERED, NULL, kv_command_docs},
    {.arity = 0},
};

/* The most frequent come first. */
const struct command COMMANDS[] = {
    {"get", 2, ONE("RO access"), "readonly fast", "@read @string @fast", "", NULL, kv_get},
    {"set", -3, SET, "write denyoom", "@write @string @slow", "", NULL, kv_set},
    {"ping", -1, NONE, "fast", "@fast @connection", ALL_SHARDS SUCCEEDED, NULL, kv_ping},
    {"incr", 2, COUNTER, "write denyoom fast", "@write @string @fast", "", NULL, kv_incr},
    {"decr", 2, COUNTER, "write denyoom fast", "@write @string @fast", "", NULL, kv_decr},
    {"incrby", 3, COUNTER, "write denyoom fast", "@write @string @fast", "", NULL, kv_incrby},
    {"decrby", 3, COUNTER, "write denyoom fast", "@write @string @fast", "", NULL, kv_decrby},
    {"setnx", 3, ONE("OW insert"), "write denyoom fast", "@write @string @fast", "", NULL, kv_setnx},
    {"setex", 4, ONE("OW update"), "write denyoom", "@write @string @slow", "", NULL, kv_setex},
    {"mget", -2, ALL("RO access"), "readonly fast", "@read @string @fast", MULTI_SHARD, NULL, kv_mget},
    {"mset", -3, PAIRS("OW update"), "write denyoom", "@write @string @slow", MULTI_SHARD SUCCEEDED, NULL, kv_mset},
    {"strlen", 2, ONE("RO"), "readonly fast", "@read @string @fast", "", NULL, kv_strlen},
    {"del", -2, ALL("RM delete"), "write", "@keyspace @write @slow", MULTI_SHARD SUM, NULL, kv_del},
    {"unlink", -2, ALL("RM delete"), "write fast", "@keyspace @write @fast", MULTI_SHARD SUM, NULL, kv_del},
    {"exists", -2, ALL("RO"), "readonly fast", "@keyspace @read @fast", MULTI_SHARD SUM, NULL, kv_exists},
    {"expire", -3, ONE("RW update"), "write fast", "@keyspace @write @fast", "", NULL, kv_expire},
    {"pexpire", -3, ONE("RW update"), "write fast", "@keyspace @write @fast", "", NULL, kv_pexpire},
    {"persist", 2, ONE("RW update"), "write fast", "@keyspace @write @fast", "", NULL, kv_persist},
    {"ttl", 2, ONE("RO access"), "readonly fast", "@keyspace @read @fast", RANDOM, NULL, kv_ttl},
    {"pttl", 2, ONE("RO access"), "readonly fast", "@keyspace @read @fast", RANDOM, NULL, kv_pttl},
    {"type", 2, ONE("RO"), "readonly fast", "@keyspace @read @fast", "", NULL, kv_type},
    {"keys", 2, NONE, "readonly", "@keyspace @read @slow @dangerous", ALL_SHARDS " " UNORDERED, NULL, kv_keys},
    {"scan", -2, NONE, "readonly", "@keyspace @read @slow", RANDOM " request_policy:special", NULL, kv_scan},
    {"dbsize", 1, NONE, "readonly fast", "@keyspace @read @fast", ALL_SHARDS SUM, NULL, kv_dbsize},
    {"flushall", -1, NONE, "write", "@keyspace @write @slow @dangerous", ALL_SHARDS SUCCEEDED, NULL, kv_flush},
    {"flushdb", -1, NONE, "write", "@keyspace @write @slow @dangerous", ALL_SHARDS SUCCEEDED, NULL, kv_flush},
    {"multi", 1, NONE, TRANSACTION, "@fast @transaction", "", NULL, kv_multi},
    {"exec", 1, NONE, "noscript loading stale skip_slowlog", "@slow @transaction", "", NULL, kv_exec},
    {"discard", 1, NONE, TRANSACTION, "@fast @transaction", "", NULL, kv_discard},
    {"watch", -2, ALL("RO"), TRANSACTION, "@fast @transaction", "", NULL, kv_watch},
    {"unwatch", 1, NONE, TRANSACTION, "@fast @transaction", "", NULL, kv_unwatch},
    {"echo", 2, NONE, "loading stale fast", "@fast @connection", "", NULL, kv_echo},
    {"hello", -1, NONE, GREETING, "@fast @connection", "", NULL, kv_hello},
    {"auth", -2, NONE, GREETING, "@fast @connection", "", NULL, kv_auth},
    {"quit", -1, NONE, GREETING, "@fast @connection", "", NULL, kv_quit},
    {"select", 2, NONE, "loading stale fast", "@fast @connection", "", NULL, kv_select},
    {"info", -1, NONE, "loading stale", "@slow @dangerous", RANDOM " " ALL_SHARDS " response_policy:special", NULL,
     kv_info},
    {"command", -1, NONE, "loading stale", "@slow @connection", UNORDERED, COMMAND, kv_command},
    {"client", -2, NONE, "", "@slow", "", CLIENT, NULL},
    {"config", -2, NONE, "", "@slow", "", CONFIG, NULL},
    {.arity = 0},
};

const struct command *command_named(struct bytes name) {
    char word[COMMAND_NAME_SIZE] = {0};
    if (name.len == 0 || name.len >= sizeof word || memchr(name.data, 0, name.len) != NULL) return NULL;
    for (size_t i = 0; i < name.len; i++) word[i] = lower(name.data[i]);
    for (const struct command *command = COMMANDS; command->arity != 0; command++) {
        if (memcmp(command->name, word, sizeof word) == 0) return command;
    }
    return NULL;
}

const struct command *subcommand_named(const struct command *command, struct bytes name) {
    size_t behind_bar = strlen(command->name) + 1;
    for (const struct command *each = command->subcommands; each != NULL && each->arity != 0; each++) {
        if (is_word(name, each->name + behind_bar)) return each;
    }
    return NULL;
}
