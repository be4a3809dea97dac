/*
 * Connects each client to a server, and passes on what either says.
 *
 *     proxy --listen URL [--listen URL]... [--loops N] --to URL
 *
 * Over TCP and Unix sockets on both sides.
 */
#define _POSIX_C_SOURCE 200809L

#include "launch.h"

#include <stdlib.h>
#include <string.h>

/*
 * Unsent bytes of one side above which the other is read no further, until they are sent. Well below the engine's
 * high-water mark, at which a side is not read itself: two that both send before they read would wait for ever.
 */
enum { QUEUE_MARK = 256 * 1024 };

/* What each connection of a pair remembers: the other one, which lives on the same loop. */
struct side {
    reactor_conn other;
};

/* Makes what a connection remembers; NULL if memory has run out. */
static struct side *side_of(reactor_conn other) {
    struct side *side = malloc(sizeof *side);
    if (side != NULL) side->other = other;
    return side;
}

/* 0, which no connection has for an id, if there is no other one. */
static reactor_conn other_of(reactor_server *server, reactor_conn conn) {
    void *side = NULL;
    if (reactor_conn_context(server, conn, &side) != REACTOR_OK || side == NULL) return 0;
    return ((struct side *)side)->other;
}

/* Connects to the server, on the same loop. 0 if that cannot even begin. */
static reactor_conn dial(reactor_server *server, const char *url, reactor_conn client) {
    reactor_connect_options options = {.size = sizeof options, .half_open = REACTOR_ON, .context_destroy = free};
    reactor_conn conn;
    options.context = side_of(client);
    if (options.context == NULL) {
        launch_fail("out of memory");
    } else if (reactor_server_connect(server, url, &options, &conn) == REACTOR_OK) {
        return conn;
    } else {
        launch_fail("%s", reactor_last_error());
    }
    free(options.context);
    return 0;
}

static int32_t on_open(void *user_data, reactor_server *server, reactor_conn conn) {
    const char *url = *(const char **)user_data;
    if (other_of(server, conn) != 0) {
        /* This is the outgoing connection, which has its context from the beginning. */
        return REACTOR_ACTION_NONE;
    }
    /* It takes writes at once: what the client says before the server is there waits in its queue. */
    reactor_conn to = dial(server, url, conn);
    if (to == 0) return REACTOR_ACTION_CLOSE;
    struct side *side = side_of(to);
    if (side != NULL && reactor_conn_set_context(server, conn, side, free) == REACTOR_OK) return REACTOR_ACTION_NONE;
    free(side);
    reactor_conn_abort(server, to);
    return REACTOR_ACTION_CLOSE;
}

/* The other side is broken, and what this one says is lost. It must not take that for an end. */
static int32_t give_up(reactor_server *server, reactor_conn conn) {
    reactor_conn_abort(server, conn);
    return REACTOR_ACTION_NONE;
}

static void on_sent(void *user_data, reactor_server *server, reactor_conn conn, int32_t completed) {
    (void)user_data, (void)completed;
    /* If the other one is closed, there is nothing to resume. */
    reactor_conn_resume(server, other_of(server, conn));
}

/* Passes on, and does not read on before that is sent: who receives is slower than who sends, who has to feel it. */
static reactor_status write_and_pause(reactor_server *server, reactor_conn to, struct iovec data, reactor_conn from) {
    reactor_status status = reactor_conn_write_then(server, to, &data, 1, on_sent, NULL, NULL);
    return status == REACTOR_OK ? reactor_conn_pause(server, from) : status;
}

static int32_t on_data(void *user_data, reactor_server *server, reactor_conn conn, const uint8_t *data, size_t len) {
    (void)user_data;
    reactor_conn other = other_of(server, conn);
    reactor_info info = {.size = sizeof info};
    reactor_status status = reactor_conn_info(server, other, &info);
    if (status == REACTOR_OK && info.queued <= QUEUE_MARK) {
        status = reactor_conn_write(server, other, data, len, NULL);
    } else if (status == REACTOR_OK) {
        status = write_and_pause(server, other, (struct iovec){(void *)data, len}, conn);
    }
    return status == REACTOR_OK ? REACTOR_ACTION_NONE : give_up(server, conn);
}

static int32_t on_eof(void *user_data, reactor_server *server, reactor_conn conn) {
    (void)user_data;
    if (reactor_conn_end(server, other_of(server, conn)) == REACTOR_OK) return REACTOR_ACTION_NONE;
    return give_up(server, conn);
}

static void tell_failure(const char *url, int32_t reason, int32_t error_number) {
    char text[256] = "";
    if (error_number != 0) strerror_r(error_number, text, sizeof text);
    launch_fail("%s: %s%s%s", url, reactor_close_reason_name(reason), *text == '\0' ? "" : ": ", text);
}

static void on_close(void *user_data, reactor_server *server, reactor_conn conn, int32_t reason, int32_t error_number) {
    const char *url = *(const char **)user_data;
    switch (reason) {
        case REACTOR_CLOSE_CONNECT_FAILED:
        case REACTOR_CLOSE_TIMED_OUT: /* while connecting: it has no other time-outs */
            tell_failure(url, reason, error_number);
            reactor_conn_close(server, other_of(server, conn));
            break;
        case REACTOR_CLOSE_EOF:
        case REACTOR_CLOSE_LOCAL_CLOSE:
        case REACTOR_CLOSE_SHUTDOWN:
            /* What is queued for the other one is sent before. It may be closed already. */
            reactor_conn_close(server, other_of(server, conn));
            break;
        default:
            /* This one broke: the other must not take what it has for all there was. */
            reactor_conn_abort(server, other_of(server, conn));
    }
}

int main(int argc, char **argv) {
    const char *to = NULL;
    const struct launch_flag flags[] = {{"to", &to, NULL}, {NULL, NULL, NULL}};
    struct launch launch;
    int code = EXIT_FAILURE;
    if (launch_parse(&launch, argc, argv, flags) == 0 && launch_streams_only(&launch) == 0) {
        launch.callbacks.user_data = &to;
        launch.callbacks.on_open = on_open;
        launch.callbacks.on_data = on_data;
        launch.callbacks.on_eof = on_eof;
        launch.callbacks.on_close = on_close;
        launch.listen.half_open = REACTOR_ON;
        if (to == NULL) {
            launch_fail("--to URL is missing");
        } else {
            code = launch_serve(&launch);
        }
    }
    launch_free(&launch);
    return code;
}
