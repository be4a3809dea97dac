/* Events: one JSON object a line, flushed, one at a time. */
#define _GNU_SOURCE
#include "subject.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static pthread_mutex_t output = PTHREAD_MUTEX_INITIALIZER;

/* Puts a finished line out and frees it. */
static void emit(struct text *line) {
    text_print(line, "}\n");
    pthread_mutex_lock(&output);
    fwrite(line->bytes, 1, line->length, stdout);
    fflush(stdout);
    pthread_mutex_unlock(&output);
    text_free(line);
}

static void begin(struct text *line, const char *event) {
    text_print(line, "{\"event\": \"%s\"", event);
}

static void add_id(struct text *line, reactor_conn conn) {
    text_print(line, ", \"id\": \"%" PRIu64 "\"", conn);
}

static void add_thread(struct text *line) {
    text_print(line, ", \"thread\": %d", (int)gettid());
}

static void add_errno(struct text *line, int error_number) {
    if (error_number == 0) {
        text_print(line, ", \"errno\": null");
    } else {
        text_print(line, ", \"errno\": %d", error_number);
    }
}

void event_listening(reactor_server *server, size_t count) {
    struct text line = {0};
    begin(&line, "listening");
    text_print(&line, ", \"urls\": [");
    for (size_t i = 0; i < count; i++) {
        char url[REACTOR_ADDRESS_CAPACITY] = "";
        reactor_server_address(server, i, url, sizeof url, NULL);
        if (i > 0) text_print(&line, ", ");
        text_json(&line, url);
    }
    text_print(&line, "]");
    emit(&line);
}

void event_start(void) {
    struct text line = {0};
    begin(&line, "start");
    add_thread(&line);
    emit(&line);
}

void event_open(reactor_conn conn) {
    struct text line = {0};
    begin(&line, "open");
    add_id(&line, conn);
    add_thread(&line);
    emit(&line);
}

void event_drain(reactor_conn conn) {
    struct text line = {0};
    begin(&line, "drain");
    add_id(&line, conn);
    emit(&line);
}

void event_close(reactor_conn conn, int32_t reason, int32_t error_number) {
    struct text line = {0};
    begin(&line, "close");
    add_id(&line, conn);
    text_print(&line, ", \"reason\": \"%s\"", reactor_close_reason_name(reason));
    add_errno(&line, error_number);
    add_thread(&line);
    emit(&line);
}

void event_stop(void) {
    struct text line = {0};
    begin(&line, "stop");
    emit(&line);
}

void event_note(reactor_conn conn, const char *note) {
    struct text line = {0};
    begin(&line, "note");
    add_id(&line, conn);
    text_print(&line, ", \"text\": ");
    text_json(&line, note);
    emit(&line);
}

void event_reply(const char *command, const char *result) {
    struct text line = {0};
    begin(&line, "reply");
    text_print(&line, ", \"command\": ");
    text_json(&line, command);
    text_print(&line, ", \"result\": %s", result);
    emit(&line);
}

void event_error(reactor_status status) {
    struct text line = {0};
    begin(&line, "error");
    text_print(&line, ", \"kind\": \"%s\", \"message\": ", reactor_status_name(status));
    text_json(&line, reactor_last_error());
    add_errno(&line, reactor_last_errno());
    emit(&line);
}

void event_ended(void) {
    struct text line = {0};
    begin(&line, "ended");
    emit(&line);
}
