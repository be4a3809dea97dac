/* The commands that callbacks carry out. */
#define _POSIX_C_SOURCE 200809L
#include "subject.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *result_name(reactor_status status) {
    return status == REACTOR_OK ? "ok" : reactor_status_name(status);
}

static const char *write_result(reactor_server *server, reactor_conn conn, const void *bytes, size_t length) {
    uint32_t pressure = REACTOR_PRESSURE_LOW;
    reactor_status status = reactor_conn_write(server, conn, bytes, length, &pressure);
    return status == REACTOR_OK && pressure == REACTOR_PRESSURE_HIGH ? "high" : result_name(status);
}

const char *write_pattern(reactor_server *server, reactor_conn conn, size_t length) {
    uint8_t *bytes = malloc(length + 1);
    if (bytes == NULL) abort();
    for (size_t i = 0; i < length; i++) bytes[i] = (uint8_t)(i % 251);
    const char *result = write_result(server, conn, bytes, length);
    free(bytes);
    return result;
}

const char *write_line(reactor_server *server, reactor_conn conn, const char *text) {
    struct text line = {0};
    text_print(&line, "%s\n", text);
    const char *result = write_result(server, conn, line.bytes, line.length);
    text_free(&line);
    return result;
}

/* The commands: what follows the name is in rest. Each says whether the callback returns now. */
typedef bool command(struct place *place, const char *rest, int32_t *action);

static void answer(const struct place *place, const char *text) {
    write_line(place->server, place->conn, text);
}

static bool do_echo(struct place *place, const char *rest, int32_t *action) {
    (void)action;
    answer(place, rest);
    return false;
}

static bool do_id(struct place *place, const char *rest, int32_t *action) {
    (void)rest, (void)action;
    char id[32];
    snprintf(id, sizeof id, "%" PRIu64, place->conn);
    answer(place, id);
    return false;
}

static bool do_write(struct place *place, const char *rest, int32_t *action) {
    (void)action;
    write_pattern(place->server, place->conn, strtoul(rest, NULL, 10));
    return false;
}

static bool do_writes(struct place *place, const char *rest, int32_t *action) {
    (void)action;
    char *length;
    unsigned long count = strtoul(rest, &length, 10);
    size_t bytes = strtoul(length, NULL, 10);
    while (count-- > 0) write_pattern(place->server, place->conn, bytes);
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

static bool do_note_write(struct place *place, const char *rest, int32_t *action) {
    (void)action;
    event_note(place->conn, write_line(place->server, place->conn, rest));
    return false;
}

static bool do_to(struct place *place, const char *rest, int32_t *action) {
    (void)action;
    char *text;
    reactor_conn target = strtoull(rest, &text, 10);
    answer(place, write_line(place->server, target, *text == ' ' ? text + 1 : text));
    return false;
}

static bool do_close_id(struct place *place, const char *rest, int32_t *action) {
    (void)action;
    answer(place, result_name(reactor_conn_close(place->server, strtoull(rest, NULL, 10))));
    return false;
}

static bool do_sleep(struct place *place, const char *rest, int32_t *action) {
    (void)place, (void)action;
    unsigned long milliseconds = strtoul(rest, NULL, 10);
    struct timespec time = {(time_t)(milliseconds / 1000), (long)(milliseconds % 1000) * 1000000};
    nanosleep(&time, NULL);
    return false;
}

static bool do_wait(struct place *place, const char *rest, int32_t *action) {
    (void)rest, (void)action;
    answer(place, result_name(reactor_server_wait(place->server)));
    return false;
}

static bool do_start(struct place *place, const char *rest, int32_t *action) {
    (void)rest, (void)action;
    answer(place, result_name(reactor_server_start(place->server)));
    return false;
}

static bool do_listen(struct place *place, const char *rest, int32_t *action) {
    (void)action;
    answer(place, result_name(reactor_server_listen(place->server, rest)));
    return false;
}

static bool do_free(struct place *place, const char *rest, int32_t *action) {
    (void)rest, (void)action;
    answer(place, result_name(reactor_server_free(place->server)));
    return false;
}

static bool do_sink(struct place *place, const char *rest, int32_t *action) {
    (void)rest, (void)action;
    if (place->mode != NULL) *place->mode = SINK;
    return false;
}

static bool do_echo_on(struct place *place, const char *rest, int32_t *action) {
    (void)rest, (void)action;
    if (place->mode != NULL) *place->mode = ECHO;
    return false;
}

static const struct {
    const char *name;
    command *run;
} commands[] = {
    {"echo", do_echo},       {"id", do_id},
    {"write", do_write},     {"writes", do_writes},
    {"close", do_close},     {"stop", do_stop},
    {"fail", do_fail},       {"stop-call", do_stop_call},
    {"close-call", do_close_call}, {"note-write", do_note_write},
    {"to", do_to},           {"close-id", do_close_id},
    {"sleep", do_sleep},     {"wait", do_wait},
    {"start", do_start},     {"listen", do_listen},
    {"free", do_free},       {"sink", do_sink},
    {"echo-on", do_echo_on},
};

bool run_command(struct place *place, const char *line, int32_t *action) {
    size_t length = strcspn(line, " ");
    const char *rest = line[length] == ' ' ? line + length + 1 : line + length;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strlen(commands[i].name) == length && memcmp(commands[i].name, line, length) == 0) {
            return commands[i].run(place, rest, action);
        }
    }
    struct text unknown = {0};
    text_print(&unknown, "unknown command: %s", line);
    event_note(place->conn, unknown.bytes);
    text_free(&unknown);
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
