/*
 * The commands, with the replies and the error texts of Redis.
 */
#ifndef KV_COMMANDS_H
#define KV_COMMANDS_H

#include "kv_resp.h"
#include "kv_store.h"

/* A request that is carried out. */
struct call {
    const struct request *request;
    struct session *session;
    struct replies *replies;
    const char *name; /* the command's */
    char error[512];  /* for texts that quote something */
};

/* Longer than any command's name. */
enum { COMMAND_NAME_SIZE = 16 };

struct command {
    /* Filled up with zeroes, to be compared at once. */
    char name[COMMAND_NAME_SIZE];
    /* The number of arguments, the name included; if negative, the least number. */
    int arity;
    /* In Redis's words, with blanks between. */
    const char *flags;
    /* Where keys stand among the arguments: the first, the last (counted from the end if negative), the step. */
    int keys[3];
    const char *(*run)(struct call *call);
};

extern const struct command COMMANDS[];
extern const size_t COMMAND_COUNT;
/* NULL if there is none. */
const struct command *command_named(struct bytes name);

/* Carries out a request, which has at least one argument. */
void execute(const struct request *request, struct session *session, struct replies *replies);

/* ---- for the commands; what is wrong is a text without the "ERR " in front, good as long as the call ---- */

extern const char SYNTAX[], NOT_AN_INTEGER[], NO_MEMORY[];
const char *wrong_number(struct call *call);
const char *invalid_expire(struct call *call);
const char *unknown_subcommand(struct call *call, const char *name);
/* For %.*s: so much of the bytes. */
int at_most(struct bytes bytes, size_t room);

/* The argument at an index below the count. */
static inline struct bytes arg(const struct call *call, size_t index) { return argument(call->request, index); }

/* Whether it is this word in lower case, whatever its own case. */
bool is_word(struct bytes bytes, const char *word);
/* A number as Redis takes it: no plus sign, no spaces, no leading zeroes. */
bool parse_integer(struct bytes bytes, int64_t *out_value);
/*
 * Patterns as KEYS takes them: *, ?, [abc], [^a-z], and a backslash in front of what is meant literally. It takes at
 * most the product of the lengths, unlike trying every way of every *: only the last * ever has to be tried again.
 */
bool glob_matches(struct bytes pattern, struct bytes text);

/* ---- the commands that read and write values: NULL, or what is wrong; then they have not replied ---- */

const char *kv_get(struct call *call);
const char *kv_set(struct call *call);
const char *kv_setnx(struct call *call);
const char *kv_setex(struct call *call);
const char *kv_incr(struct call *call);
const char *kv_decr(struct call *call);
const char *kv_incrby(struct call *call);
const char *kv_decrby(struct call *call);
const char *kv_mget(struct call *call);
const char *kv_mset(struct call *call);
const char *kv_strlen(struct call *call);
const char *kv_del(struct call *call);
const char *kv_exists(struct call *call);
const char *kv_expire(struct call *call);
const char *kv_pexpire(struct call *call);
const char *kv_persist(struct call *call);
const char *kv_ttl(struct call *call);
const char *kv_pttl(struct call *call);
const char *kv_keys(struct call *call);
const char *kv_scan(struct call *call);
const char *kv_type(struct call *call);
const char *kv_dbsize(struct call *call);
const char *kv_flush(struct call *call);

/* ---- the commands about the connection, the server and transactions, likewise ---- */

const char *kv_ping(struct call *call);
const char *kv_echo(struct call *call);
const char *kv_quit(struct call *call);
const char *kv_hello(struct call *call);
const char *kv_auth(struct call *call);
const char *kv_select(struct call *call);
const char *kv_config(struct call *call);
const char *kv_client(struct call *call);
const char *kv_info(struct call *call);
const char *kv_command(struct call *call);
const char *kv_multi(struct call *call);
const char *kv_exec(struct call *call);
const char *kv_discard(struct call *call);

#endif
