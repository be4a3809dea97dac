/* The C subject: the command line, and the callbacks. See conformance/PROTOCOL.md. */
#include "subject.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int32_t on_start(void *user_data, reactor_server *server) {
    const struct settings *settings = user_data;
    event_start();
    struct place place = {.server = server};
    return run_script(&place, settings->on_start);
}

static int32_t on_open(void *user_data, reactor_server *server, reactor_conn id) {
    const struct settings *settings = user_data;
    if (settings->trace) event_open(id);
    if (settings->echo) return REACTOR_ACTION_NONE;
    conn_add(id);
    struct place place = {.server = server, .conn = id, .mode = &conn_find(id)->mode};
    return run_script(&place, settings->on_open);
}

static int32_t echo(reactor_server *server, reactor_conn id, const uint8_t *data, size_t length) {
    return reactor_conn_write(server, id, data, length, NULL) == REACTOR_OK ? REACTOR_ACTION_NONE : REACTOR_ACTION_CLOSE;
}

/* Takes input up to a line feed, and carries the line out if it is whole. Returns how much it took. */
static size_t take_line(struct conn *conn, struct place *place, const uint8_t *data, size_t length, bool *returns,
                        int32_t *action) {
    const uint8_t *end = memchr(data, '\n', length);
    size_t taken = end == NULL ? length : (size_t)(end - data);
    text_add(&conn->line, data, taken);
    if (end == NULL) return length;
    struct text line = conn->line;
    conn->line = (struct text){0};
    *returns = run_command(place, line.bytes, action);
    text_free(&line);
    return taken + 1;
}

static int32_t on_data(void *user_data, reactor_server *server, reactor_conn id, const uint8_t *data, size_t length) {
    const struct settings *settings = user_data;
    if (settings->echo) return echo(server, id, data, length);
    struct conn *conn = conn_find(id);
    struct place place = {.server = server, .conn = id, .mode = &conn->mode};
    int32_t action = REACTOR_ACTION_NONE;
    bool returns = false;
    while (length > 0 && conn->mode == COMMANDS && !returns) {
        size_t taken = take_line(conn, &place, data, length, &returns, &action);
        data += taken;
        length -= taken;
    }
    if (length > 0 && conn->mode == ECHO && !returns) return echo(server, id, data, length);
    return action;
}

static int32_t on_drain(void *user_data, reactor_server *server, reactor_conn id) {
    const struct settings *settings = user_data;
    if (settings->trace) event_drain(id);
    struct place place = {.server = server, .conn = id};
    return run_script(&place, settings->on_drain);
}

static void on_close(void *user_data, reactor_server *server, reactor_conn id, int32_t reason, int32_t error_number) {
    const struct settings *settings = user_data;
    if (settings->trace) event_close(id, reason, error_number);
    struct place place = {.server = server, .conn = id};
    run_script(&place, settings->on_close);
    if (!settings->echo) conn_remove(id);
}

static void on_stop(void *user_data, reactor_server *server) {
    (void)user_data, (void)server;
    event_stop();
}

static size_t number(const char *text) {
    char *end;
    size_t value = strtoul(text, &end, 10);
    if (*text == '\0' || *end != '\0') {
        fprintf(stderr, "subject: \"%s\" is not a number\n", text);
        exit(2);
    }
    return value;
}

static void parse(int argc, char **argv, struct settings *settings) {
    static const struct option options[] = {
        {"listen", required_argument, NULL, 'l'},     {"loops", required_argument, NULL, 'n'},
        {"high-water", required_argument, NULL, 'h'}, {"low-water", required_argument, NULL, 'w'},
        {"hard-limit", required_argument, NULL, 'm'}, {"read-budget", required_argument, NULL, 'b'},
        {"linger-ms", required_argument, NULL, 'g'},  {"mode", required_argument, NULL, 'e'},
        {"on-start", required_argument, NULL, 's'},   {"on-open", required_argument, NULL, 'o'},
        {"on-drain", required_argument, NULL, 'd'},   {"on-close", required_argument, NULL, 'c'},
        {"no-trace", no_argument, NULL, 't'},         {NULL, 0, NULL, 0},
    };
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
            case 'l': settings->urls[settings->url_count++] = optarg; break;
            case 'n': settings->options.loops = (uint32_t)number(optarg); break;
            case 'h': settings->options.high_water = number(optarg); break;
            case 'w': settings->options.low_water = number(optarg); break;
            case 'm': settings->options.hard_limit = number(optarg); break;
            case 'b': settings->options.read_budget = number(optarg); break;
            case 'g': settings->options.linger_ms = (uint32_t)number(optarg); break;
            case 'e': settings->echo = strcmp(optarg, "echo") == 0; break;
            case 's': settings->on_start = optarg; break;
            case 'o': settings->on_open = optarg; break;
            case 'd': settings->on_drain = optarg; break;
            case 'c': settings->on_close = optarg; break;
            case 't': settings->trace = false; break;
            default: exit(2);
        }
    }
}

/* Listens and starts as the command line says. */
static reactor_status begin(struct subject *subject, const struct settings *settings) {
    for (size_t i = 0; i < settings->url_count; i++) {
        reactor_status status = reactor_server_listen(subject->server, settings->urls[i]);
        if (status != REACTOR_OK) return status;
    }
    if (settings->url_count == 0) return REACTOR_OK;
    event_listening(subject->server, settings->url_count);
    return subject_start(subject);
}

int main(int argc, char **argv) {
    struct settings settings = {.options.size = sizeof settings.options, .trace = true};
    settings.urls = calloc((size_t)argc, sizeof *settings.urls);
    if (settings.urls == NULL) return 2;
    parse(argc, argv, &settings);
    reactor_callbacks callbacks = {
        .size = sizeof callbacks, .user_data = &settings, .on_start = on_start, .on_open = on_open, .on_data = on_data,
        .on_drain = on_drain, .on_close = on_close, .on_stop = on_stop,
    };
    struct subject subject = {0};
    reactor_status status = reactor_server_new(&callbacks, &settings.options, &subject.server);
    if (status == REACTOR_OK) status = begin(&subject, &settings);
    if (status == REACTOR_OK) {
        subject_control(&subject);
    } else {
        event_error(status);
        reactor_server_free(subject.server);
    }
    free(settings.urls);
    return status == REACTOR_OK ? 0 : 1;
}
