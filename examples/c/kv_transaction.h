/*
 * MULTI and EXEC: requests that are gathered, and carried out with nobody in between.
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

/* Gathers a request, of a command that exists, if there is a transaction; says whether there is. */
bool transaction_gathers(struct call *call);
/* A request could not be understood. */
void transaction_spoil(struct transaction *transaction);

#endif
