/*
 * The commands: what Redis 7 tells of each, and what carries it out.
 */
#ifndef KV_TABLE_H
#define KV_TABLE_H

#include "kv_resp.h"

struct call;

/* Where keys stand among the arguments, and what becomes of them. */
struct keys {
    int first; /* 0 if there are none */
    int last;  /* counted from the end if negative */
    int step;
    const char *flags, *notes;
};

/* Longer than any command's name. */
enum { COMMAND_NAME_SIZE = 16 };

/* In Redis's words, with blanks between. */
struct command {
    /* Filled up with zeroes, to be compared at once. That of a subcommand is like "client|id". */
    char name[COMMAND_NAME_SIZE];
    /* The number of arguments, all names included; if negative, the least number. */
    int arity;
    struct keys keys;
    const char *flags;
    const char *categories; /* of access control lists */
    const char *tips;
    /* NULL, or its subcommands; one without an arity is behind the last. */
    const struct command *subcommands;
    /* What is wrong, or NULL. NULL itself if only subcommands do anything. */
    const char *(*run)(struct call *call);
};

/* One without an arity is behind the last. */
extern const struct command COMMANDS[];

/* NULL if there is none of the name. */
const struct command *command_named(struct bytes name);
const struct command *subcommand_named(const struct command *command, struct bytes name);

#endif
