/* Calls on the server. */
#include "subject.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef void server_function(reactor_server *server, const char *rest, struct outcome *outcome);

/* ---- listeners ---- */

static void describe(struct text *text, reactor_server *server, reactor_listener listener) {
    char url[REACTOR_ADDRESS_CAPACITY] = "";
    reactor_server_listener_address(server, listener, url, sizeof url, NULL);
    text_print(text, "{\"listener\": %" PRIu32 ", \"url\": ", listener);
    text_json(text, url);
    text_print(text, "}");
}

static void do_listen(reactor_server *server, const char *rest, struct outcome *outcome) {
    char url[WORD];
    take_word(&rest, url);
    reactor_listener listener = 0;
    reactor_status status = listen_with(server, url, rest, &listener);
    if (status != REACTOR_OK) {
        outcome_status(outcome, status);
        return;
    }
    outcome->json = true;
    describe(&outcome->text, server, listener);
}

/* The last `count` listeners. */
static void describe_last(reactor_server *server, size_t count, struct outcome *outcome) {
    reactor_listener all[64];
    size_t total = 0;
    reactor_server_listeners(server, all, 64, &total);
    outcome->json = true;
    text_print(&outcome->text, "[");
    size_t first = total - (count < total ? count : total);
    for (size_t i = first; i < total; i++) {
        if (i > first) text_print(&outcome->text, ", ");
        describe(&outcome->text, server, all[i]);
    }
    text_print(&outcome->text, "]");
}

static void do_listen_inherited(reactor_server *server, const char *rest, struct outcome *outcome) {
    size_t count = 0;
    reactor_status status = listen_inherited(server, rest, &count);
    if (status != REACTOR_OK) {
        outcome_status(outcome, status);
    } else {
        describe_last(server, count, outcome);
    }
}

static void do_listeners(reactor_server *server, const char *rest, struct outcome *outcome) {
    (void)rest;
    describe_last(server, SIZE_MAX, outcome);
}

static void do_close_listener(reactor_server *server, const char *rest, struct outcome *outcome) {
    reactor_listener listener = (reactor_listener)take_number(&rest);
    char how[WORD];
    take_word(&rest, how);
    bool refuse = strcmp(how, "refuse") == 0;
    outcome_status(outcome, refuse ? reactor_server_close_listener_with(server, listener, REACTOR_WAITING_REFUSE)
                                   : reactor_server_close_listener(server, listener));
}

static void do_endpoints(reactor_server *server, const char *rest, struct outcome *outcome) {
    reactor_conn ids[64];
    size_t count = 0;
    reactor_status status =
        reactor_server_endpoints(server, (reactor_listener)take_number(&rest), ids, 64, &count);
    if (status != REACTOR_OK) {
        outcome_status(outcome, status);
        return;
    }
    outcome->json = true;
    text_print(&outcome->text, "[");
    for (size_t i = 0; i < count; i++) text_print(&outcome->text, "%s\"%" PRIu64 "\"", i > 0 ? ", " : "", ids[i]);
    text_print(&outcome->text, "]");
}

/* ---- outgoing connections ---- */

static void dial(reactor_server *server, const char *rest, bool enroll, struct outcome *outcome) {
    char url[WORD];
    take_word(&rest, url);
    struct terms terms;
    terms_parse(&terms, rest);
    struct context *context = context_new(terms.has_context ? terms.context.bytes : NULL, terms.frames);
    terms.connect.context = context;
    terms.connect.context_destroy = context_destroy;
    reactor_conn conn = 0;
    int descriptor = enroll ? socket_to(url) : -1;
    reactor_status status = enroll ? reactor_server_enroll(server, descriptor, &terms.connect, &conn)
                                   : reactor_server_connect(server, url, &terms.connect, &conn);
    terms_free(&terms);
    if (status == REACTOR_OK) {
        text_print(&outcome->text, "%" PRIu64, conn);
        return;
    }
    outcome_status(outcome, status);
    context_destroy(context);
    if (enroll) close(descriptor);
}

static void do_connect(reactor_server *server, const char *rest, struct outcome *outcome) {
    dial(server, rest, false, outcome);
}

static void do_enroll(reactor_server *server, const char *rest, struct outcome *outcome) {
    dial(server, rest, true, outcome);
}

/* ---- loops ---- */

