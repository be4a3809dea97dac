/* What becomes of a connection's input. */
#include "subject.h"

#include <string.h>

/* What is no command. */
static int32_t pass(reactor_server *server, struct conn *conn, const uint8_t *data, size_t length) {
    if (conn->mode == DATA) event_data(conn->id, data, length);
    if (conn->mode != ECHO || reactor_conn_write(server, conn->id, data, length, NULL) == REACTOR_OK) {
        return REACTOR_ACTION_NONE;
    }
    return REACTOR_ACTION_CLOSE;
}

static bool takes_commands(const struct conn *conn) {
    return conn->mode == SCRIPT || conn->mode == KEEP;
}

static int32_t take_frame(reactor_server *server, struct conn *conn, enum frames frames, const uint8_t *data,
                          size_t length) {
    if (takes_commands(conn)) {
        struct place place = {.server = server, .conn = conn->id, .mode = &conn->mode};
        int32_t action = REACTOR_ACTION_NONE;
        struct text line = {0};
        const uint8_t *payload = frame_payload(frames, data, &length);
        text_add(&line, payload, length);
        run_command(&place, line.bytes, &action);
        text_free(&line);
        return action;
    }
    if (conn->mode == ECHO && frames == PLAIN) {
        /* Refused only if the connection is closed already, or closed by this: on_close says so. */
        reactor_conn_write_frame(server, conn->id, data, length, NULL);
        return REACTOR_ACTION_NONE;
    }
    return pass(server, conn, data, length);
}

/* Takes input up to a line feed, and carries the line out if it is whole. Returns how much it took. */
static size_t take_line(struct conn *conn, struct place *place, const uint8_t *data, size_t length, bool *returns,
                        int32_t *action) {
    const uint8_t *end = memchr(data, '\n', length);
    if (end == NULL && conn->mode == KEEP) {
        if (reactor_conn_keep(place->server, conn->id, length) != REACTOR_OK) *action = REACTOR_ACTION_CLOSE;
        return length;
    }
    size_t taken = end == NULL ? length : (size_t)(end - data);
    text_add(&conn->line, data, taken);
    if (end == NULL) return length;
    struct text line = conn->line;
    conn->line = (struct text){0};
    *returns = run_command(place, line.bytes, action);
    text_free(&line);
    return taken + 1;
}

/* One of Redis's: its arguments, with blanks between. */
static int32_t take_command(reactor_server *server, struct conn *conn, const uint8_t *data, size_t length,
                            const reactor_place *places, size_t count) {
    if (conn->mode == DATA) {
        event_command(conn->id, data, length, places, count);
        return REACTOR_ACTION_NONE;
    }
    if (!takes_commands(conn)) return pass(server, conn, data, length);
    struct place place = {.server = server, .conn = conn->id, .mode = &conn->mode};
    int32_t action = REACTOR_ACTION_NONE;
    struct text line = {0};
    for (size_t i = 0; i < count; i++) {
        if (i > 0) text_add(&line, " ", 1);
        text_add(&line, data + places[i].offset, places[i].len);
    }
    run_command(&place, line.bytes, &action);
    text_free(&line);
    return action;
}

int32_t take_input(reactor_server *server, struct conn *conn, const uint8_t *data, size_t length, bool datagram) {
    const reactor_place *places;
    size_t count;
    if (reactor_conn_arguments(server, conn->id, &places, &count) == REACTOR_OK) {
        return take_command(server, conn, data, length, places, count);
    }
    enum frames frames = conn_frames(conn->id);
    if (frames != STREAM) return take_frame(server, conn, frames, data, length);
    struct place place = {.server = server, .conn = conn->id, .mode = &conn->mode};
    int32_t action = REACTOR_ACTION_NONE;
    bool returns = false;
    while (length > 0 && takes_commands(conn) && !returns) {
        size_t taken = take_line(conn, &place, data, length, &returns, &action);
        data += taken;
        length -= taken;
    }
    /* A datagram may be empty; and where a script's input has ended, there is nothing to pass on. */
    if (returns || takes_commands(conn) || (length == 0 && !datagram)) return action;
    return pass(server, conn, data, length);
}
