/*
 * A cache that speaks with the clients of Redis (RESP2, and RESP3 if they ask): strings, counters, times to live.
 *
 *     kv --listen URL [--listen URL]... [--loops N]
 *
 * Then redis-cli -p PORT. It cuts requests itself, so that there is an example of that: a line that a person types has no quotes.
 * The order of COMMAND and the cursors of SCAN are its own in each language.
 */
#define _POSIX_C_SOURCE 200809L

#include "kv_commands.h"
#include "kv_resp.h"
#include "kv_store.h"
#include "launch.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    /* How often what has expired is removed; nobody sees it before that either. */
    SWEEP_MS = 100,
    /* The beginning of a request that the engine keeps; a longer one grows here. */
    KEPT = 64 << 10
};

/* The largest value is 512 MiB, and one may be queued behind another. */
#define HARD_LIMIT ((size_t)2 << 30)

/* What a connection remembers. */
struct client {
    struct parser parser;
    struct peer peer;
    int protocol;
    /*
     * Input that has to wait, until the client has read the replies to what came before, or because it is the beginning
     * of a large request.
     */
    uint8_t *backlog;
    size_t backlog_len, backlog_capacity;
};

/* One input of a connection. */
struct turn {
    struct store *store;
    reactor_server *server;
    reactor_conn conn;
    struct client *client;
};

static void client_free(void *context) {
    struct client *client = context;
    parser_free(&client->parser);
    transaction_free(&client->peer.transaction);
    free(client->backlog);
    free(client);
}

/* ---- the backlog ---- */

static bool backlog_add(struct client *client, struct bytes data) {
    if (data.len == 0) return true;
    if (data.len > SIZE_MAX / 2 - client->backlog_len) return false;
    size_t len = client->backlog_len + data.len;
    if (len > client->backlog_capacity) {
        /* Twice as much each time, so that many small pieces do not have it copied again and again. */
        size_t capacity = len > 2 * client->backlog_capacity ? len : 2 * client->backlog_capacity;
        uint8_t *backlog = realloc(client->backlog, capacity);
        if (backlog == NULL) return false;
        client->backlog = backlog;
        client->backlog_capacity = capacity;
    }
    memcpy(client->backlog + client->backlog_len, data.data, data.len);
    client->backlog_len = len;
    return true;
}

/* Drops what was done, and the memory of a large value that was in front. */
static void backlog_drop(struct client *client, size_t done) {
    client->backlog_len -= done;
    if (client->backlog_len == 0) {
        free(client->backlog);
        client->backlog = NULL;
        client->backlog_capacity = 0;
        return;
    }
    if (done == 0) return;
    memmove(client->backlog, client->backlog + done, client->backlog_len);
    uint8_t *backlog = realloc(client->backlog, client->backlog_len);
    if (backlog == NULL) return;
    client->backlog = backlog;
    client->backlog_capacity = client->backlog_len;
}

/* ---- requests ---- */

/* Carries out the requests in the input, and gathers the replies. Returns how much of the input that was. */
static size_t serve_requests(struct turn *turn, struct bytes input, struct replies *replies) {
    struct parser *parser = &turn->client->parser;
    struct session session;
    size_t done = 0, taken;
    const char *wrong;
    session_begin(&session, turn->store);
    while (done < input.len && replies->next == NEXT_READ) {
        struct bytes rest = {input.data + done, input.len - done};
        enum parsed parsed = parser_read(parser, rest, &taken, &wrong);
        if (parsed == PARSED_PARTIAL) break;
        if (parsed == PARSED_WRONG) {
            char text[128] = "ERR Protocol error: ";
            reply_error(replies, strncat(text, wrong, sizeof text - strlen(text) - 1));
            replies->next = NEXT_CLOSE;
            break;
        }
        struct request request = {rest.data, parser->spans, parser->count};
        if (request.count > 0) execute(&request, &session, replies);
        done += taken;
    }
    session_end(&session);
    return done;
}

/* Serves the input and writes the replies in one go. Returns how to go on. */
static enum next serve(struct turn *turn, struct bytes input, size_t *out_done) {
    struct replies replies;
    replies_begin(&replies, turn->server, turn->conn, &turn->client->peer, turn->client->protocol);
    *out_done = serve_requests(turn, input, &replies);
    replies_flush(&replies);
    turn->client->protocol = replies.protocol;
    return replies.next;
}

