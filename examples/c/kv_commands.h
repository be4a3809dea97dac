/*
 * How a request is carried out, and what can be wrong with it, in the words of Redis.
 */
#ifndef KV_COMMANDS_H
#define KV_COMMANDS_H

#include "kv_resp.h"
#include "kv_store.h"
#include "kv_table.h"

/* A request that is carried out. */
struct call {
    const struct request *request;
    struct session *session;
    struct replies *replies;
    const char *name; /* the command's */
    char error[512];  /* for texts that quote something */
};

/* Carries out a request, which has at least one argument. */
void execute(const struct request *request, struct session *session, struct replies *replies);

/* ---- for the commands; what is wrong is a text without the "ERR " in front, good as long as the call ---- */

extern const char SYNTAX[], NOT_AN_INTEGER[], NO_MEMORY[];
const char *wrong_number(struct call *call);
const char *invalid_expire(struct call *call);
/* For %.*s: so much of the bytes. */
int at_most(struct bytes bytes, size_t room);

/* The argument at an index below the count. */
static inline struct bytes arg(const struct call *call, size_t index) { return argument(call->request, index); }

/* In lower case, if it is a letter. */
char lower(uint8_t byte);
/* Whether it is this word in lower case, whatever its own case. */
bool is_word(struct bytes bytes, const char *word);
/* A number as Redis takes it: no plus sign, no spaces, no leading zeroes. */
bool parse_integer(struct bytes bytes, int64_t *out_value);
/*
 * Patterns as KEYS takes them: *, ?, [abc], [^a-z], and a backslash in front of what is meant literally. It takes at
 * most the product of the lengths, unlike trying every way of every *: only the last * ever has to be tried again.
 */
bool glob_matches(struct bytes pattern, struct bytes text);

/* ---- the commands: NULL, or what is wrong; then they have not replied ---- */

/* About values. */
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

/* About keys. */
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

/* About transactions. */
const char *kv_multi(struct call *call);
const char *kv_exec(struct call *call);
const char *kv_discard(struct call *call);
const char *kv_watch(struct call *call);
const char *kv_unwatch(struct call *call);

/* About the connection and the server. */
const char *kv_ping(struct call *call);
const char *kv_echo(struct call *call);
const char *kv_quit(struct call *call);
const char *kv_hello(struct call *call);
const char *kv_auth(struct call *call);
const char *kv_select(struct call *call);
const char *kv_client_id(struct call *call);
const char *kv_client_setname(struct call *call);
const char *kv_client_getname(struct call *call);
const char *kv_client_setinfo(struct call *call);
const char *kv_config_get(struct call *call);
const char *kv_info(struct call *call);

/* About commands. */
const char *kv_command(struct call *call);
const char *kv_command_info(struct call *call);
const char *kv_command_count(struct call *call);
const char *kv_command_list(struct call *call);
const char *kv_command_docs(struct call *call);

#endif
