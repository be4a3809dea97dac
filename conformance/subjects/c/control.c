/* Standard input: commands from the runner, carried out on the main thread. */
#define _POSIX_C_SOURCE 200809L
#include "subject.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Held by the main thread while it carries a command out, and by the waiter while it frees the server. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_t waiter;

static void *wait_and_free(void *argument) {
    struct subject *subject = argument;
    reactor_server_wait(subject->server);
    pthread_mutex_lock(&lock);
    event_ended();
    reactor_server_free(subject->server);
    subject->server = NULL;
    pthread_mutex_unlock(&lock);
    return NULL;
}

reactor_status subject_start(struct subject *subject) {
    reactor_status status = reactor_server_start(subject->server);
    if (status == REACTOR_OK) {
        subject->started = true;
        if (pthread_create(&waiter, NULL, wait_and_free, subject) != 0) abort();
    }
    return status;
}

/* One write of a burst, on a thread of its own. */
struct shot {
    pthread_t thread;
    reactor_server *server;
    reactor_conn conn;
    size_t length;
    const char *result;
};

static void *shoot(void *argument) {
    struct shot *shot = argument;
    shot->result = write_pattern(shot->server, shot->conn, shot->length);
    return NULL;
}

static void burst(reactor_server *server, const char *rest, struct text *result) {
    char *end;
    reactor_conn conn = strtoull(rest, &end, 10);
    size_t count = strtoul(end, &end, 10), length = strtoul(end, NULL, 10);
    struct shot *shots = calloc(count + 1, sizeof *shots);
    if (shots == NULL) abort();
    for (size_t i = 0; i < count; i++) {
        shots[i] = (struct shot){.server = server, .conn = conn, .length = length};
        if (pthread_create(&shots[i].thread, NULL, shoot, &shots[i]) != 0) abort();
    }
    for (size_t i = 0; i < count; i++) {
        pthread_join(shots[i].thread, NULL);
        text_print(result, "%s%s", i == 0 ? "" : " ", shots[i].result);
    }
    free(shots);
}

static void listen_result(reactor_server *server, const char *url, struct text *result) {
    reactor_status status = reactor_server_listen(server, url);
    char address[REACTOR_ADDRESS_CAPACITY] = "";
    /* The newest listener is the last one that there is. */
    for (size_t i = 0; reactor_server_address(server, i, address, sizeof address, NULL) == REACTOR_OK;) i++;
    text_print(result, "%s", status == REACTOR_OK ? address : reactor_status_name(status));
}

static void stats(reactor_server *server, const char *line) {
    size_t connections = 0, queued = 0;
    reactor_server_connections(server, &connections);
    reactor_server_queued_bytes(server, &queued);
    char result[96];
    snprintf(result, sizeof result, "{\"connections\": %zu, \"queued\": %zu}", connections, queued);
    event_reply(line, result);
}

/* Carries out every command but stats, whose result is no string. */
static void carry_out(struct subject *subject, const char *name, const char *rest, struct text *result) {
    reactor_server *server = subject->server;
    char *text;
    reactor_conn conn = strtoull(rest, &text, 10);
    if (*text == ' ') text++;
    if (strcmp(name, "write") == 0) {
        text_print(result, "%s", write_pattern(server, conn, strtoul(text, NULL, 10)));
    } else if (strcmp(name, "text") == 0) {
        text_print(result, "%s", write_line(server, conn, text));
    } else if (strcmp(name, "burst") == 0) {
        burst(server, rest, result);
    } else if (strcmp(name, "close") == 0) {
        text_print(result, "%s", result_name(reactor_conn_close(server, conn)));
    } else if (strcmp(name, "stop") == 0) {
        text_print(result, "%s", result_name(reactor_server_stop(server)));
    } else if (strcmp(name, "listen") == 0) {
        listen_result(server, rest, result);
    } else if (strcmp(name, "start") == 0) {
        text_print(result, "%s", result_name(subject_start(subject)));
    } else if (strcmp(name, "wait") == 0) {
        text_print(result, "%s", result_name(reactor_server_wait(server)));
    } else {
        text_print(result, "unknown command");
    }
}

static void obey(struct subject *subject, const char *line) {
    if (strcmp(line, "stats") == 0) {
        stats(subject->server, line);
        return;
    }
    struct text name = {0}, result = {0}, json = {0};
    size_t length = strcspn(line, " ");
    text_add(&name, line, length);
    carry_out(subject, name.bytes, line[length] == ' ' ? line + length + 1 : line + length, &result);
    text_json(&json, result.length > 0 ? result.bytes : "");
    event_reply(line, json.bytes);
    text_free(&json);
    text_free(&result);
    text_free(&name);
}

void subject_control(struct subject *subject) {
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, stdin) > 0) {
        line[strcspn(line, "\r\n")] = '\0';
        pthread_mutex_lock(&lock);
        obey(subject, line);
        pthread_mutex_unlock(&lock);
    }
    free(line);
    pthread_mutex_lock(&lock);
    reactor_server_stop(subject->server);
    pthread_mutex_unlock(&lock);
    if (subject->started) {
        pthread_join(waiter, NULL);
    } else {
        reactor_server_free(subject->server);
    }
}
