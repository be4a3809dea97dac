/*
 * The kinds of the benchmark that the examples do not cover, by our C library.
 *
 *     reactor-c frames|answers|broadcast|budget URL
 *
 * It is written as the examples are, with one event loop. TCP_NODELAY and a backlog of 4096 are the library's defaults.
 */
#include "launch.h"

#include <stdlib.h>
#include <string.h>

/* Of a frame: a length of 4 bytes in front, which does not count itself, and at most 4 MiB. */
enum { HEADER = 4, BODY_MAX = 4 << 20, EXIT_NOT_OFFERED = 2 };

/* ---- frames: each goes back as it came, header and all ---- */

static int32_t on_frame(void *user_data, reactor_server *server, reactor_conn conn, const uint8_t *data, size_t len) {
    (void)user_data;
    /* Refused only if the connection is closed already. */
    (void)reactor_conn_write(server, conn, data, len, NULL);
    return REACTOR_ACTION_NONE;
}

/* ---- answers: the body says how long the answer is, and of which byte ---- */

static int32_t on_request(void *user_data, reactor_server *server, reactor_conn conn, const uint8_t *data, size_t len) {
    uint8_t *answer = user_data;
    if (len < HEADER + 1) return REACTOR_ACTION_CLOSE;
    size_t wanted = (size_t)data[0] << 24 | (size_t)data[1] << 16 | (size_t)data[2] << 8 | data[3];
    if (wanted > BODY_MAX) return REACTOR_ACTION_CLOSE;
    memset(answer, data[HEADER], wanted);
    (void)reactor_conn_write_frame(server, conn, answer, wanted, NULL);
    return REACTOR_ACTION_NONE;
}

/* ---- broadcast: what one sends goes to all ---- */

/* A connection, in a list that only its loop touches. */
struct member {
    reactor_conn conn;
    struct member *next, **link;
};

static void leave(void *context) {
    struct member *member = context;
    *member->link = member->next;
    if (member->next != NULL) member->next->link = member->link;
    free(member);
}

static int32_t on_member(void *user_data, reactor_server *server, reactor_conn conn) {
    struct member **first = user_data, *member = malloc(sizeof *member);
    if (member == NULL || reactor_conn_set_context(server, conn, member, leave) != REACTOR_OK) {
        free(member);
        return REACTOR_ACTION_CLOSE;
    }
    *member = (struct member){.conn = conn, .next = *first, .link = first};
    if (*first != NULL) (*first)->link = &member->next;
    *first = member;
    return REACTOR_ACTION_NONE;
}

static int32_t on_message(void *user_data, reactor_server *server, reactor_conn conn, const uint8_t *data, size_t len) {
    (void)conn;
    struct member *const *first = user_data;
    for (const struct member *member = *first; member != NULL; member = member->next) {
        /* One that does not read is closed by the library at its hard limit. It leaves the list later. */
        (void)reactor_conn_write(server, member->conn, data, len, NULL);
    }
    return REACTOR_ACTION_NONE;
}

/* ---- the program ---- */

static int serve_framed(struct launch *launch, size_t strip) {
    const reactor_length_field field = {.size = sizeof field, .width = HEADER, .strip = strip};
    reactor_framing *framing;
    if (reactor_framing_length_field(&field, HEADER + BODY_MAX, &framing) != REACTOR_OK) {
        launch_fail("%s", reactor_last_error());
        return EXIT_FAILURE;
    }
    launch->listen.framing = framing;
    int code = launch_serve(launch);
    reactor_framing_free(framing);
    return code;
}

static int serve_frames(struct launch *launch) {
    launch->callbacks.on_data = on_frame;
    return serve_framed(launch, REACTOR_STRIP_NOTHING);
}

static int serve_answers(struct launch *launch) {
    uint8_t *answer = malloc(BODY_MAX);
    if (answer == NULL) return EXIT_FAILURE;
    launch->callbacks.user_data = answer;
    launch->callbacks.on_data = on_request;
    int code = serve_framed(launch, 0);
    free(answer);
    return code;
}

static int serve_broadcast(struct launch *launch) {
    struct member *first = NULL;
    launch->callbacks.user_data = &first;
    launch->callbacks.on_open = on_member;
    launch->callbacks.on_data = on_message;
    return launch_serve(launch);
}

/* Frames, of a server that may hold so little that a few which are not finished exceed it. */
static int serve_budget(struct launch *launch) {
    launch->options.byte_budget = 16 << 20;
    return serve_frames(launch);
}

int main(int argc, char **argv) {
    const struct {
        const char *name;
        int (*serve)(struct launch *launch);
    } kinds[] = {{"frames", serve_frames}, {"answers", serve_answers}, {"broadcast", serve_broadcast}, {"budget", serve_budget}};
    char *flags[] = {argv[0], "--listen", argc == 3 ? argv[2] : "", "--loops", "1", NULL};
    struct launch launch;
    int code = EXIT_NOT_OFFERED;
    if (launch_parse(&launch, 5, flags, NULL) != 0 || launch_streams_only(&launch) != 0) argc = 0;
    for (size_t i = 0; argc == 3 && i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(argv[1], kinds[i].name) == 0) code = kinds[i].serve(&launch);
    }
    if (code == EXIT_NOT_OFFERED) launch_fail("usage: frames|answers|broadcast|budget URL");
    launch_free(&launch);
    return code;
}
