#include "kv_transaction.h"
#include "kv_commands.h"

#include <stdio.h>
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

/* Whether a command is carried out at once, also behind MULTI. */
static bool is_immediate(const struct command *command) {
    return command->run == kv_multi || command->run == kv_exec || command->run == kv_discard ||
           command->run == kv_watch || command->run == kv_quit;
}

bool transaction_gathers(struct call *call, const struct command *command) {
    struct transaction *transaction = &call->replies->peer->transaction;
    if (!transaction->is_open || is_immediate(command)) return false;
    if (transaction->is_spoilt || gather(transaction, call->request)) {
        reply_simple(call->replies, "QUEUED");
    } else {
        transaction_spoil(transaction);
        reply_error(call->replies, "ERR the transaction has more than 64 MiB");
    }
    return true;
}

/* Ends a transaction, and what was watched for it, without carrying it out. */
static void end(struct call *call) {
    transaction_free(&call->replies->peer->transaction);
    session_unwatch(call->session, &call->replies->peer->watch);
}

void transaction_abort(struct call *call, const char *why) {
    char text[128];
    end(call);
    snprintf(text, sizeof text, "EXECABORT Transaction discarded because of: %s", why);
    reply_error(call->replies, text);
}

/* ---- the commands ---- */

const char *kv_multi(struct call *call) {
    struct transaction *transaction = &call->replies->peer->transaction;
    if (transaction->is_open) return "MULTI calls can not be nested";
    transaction->is_open = true;
    reply_simple(call->replies, "OK");
    return NULL;
}

static void carry_out(struct call *call, const struct transaction *transaction) {
    struct replies *replies = call->replies;
    reply_array(replies, transaction->count);
    /* Small requests can ask for one large value many times. */
    replies->room = MAX;
    for (size_t i = 0; i < transaction->count; i++) {
        const struct gathered *one = transaction->requests[i];
        struct request request = {one->bytes, one->spans, one->count};
        execute(&request, call->session, replies);
    }
    replies->room = SIZE_MAX;
}

const char *kv_exec(struct call *call) {
    struct peer *peer = call->replies->peer;
    struct transaction transaction = peer->transaction;
    if (!transaction.is_open) return "EXEC without MULTI";
    peer->transaction = (struct transaction){0};
    session_lock_all(call->session);
    bool has_changed = session_has_changed(call->session, &peer->watch);
    end(call);
    if (transaction.is_spoilt) {
        reply_error(call->replies, "EXECABORT Transaction discarded because of previous errors.");
    } else if (has_changed) {
        reply_null_array(call->replies);
    } else {
        carry_out(call, &transaction);
    }
    transaction_free(&transaction);
    return NULL;
}

const char *kv_discard(struct call *call) {
    if (!call->replies->peer->transaction.is_open) return "DISCARD without MULTI";
    end(call);
    reply_simple(call->replies, "OK");
    return NULL;
}

const char *kv_watch(struct call *call) {
    struct peer *peer = call->replies->peer;
    if (peer->transaction.is_open) return "WATCH inside MULTI is not allowed";
    for (size_t i = 1; i < call->request->count; i++) {
        if (!session_watch(call->session, arg(call, i), &peer->watch)) return NO_MEMORY;
    }
    reply_simple(call->replies, "OK");
    return NULL;
}

const char *kv_unwatch(struct call *call) {
    session_unwatch(call->session, &call->replies->peer->watch);
    reply_simple(call->replies, "OK");
    return NULL;
}
