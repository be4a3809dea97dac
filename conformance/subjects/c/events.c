/* Events: one JSON object a line, flushed, one at a time. */
#define _GNU_SOURCE
#include "subject.h"

#include <fcntl.h>
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

static struct text begin(const char *event) {
    struct text line = {0};
    text_print(&line, "{\"event\": \"%s\"", event);
    return line;
}

/* 0 is no connection. */
static void add_id(struct text *line, reactor_conn conn) {
    if (conn == 0) {
        text_print(line, ", \"id\": null");
    } else {
        text_print(line, ", \"id\": \"%" PRIu64 "\"", conn);
    }
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

static void add_string(struct text *line, const char *name, const char *string) {
    text_print(line, ", \"%s\": ", name);
    text_json(line, string);
}

void event_listening(reactor_server *server) {
    struct text line = begin("listening");
    text_print(&line, ", \"urls\": [");
    char url[REACTOR_ADDRESS_CAPACITY];
    for (size_t i = 0; reactor_server_address(server, i, url, sizeof url, NULL) == REACTOR_OK; i++) {
        if (i > 0) text_print(&line, ", ");
        text_json(&line, url);
    }
    text_print(&line, "]");
    emit(&line);
}

void event_plain(const char *event) {
    struct text line = begin(event);
    emit(&line);
}

void event_on_thread(const char *event) {
    struct text line = begin(event);
    add_thread(&line);
    emit(&line);
}

void event_conn(const char *event, reactor_conn conn) {
    struct text line = begin(event);
    add_id(&line, conn);
    add_thread(&line);
    emit(&line);
}

void event_open(reactor_conn conn, reactor_listener listener) {
    struct text line = begin("open");
    add_id(&line, conn);
    if (listener == 0) {
        text_print(&line, ", \"listener\": null");
    } else {
        text_print(&line, ", \"listener\": %" PRIu32, listener);
    }
    add_thread(&line);
    emit(&line);
}

void event_drain(reactor_conn conn) {
    struct text line = begin("drain");
    add_id(&line, conn);
    emit(&line);
}

void event_data(reactor_conn conn, const uint8_t *data, size_t length) {
    struct text line = begin("data");
    add_id(&line, conn);
    text_print(&line, ", \"hex\": \"");
    text_hex(&line, data, length);
    text_print(&line, "\"");
    emit(&line);
}

void event_command(reactor_conn conn, const uint8_t *data, size_t length, const reactor_place *places, size_t count) {
    struct text line = begin("data");
    add_id(&line, conn);
    text_print(&line, ", \"hex\": \"");
    text_hex(&line, data, length);
    text_print(&line, "\", \"arguments\": [");
    for (size_t i = 0; i < count; i++) {
        text_print(&line, i == 0 ? "\"" : ", \"");
        text_hex(&line, data + places[i].offset, places[i].len);
        text_print(&line, "\"");
    }
    text_print(&line, "]");
    emit(&line);
}

void event_datagram(reactor_conn conn, const reactor_datagram *datagram, size_t length) {
    struct text line = begin("datagram"), sender = {0};
    add_id(&line, conn);
    print_address(&sender, datagram->sender, datagram->sender_len);
    add_string(&line, "sender", sender.bytes);
    if (datagram->destination == NULL) {
        text_print(&line, ", \"to\": null, \"interface\": null");
    } else {
        struct text to = {0};
        print_host(&to, datagram->destination, datagram->destination_len);
        add_string(&line, "to", to.bytes);
        text_print(&line, ", \"interface\": %" PRIu64, datagram->interface);
        text_free(&to);
    }
    text_print(&line, ", \"size\": %zu, \"truncated\": %s", length, datagram->truncated ? "true" : "false");
    add_thread(&line);
    emit(&line);
    text_free(&sender);
}

static void add_result(struct text *line, const struct outcome *outcome) {
    text_print(line, ", \"result\": ");
    if (outcome == NULL) {
        text_print(line, "null");
    } else {
        text_outcome(line, outcome);
    }
}

void event_timer(reactor_conn conn, reactor_timer timer, const struct outcome *outcome) {
    struct text line = begin("timer");
    add_id(&line, conn);
    text_print(&line, ", \"timer\": %" PRIu64, timer);
    add_result(&line, outcome);
    add_thread(&line);
    emit(&line);
}

void event_completed(reactor_conn conn, const char *tag, int32_t completed) {
    struct text line = begin("completed");
    add_id(&line, conn);
    add_string(&line, "tag", tag);
    add_string(&line, "result", completed == REACTOR_COMPLETED_SENT ? "sent" : "cancelled");
    add_thread(&line);
    emit(&line);
}

void event_ran(reactor_conn conn, const char *call, const struct outcome *outcome) {
    struct text line = begin("ran");
    add_id(&line, conn);
    add_string(&line, "call", call);
    add_result(&line, outcome);
    add_thread(&line);
    emit(&line);
}

void event_detach(reactor_conn conn, int descriptor, const uint8_t *input, size_t input_length, size_t output_length) {
    struct text line = begin("detach");
    add_id(&line, conn);
    text_print(&line, ", \"input\": \"");
    text_hex(&line, input, input_length);
    bool nonblocking = (fcntl(descriptor, F_GETFL) & O_NONBLOCK) != 0;
    text_print(&line, "\", \"output\": %zu, \"nonblocking\": %s", output_length, nonblocking ? "true" : "false");
    add_thread(&line);
    emit(&line);
}

void event_pre_write(uint64_t calls) {
    struct text line = begin("pre-write");
    text_print(&line, ", \"calls\": %" PRIu64, calls);
    add_thread(&line);
    emit(&line);
}

void event_context_destroyed(const char *text) {
    struct text line = begin("context-destroyed");
    add_string(&line, "text", text);
    add_thread(&line);
    emit(&line);
}

void event_close(reactor_conn conn, int32_t reason, int32_t error_number) {
    struct text line = begin("close");
    add_id(&line, conn);
    add_string(&line, "reason", reactor_close_reason_name(reason));
    add_errno(&line, error_number);
    add_thread(&line);
    emit(&line);
}

void event_note(reactor_conn conn, const char *note) {
    struct text line = begin("note");
    add_id(&line, conn);
    add_string(&line, "text", note);
    emit(&line);
}

void event_log(int32_t level, const char *message) {
    static const char *const names[] = {"", "error", "warn", "info", "debug", "trace"};
    struct text line = begin("log");
    add_string(&line, "level", names[level]);
    add_string(&line, "message", message);
    emit(&line);
}

void event_forked(void) {
    struct text line = begin("forked");
    text_print(&line, ", \"pid\": %d", (int)getpid());
    emit(&line);
}

void event_reply(const char *command, const struct outcome *outcome, bool with_message) {
    struct text line = begin("reply");
    add_string(&line, "command", command);
    add_result(&line, outcome);
    if (with_message && outcome->failed) {
        add_string(&line, "message", reactor_last_error());
    } else if (with_message) {
        text_print(&line, ", \"message\": null");
    }
    emit(&line);
}

void event_error(reactor_status status) {
    struct text line = begin("error");
    add_string(&line, "kind", reactor_status_name(status));
    add_string(&line, "message", reactor_last_error());
    add_errno(&line, reactor_last_errno());
    emit(&line);
}

void complain(const char *what, const char *text) {
    fprintf(stderr, "subject-c: %s %s\n", what, text);
}
