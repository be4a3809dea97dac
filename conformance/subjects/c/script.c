/* The commands that callbacks carry out. */
#define _POSIX_C_SOURCE 200809L
#include "subject.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>


/* Makes a call on the callback's connection; its result is nobody's business. */
static void on_self(const struct place *place, const char *name, const char *rest) {
    struct text line = {0};
    struct outcome outcome = {0};
    text_print(&line, "self %s %s", name, rest);
    make_call(place, line.bytes, &outcome);
    outcome_free(&outcome);
    text_free(&line);
}

/* Makes a call and writes its result; success_only: not what it is, but that it is one. */
static void answer(const struct place *place, const char *line, bool success_only) {
    struct outcome outcome = {0};
    make_call(place, line, &outcome);
    on_self(place, "text", success_only && outcome.json ? "ok" : outcome_plain(&outcome));
    outcome_free(&outcome);
}

static void note(const struct place *place, const char *line) {
    struct outcome outcome = {0};
    make_call(place, line, &outcome);
    event_note(place->conn, outcome_plain(&outcome));
    outcome_free(&outcome);
}

/* The commands: what follows the name is in rest. Each says whether the callback returns now. */
typedef bool command(struct place *place, const char *rest, int32_t *action);

static bool do_echo(struct place *place, const char *rest, int32_t *action) {
    (void)action;
    on_self(place, "text", rest);
    return false;
}

static bool do_id(struct place *place, const char *rest, int32_t *action) {
    (void)rest, (void)action;
    struct text id = {0};
    text_print(&id, "%" PRIu64, place->conn);
    on_self(place, "text", id.bytes);
    text_free(&id);
    return false;
}

static bool do_write(struct place *place, const char *rest, int32_t *action) {
    (void)action;
    on_self(place, "write", rest);
    return false;
}

static bool do_writes(struct place *place, const char *rest, int32_t *action) {
    (void)action;
    for (uint64_t count = take_number(&rest); count > 0; count--) on_self(place, "write", rest);
    return false;
}

static bool do_close(struct place *place, const char *rest, int32_t *action) {
    (void)place, (void)rest;
    *action = REACTOR_ACTION_CLOSE;
    return true;
}

static bool do_stop(struct place *place, const char *rest, int32_t *action) {
    (void)place, (void)rest;
    *action = REACTOR_ACTION_STOP;
    return true;
}

static bool do_detach(struct place *place, const char *rest, int32_t *action) {
    (void)place, (void)rest;
    *action = REACTOR_ACTION_DETACH;
    return true;
}

static bool do_fail(struct place *place, const char *rest, int32_t *action) {
    (void)place, (void)rest;
    *action = NO_ACTION_AT_ALL;
    return true;
}

static bool do_stop_call(struct place *place, const char *rest, int32_t *action) {
    (void)rest, (void)action;
    reactor_server_stop(place->server);
    return false;
}

static bool do_close_call(struct place *place, const char *rest, int32_t *action) {
    (void)rest, (void)action;
    reactor_conn_close(place->server, place->conn);
    return false;
}

static bool do_hold(struct place *place, const char *rest, int32_t *action) {
    (void)rest, (void)action;
    reactor_conn_hold(place->server, place->conn);
    return false;
}

static bool do_release(struct place *place, const char *rest, int32_t *action) {
    (void)rest, (void)action;
    reactor_conn_release(place->server, place->conn);
    return false;
}

/* Writes a call together from its parts and makes it. */
static bool make(struct place *place, const char *target, const char *name, const char *rest) {
    struct text line = {0};
    text_print(&line, "%s %s %s", target, name, rest);
    while (line.bytes[line.length - 1] == ' ') line.bytes[--line.length] = '\0';
    answer(place, line.bytes, strcmp(name, "listen") == 0);
    text_free(&line);
    return false;
}

static bool do_to(struct place *place, const char *rest, int32_t *action) {
    (void)action;
    char id[WORD];
    take_word(&rest, id);
    return make(place, id, "text", rest);
}

static bool do_close_id(struct place *place, const char *rest, int32_t *action) {
    (void)action;
    return make(place, rest, "close", "");
}

