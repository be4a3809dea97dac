/*
 * MULTI and EXEC: requests that are gathered, and carried out with nobody in between, or not at all if a key that WATCH
 * named has changed.
 */
#ifndef KV_TRANSACTION_H
#define KV_TRANSACTION_H

#include <stdbool.h>
#include <stddef.h>

struct gathered;

/* The requests since MULTI. All zeroes in the beginning. */
struct transaction {
    bool is_open;
    bool is_spoilt; /* one of them could not be gathered: none will be carried out */
    struct gathered **requests;
    size_t count, capacity;
    size_t held; /* bytes */
};

void transaction_free(struct transaction *transaction);

struct call;
struct command;

/* Gathers a request of this command, if there is a transaction and it has to wait; says whether it does. */
bool transaction_gathers(struct call *call, const struct command *command);
/* A request could not be understood. */
void transaction_spoil(struct transaction *transaction);
/* EXEC itself could not be understood. */
void transaction_abort(struct call *call, const char *why);

#endif