static int32_t serve_backlog(struct turn *turn) {
    struct client *client = turn->client;
    size_t done;
    if (client->backlog_len == 0) return REACTOR_ACTION_NONE;
    enum next next = serve(turn, (struct bytes){client->backlog, client->backlog_len}, &done);
    backlog_drop(client, done);
    return next == NEXT_CLOSE ? REACTOR_ACTION_CLOSE : REACTOR_ACTION_NONE;
}

static int32_t serve_input(struct turn *turn, struct bytes data) {
    if (turn->client->backlog_len > 0) {
        return backlog_add(turn->client, data) ? serve_backlog(turn) : REACTOR_ACTION_CLOSE;
    }
    size_t done;
    enum next next = serve(turn, data, &done);
    struct bytes rest = {data.data + done, data.len - done};
    if (next == NEXT_CLOSE) return REACTOR_ACTION_CLOSE;
    if (rest.len == 0) return REACTOR_ACTION_NONE;
    bool is_kept = next == NEXT_READ && rest.len <= KEPT
                       ? reactor_conn_keep(turn->server, turn->conn, rest.len) == REACTOR_OK
                       : backlog_add(turn->client, rest);
    return is_kept ? REACTOR_ACTION_NONE : REACTOR_ACTION_CLOSE;
}

/* ---- the callbacks ---- */

static struct client *client_of(reactor_server *server, reactor_conn conn) {
    void *client = NULL;
    return reactor_conn_context(server, conn, &client) == REACTOR_OK ? client : NULL;
}

/* The number of the client that came last. */
static atomic_int_least64_t clients;

static int32_t on_open(void *store, reactor_server *server, reactor_conn conn) {
    (void)store;
    struct client *client = calloc(1, sizeof *client);
    if (client == NULL) return REACTOR_ACTION_CLOSE;
    client->protocol = 2;
    client->peer.id = atomic_fetch_add(&clients, 1) + 1;
    if (reactor_conn_set_context(server, conn, client, client_free) == REACTOR_OK) return REACTOR_ACTION_NONE;
    client_free(client);
    return REACTOR_ACTION_CLOSE;
}

static int32_t on_data(void *store, reactor_server *server, reactor_conn conn, const uint8_t *data, size_t len) {
    struct turn turn = {store, server, conn, client_of(server, conn)};
    return turn.client == NULL ? REACTOR_ACTION_CLOSE : serve_input(&turn, (struct bytes){data, len});
}

static int32_t on_drain(void *store, reactor_server *server, reactor_conn conn) {
    struct turn turn = {store, server, conn, client_of(server, conn)};
    return turn.client == NULL ? REACTOR_ACTION_CLOSE : serve_backlog(&turn);
}

static void on_close(void *store, reactor_server *server, reactor_conn conn, int32_t reason, int32_t error_number) {
    (void)reason;
    (void)error_number;
    struct client *client = client_of(server, conn);
    struct session session;
    if (client == NULL) return;
    session_begin(&session, store);
    session_unwatch(&session, &client->peer.watch);
    session_end(&session);
}

static int64_t on_tick(void *store, reactor_server *server) {
    (void)server;
    store_sweep(store);
    return SWEEP_MS;
}

static int start(struct launch *launch) {
    struct store *store = store_new(launch->options.loops == 1);
    if (store == NULL) {
        launch_fail("out of memory");
        return EXIT_FAILURE;
    }
    launch->options.hard_limit = HARD_LIMIT;
    launch->callbacks.user_data = store;
    launch->callbacks.on_open = on_open;
    launch->callbacks.on_data = on_data;
    launch->callbacks.on_drain = on_drain;
    launch->callbacks.on_close = on_close;
    launch->callbacks.on_tick = on_tick;
    int code = launch_serve(launch);
    store_free(store);
    return code;
}

int main(int argc, char **argv) {
    struct launch launch;
    int code = EXIT_FAILURE;
    if (launch_parse(&launch, argc, argv, NULL) == 0 && launch_streams_only(&launch) == 0) code = start(&launch);
    launch_free(&launch);
    return code;
}