static bool do_wait(struct place *place, const char *rest, int32_t *action) {
    (void)action;
    return make(place, "server", "wait", rest);
}

static bool do_start(struct place *place, const char *rest, int32_t *action) {
    (void)action;
    return make(place, "server", "start", rest);
}

static bool do_listen(struct place *place, const char *rest, int32_t *action) {
    (void)action;
    return make(place, "server", "listen", rest);
}

static bool do_free(struct place *place, const char *rest, int32_t *action) {
    (void)action;
    return make(place, "server", "free", rest);
}

static bool do_call(struct place *place, const char *rest, int32_t *action) {
    (void)action;
    answer(place, rest, false);
    return false;
}

static bool do_note_call(struct place *place, const char *rest, int32_t *action) {
    (void)action;
    note(place, rest);
    return false;
}

static bool do_note_write(struct place *place, const char *rest, int32_t *action) {
    (void)action;
    struct text line = {0};
    text_print(&line, "self text %s", rest);
    note(place, line.bytes);
    text_free(&line);
    return false;
}

static bool do_pre_write(struct place *place, const char *rest, int32_t *action) {
    (void)action;
    leave_pre_write(place->server, place->conn, rest);
    return false;
}

static bool do_sleep(struct place *place, const char *rest, int32_t *action) {
    (void)place, (void)action;
    uint64_t milliseconds = take_number(&rest);
    struct timespec time = {(time_t)(milliseconds / 1000), (long)(milliseconds % 1000) * 1000000};
    nanosleep(&time, NULL);
    return false;
}

static bool do_block(struct place *place, const char *rest, int32_t *action) {
    (void)place, (void)action;
    int fifo = open(rest, O_RDONLY | O_CLOEXEC);
    if (fifo >= 0) close(fifo);
    return false;
}

static void set_mode(struct place *place, enum mode mode) {
    if (place->mode != NULL) *place->mode = mode;
}

static bool do_sink(struct place *place, const char *rest, int32_t *action) {
    (void)rest, (void)action;
    set_mode(place, SINK);
    return false;
}

static bool do_echo_on(struct place *place, const char *rest, int32_t *action) {
    (void)rest, (void)action;
    set_mode(place, ECHO);
    return false;
}

static bool do_data_on(struct place *place, const char *rest, int32_t *action) {
    (void)rest, (void)action;
    set_mode(place, DATA);
    return false;
}

static const struct {
    const char *name;
    command *run;
} commands[] = {
    {"echo", do_echo}, {"id", do_id}, {"write", do_write}, {"writes", do_writes},
    {"close", do_close}, {"stop", do_stop}, {"detach", do_detach}, {"fail", do_fail},
    {"stop-call", do_stop_call}, {"close-call", do_close_call}, {"to", do_to}, {"close-id", do_close_id},
    {"wait", do_wait}, {"start", do_start}, {"listen", do_listen}, {"free", do_free},
    {"call", do_call}, {"note-call", do_note_call}, {"note-write", do_note_write}, {"pre-write", do_pre_write},
    {"hold", do_hold}, {"release", do_release}, {"sleep", do_sleep}, {"block", do_block},
    {"sink", do_sink}, {"echo-on", do_echo_on}, {"data-on", do_data_on},
};

bool run_command(struct place *place, const char *line, int32_t *action) {
    char name[WORD];
    const char *rest = line;
    take_word(&rest, name);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(commands[i].name, name) == 0) return commands[i].run(place, rest, action);
    }
    complain("unknown command", line);
    return false;
}

int32_t run_script(struct place *place, const char *script) {
    int32_t action = REACTOR_ACTION_NONE;
    bool returns = false;
    while (script != NULL && *script != '\0' && !returns) {
        script += strspn(script, " ;");
        size_t length = strcspn(script, ";");
        struct text line = {0};
        text_add(&line, script, length);
        while (line.length > 0 && line.bytes[line.length - 1] == ' ') line.bytes[--line.length] = '\0';
        if (line.length > 0) returns = run_command(place, line.bytes, &action);
        text_free(&line);
        script += length;
    }
    return action;
}