static void ran(void *user_data, reactor_server *server) {
    const struct job *job = user_data;
    /* A function of C's has no way to fail. */
    if (strcmp(job->call, "fail") == 0) return;
    struct outcome outcome = {0};
    server_call(server, job->call, &outcome);
    event_ran(0, job->call, &outcome);
    outcome_free(&outcome);
}

static void do_run(reactor_server *server, const char *rest, struct outcome *outcome) {
    uint32_t on_loop = (uint32_t)take_number(&rest);
    struct job *job = job_new(rest);
    reactor_status status = reactor_server_run_on_loop(server, on_loop, ran, job, job_free);
    outcome_status(outcome, status);
    if (status != REACTOR_OK) job_free(job);
}

static void due(void *user_data, reactor_server *server) {
    const struct job *job = user_data;
    if (strcmp(job->call, "fail") == 0) return;
    struct outcome outcome = {0};
    if (*job->call != '\0') server_call(server, job->call, &outcome);
    event_timer(0, job->timer, *job->call == '\0' ? NULL : &outcome);
    outcome_free(&outcome);
}

static void do_timer(reactor_server *server, const char *rest, struct outcome *outcome) {
    int64_t delay = (int64_t)take_number(&rest), repeat = (int64_t)take_number(&rest);
    struct job *job = job_new(rest);
    /* It cannot be due before this returns. */
    reactor_status status = reactor_server_start_timer(server, delay, repeat, due, job, job_free, &job->timer);
    if (status == REACTOR_OK) {
        outcome->json = true;
        text_print(&outcome->text, "%" PRIu64, job->timer);
        return;
    }
    outcome_status(outcome, status);
    job_free(job);
}

static void do_cancel(reactor_server *server, const char *rest, struct outcome *outcome) {
    uint32_t cancelled = 0;
    reactor_status status = reactor_server_cancel_timer(server, take_number(&rest), &cancelled);
    if (status != REACTOR_OK) {
        outcome_status(outcome, status);
    } else {
        outcome_string(outcome, cancelled ? "ok" : "gone");
    }
}

static void do_current_loop(reactor_server *server, const char *rest, struct outcome *outcome) {
    (void)rest;
    uint32_t on_loop;
    outcome->json = true;
    if (reactor_server_current_loop(server, &on_loop) == REACTOR_OK) {
        text_print(&outcome->text, "%" PRIu32, on_loop);
    } else {
        outcome_string(outcome, "null");
    }
}

static void do_loops(reactor_server *server, const char *rest, struct outcome *outcome) {
    (void)rest;
    uint32_t loops = 0;
    reactor_server_loops(server, &loops);
    outcome->json = true;
    text_print(&outcome->text, "%" PRIu32, loops);
}

/* ---- the whole server ---- */

static void do_start(reactor_server *server, const char *rest, struct outcome *outcome) {
    (void)rest;
    outcome_status(outcome, reactor_server_start(server));
}

static void do_wait(reactor_server *server, const char *rest, struct outcome *outcome) {
    (void)rest;
    outcome_status(outcome, reactor_server_wait(server));
}

static void do_stop(reactor_server *server, const char *rest, struct outcome *outcome) {
    (void)rest;
    outcome_status(outcome, reactor_server_stop(server));
}

static void do_stop_gracefully(reactor_server *server, const char *rest, struct outcome *outcome) {
    outcome_status(outcome, reactor_server_stop_gracefully(server, (int64_t)take_number(&rest)));
}

static void do_free(reactor_server *server, const char *rest, struct outcome *outcome) {
    (void)rest;
    outcome_status(outcome, reactor_server_free(server));
}

static const struct {
    const char *name;
    server_function *make;
} calls[] = {
    {"listen", do_listen}, {"listen-inherited", do_listen_inherited}, {"listeners", do_listeners},
    {"close-listener", do_close_listener}, {"endpoints", do_endpoints}, {"connect", do_connect}, {"enroll", do_enroll},
    {"run", do_run}, {"timer", do_timer}, {"cancel", do_cancel}, {"current-loop", do_current_loop}, {"loops", do_loops},
    {"metrics", metrics_call}, {"start", do_start}, {"wait", do_wait}, {"stop", do_stop},
    {"stop-gracefully", do_stop_gracefully}, {"free", do_free},
};

void server_call(reactor_server *server, const char *call, struct outcome *outcome) {
    char name[WORD];
    take_word(&call, name);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        if (strcmp(calls[i].name, name) != 0) continue;
        calls[i].make(server, call, outcome);
        return;
    }
    complain("unknown call on the server", name);
}
