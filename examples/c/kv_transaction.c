#include "kv_transaction.h"
#include "kv_commands.h"

#include <stdlib.h>
#include <string.h>

/* Bytes that the requests of a transaction may take, and the values of its replies. */
static const size_t MAX = (size_t)64 << 20;

/* A request, in one piece of memory with its bytes. */
struct gathered {
    struct span *spans;
    size_t count;
    uint8_t bytes[];
};

void transaction_free(struct transaction *transaction) {
    for (size_t i = 0; i < transaction->count; i++) {
        free(transaction->requests[i]->spans);
        free(transaction->requests[i]);
    }
    free(transaction->requests);
    *transaction = (struct transaction){0};
}

void transaction_spoil(struct transaction *transaction) {
    bool is_open = transaction->is_open;
    transaction_free(transaction);
    transaction->is_open = transaction->is_spoilt = is_open;
}

static struct gathered *copy(const struct request *request, size_t len) {
    struct gathered *copied = malloc(sizeof *copied + len);
    struct span *spans = calloc(request->count, sizeof *spans);
    if (copied == NULL || spans == NULL) {
        free(copied);
        free(spans);
        return NULL;
    }
    copied->spans = spans;
    copied->count = request->count;
    size_t at = 0;
    for (size_t i = 0; i < request->count; at += spans[i++].len) {
        struct bytes one = argument(request, i);
        spans[i] = (struct span){at, one.len};
        if (one.len > 0) memcpy(copied->bytes + at, one.data, one.len);
    }
    return copied;
}

static bool has_room(struct transaction *transaction) {
    if (transaction->count < transaction->capacity) return true;
    size_t capacity = transaction->capacity == 0 ? 8 : 2 * transaction->capacity;
    struct gathered **requests = realloc(transaction->requests, capacity * sizeof *requests);
    if (requests == NULL) return false;
    transaction->requests = requests;
    transaction->capacity = capacity;
    return true;
}

static bool gather(struct transaction *transaction, const struct request *request) {
    size_t len = 0;
    for (size_t i = 0; i < request->count; i++) len += argument(request, i).len;
    size_t size = sizeof(struct gathered) + len + request->count * sizeof(struct span) + 2 * sizeof(void *);
    if (transaction->held + size > MAX || !has_room(transaction)) return false;
    struct gathered *copied = copy(request, len);
    if (copied == NULL) return false;
    transaction->requests[transaction->count++] = copied;
    transaction->held += size;
    return true;
}

bool transaction_gathers(struct call *call) {
    struct transaction *transaction = &call->replies->peer->transaction;
    if (!transaction->is_open) return false;
    if (transaction->is_spoilt || gather(transaction, call->request)) {
        reply_simple(call->replies, "QUEUED");
    } else {
        transaction_spoil(transaction);
        reply_error(call->replies, "ERR the transaction has more than 64 MiB");
    }
    return true;
}

/* ---- the commands ---- */

const char *kv_multi(struct call *call) {
    struct transaction *transaction = &call->replies->peer->transaction;
    if (transaction->is_open) return "MULTI calls can not be nested";
    transaction->is_open = true;
    reply_simple(call->replies, "OK");
    return NULL;
}

const char *kv_exec(struct call *call) {
    struct replies *replies = call->replies;
    struct transaction transaction = replies->peer->transaction;
    if (!transaction.is_open) return "EXEC without MULTI";
    replies->peer->transaction = (struct transaction){0};
    if (transaction.is_spoilt) {
        reply_error(replies, "EXECABORT Transaction discarded because of previous errors.");
        return NULL;
    }
    session_lock_all(call->session);
    reply_array(replies, transaction.count);
    /* Small requests can ask for one large value many times. */
    replies->room = MAX;
    for (size_t i = 0; i < transaction.count; i++) {
        const struct gathered *one = transaction.requests[i];
        struct request request = {one->bytes, one->spans, one->count};
        execute(&request, call->session, replies);
    }
    replies->room = SIZE_MAX;
    transaction_free(&transaction);
    return NULL;
}

const char *kv_discard(struct call *call) {
    struct transaction *transaction = &call->replies->peer->transaction;
    if (!transaction->is_open) return "DISCARD without MULTI";
    transaction_free(transaction);
    reply_simple(call->replies, "OK");
    return NULL;
}
