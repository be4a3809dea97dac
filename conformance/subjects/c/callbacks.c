/* The callbacks: each reports itself and plays its script. */
#include "subject.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ---- what on_pre_write is to write ---- */

struct left {
    uint32_t on_loop;
    reactor_conn conn;
    char *text;
    struct left *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct left *all_left;
static atomic_uint_fast64_t pre_write_calls;

void leave_pre_write(reactor_server *server, reactor_conn conn, const char *text) {
    struct left *left = allocate(sizeof *left);
    *left = (struct left){.conn = conn, .text = copy_string(text)};
    reactor_server_current_loop(server, &left->on_loop);
    pthread_mutex_lock(&lock);
    struct left **end = &all_left;
    while (*end != NULL) end = &(*end)->next;
    *end = left;
    pthread_mutex_unlock(&lock);
}

/* The first that was left for a loop, taken out; NULL if there is none. */
static struct left *take_left(uint32_t on_loop) {
    pthread_mutex_lock(&lock);
    struct left **link = &all_left;
    while (*link != NULL && (*link)->on_loop != on_loop) link = &(*link)->next;
    struct left *found = *link;
    if (found != NULL) *link = found->next;
    pthread_mutex_unlock(&lock);
    return found;
}

static void on_pre_write(void *user_data, reactor_server *server) {
    (void)user_data;
    uint64_t calls = atomic_fetch_add(&pre_write_calls, 1) + 1;
    uint32_t on_loop;
    bool wrote = false;
    if (reactor_server_current_loop(server, &on_loop) != REACTOR_OK) return;
    for (struct left *left; (left = take_left(on_loop)) != NULL; wrote = true) {
        struct outcome outcome = {0};
        struct text call = {0};
        text_print(&call, "text %s", left->text);
        conn_call(server, left->conn, call.bytes, &outcome);
        outcome_free(&outcome);
        text_free(&call);
        free(left->text);
        free(left);
    }
    if (wrote) event_pre_write(calls);
}

/* ---- connections ---- */

static int32_t play(const struct settings *settings, reactor_server *server, reactor_conn id, const char *script) {
    (void)settings;
    struct conn *conn = conn_find(id);
    struct place place = {.server = server, .conn = id, .mode = conn == NULL ? NULL : &conn->mode};
    return run_script(&place, script);
}

/* Remembers a fresh connection; whether it is an incoming one. */
static bool begin(const struct settings *settings, reactor_server *server, reactor_conn id) {
    reactor_info info = {.size = sizeof info};
    reactor_conn_info(server, id, &info);
    void *context = NULL;
    if (info.listener == 0) reactor_conn_context(server, id, &context);
    enum frames of_dialled = context == NULL ? STREAM : ((struct context *)context)->frames;
    bool incoming = info.listener != 0;
    conn_add(id, incoming ? settings->mode : settings->outgoing_mode,
             incoming ? listener_frames(info.listener) : of_dialled);
    if (settings->trace) event_open(id, info.listener);
    return incoming;
}

static int32_t on_open(void *user_data, reactor_server *server, reactor_conn id) {
    const struct settings *settings = user_data;
    bool incoming = begin(settings, server, id);
    return incoming ? play(settings, server, id, settings->on_open) : REACTOR_ACTION_NONE;
}

static int32_t on_data(void *user_data, reactor_server *server, reactor_conn id, const uint8_t *data, size_t length) {
    const struct settings *settings = user_data;
    struct conn *conn = conn_find(id);
    reactor_datagram datagram = {.size = sizeof datagram};
    bool is_datagram = reactor_conn_datagram(server, id, &datagram) == REACTOR_OK;
    if (is_datagram && settings->trace) event_datagram(id, &datagram, length);
    /* An endpoint has no on_open. */
    if (conn == NULL) conn = conn_add(id, settings->mode, STREAM);
    return take_input(server, conn, data, length, is_datagram);
}

static int32_t on_eof(void *user_data, reactor_server *server, reactor_conn id) {
    const struct settings *settings = user_data;
    if (settings->trace) event_conn("eof", id);
    return play(settings, server, id, settings->on_eof);
}

static int32_t on_drain(void *user_data, reactor_server *server, reactor_conn id) {
    const struct settings *settings = user_data;
    if (settings->trace) event_drain(id);
    return play(settings, server, id, settings->on_drain);
}

static int32_t on_wake(void *user_data, reactor_server *server, reactor_conn id) {
    const struct settings *settings = user_data;
    if (settings->trace) event_conn("wake", id);
    return play(settings, server, id, settings->on_wake);
}

static int32_t on_timer(void *user_data, reactor_server *server, reactor_conn id, reactor_timer timer) {
    const struct settings *settings = user_data;
    event_timer(id, timer, NULL);
    return play(settings, server, id, settings->on_timer);
}

static void on_detach(void *user_data, reactor_server *server, reactor_conn id, int32_t descriptor,
                      const uint8_t *input, size_t input_length, const uint8_t *output, size_t output_length) {
    (void)user_data, (void)server;
    event_detach(id, descriptor, input, input_length, output_length);
    conn_remove(id);
    detached_serve(descriptor, output, output_length);
}

static void on_close(void *user_data, reactor_server *server, reactor_conn id, int32_t reason, int32_t error_number) {
    const struct settings *settings = user_data;
    if (settings->trace) event_close(id, reason, error_number);
    play(settings, server, id, settings->on_close);
    conn_remove(id);
}

/* ---- the server ---- */

static int32_t on_start(void *user_data, reactor_server *server) {
    const struct settings *settings = user_data;
    event_on_thread("start");
    struct place place = {.server = server};
    return run_script(&place, settings->on_start);
}

static int64_t on_tick(void *user_data, reactor_server *server) {
    struct settings *settings = user_data;
    if (settings->ticks == NULL || *settings->ticks == '\0') return REACTOR_NEVER;
    event_on_thread("tick");
    const char *step = settings->ticks;
    size_t length = strcspn(step, ",");
    settings->ticks += length + (step[length] == ',');
    if (strncmp(step, "stop", 4) == 0) {
        reactor_server_stop(server);
        return REACTOR_NEVER;
    }
    return strtoll(step, NULL, 10);
}

static void on_stopping(void *user_data, reactor_server *server) {
    (void)user_data, (void)server;
    event_on_thread("stopping");
}

static void on_stop(void *user_data, reactor_server *server) {
    (void)user_data, (void)server;
    event_plain("stop");
}

const reactor_callbacks subject_callbacks = {
    .size = sizeof(reactor_callbacks), .on_start = on_start, .on_open = on_open, .on_data = on_data, .on_eof = on_eof,
    .on_drain = on_drain, .on_wake = on_wake, .on_timer = on_timer, .on_detach = on_detach, .on_close = on_close,
    .on_tick = on_tick, .on_pre_write = on_pre_write, .on_stopping = on_stopping, .on_stop = on_stop,
};
