/* Standard input: commands from the runner, carried out on the main thread. */
#define _POSIX_C_SOURCE 200809L
#include "subject.h"

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
    other_end();
    event_plain("ended");
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

/* Writes a call together from its parts and makes it. */
static void make(const struct place *place, const char *target, const char *name, const char *rest,
                 struct outcome *outcome) {
    struct text line = {0};
    text_print(&line, "%s %s %s", target, name, rest);
    make_call(place, line.bytes, outcome);
    text_free(&line);
}

/* Unlike the call of this name it has the bound URL as its result. */
static void listen_at(reactor_server *server, const char *url, struct outcome *outcome) {
    reactor_listener listener = 0;
    char address[REACTOR_ADDRESS_CAPACITY] = "";
    reactor_status status = listen_with(server, url, "", &listener);
    if (status != REACTOR_OK) {
        outcome_status(outcome, status);
        return;
    }
    reactor_server_listener_address(server, listener, address, sizeof address, NULL);
    outcome_string(outcome, address);
}

static void burst(const struct place *place, const char *rest, struct outcome *outcome) {
    char conn[WORD], count[WORD];
    struct text line = {0};
    take_word(&rest, conn);
    take_word(&rest, count);
    text_print(&line, "%s 1 %s write %s", count, conn, rest);
    call_on_threads(place, line.bytes, true, outcome);
    text_free(&line);
}

static void stats(reactor_server *server, struct outcome *outcome) {
    size_t connections = 0, queued = 0;
    reactor_server_connections(server, &connections);
    reactor_server_queued_bytes(server, &queued);
    outcome->json = true;
    text_print(&outcome->text, "{\"connections\": %zu, \"queued\": %zu}", connections, queued);
}

/* Commands whose first word is a connection, and that are calls of the same name on it. */
static const char *const of_a_connection[] = {"write", "text", "close", "hold", "release", NULL};

static bool is_one_of(const char *name, const char *const *names) {
    while (*names != NULL && strcmp(*names, name) != 0) names++;
    return *names != NULL;
}

static void carry_out(struct subject *subject, const char *name, const char *rest, struct outcome *outcome) {
    struct place place = {.server = subject->server};
    char id[WORD];
    if (is_one_of(name, of_a_connection)) {
        take_word(&rest, id);
        make(&place, id, name, rest, outcome);
    } else if (strcmp(name, "call") == 0 && strcmp(rest, "server start") != 0) {
        make_call(&place, rest, outcome);
    } else if (strcmp(name, "start") == 0 || strcmp(name, "call") == 0) {
        outcome_status(outcome, subject_start(subject));
    } else if (strcmp(name, "stop") == 0 || strcmp(name, "wait") == 0) {
        make(&place, "server", name, "", outcome);
    } else if (strcmp(name, "listen") == 0) {
        listen_at(subject->server, rest, outcome);
    } else if (strcmp(name, "burst") == 0) {
        burst(&place, rest, outcome);
    } else if (strcmp(name, "threads") == 0) {
        call_on_threads(&place, rest, false, outcome);
    } else if (strcmp(name, "cycles") == 0) {
        outcome_status(outcome, cycle_servers(take_number(&rest)));
    } else if (strcmp(name, "fork") == 0) {
        call_in_child(subject->server, rest, outcome);
    } else if (strcmp(name, "stats") == 0) {
        stats(subject->server, outcome);
    } else {
        complain("unknown command", name);
    }
}

void subject_obey(struct subject *subject, const char *line) {
    const char *rest = line;
    char name[WORD];
    struct outcome outcome = {0};
    take_word(&rest, name);
    carry_out(subject, name, rest, &outcome);
    event_reply(line, &outcome, strcmp(name, "call") == 0);
    outcome_free(&outcome);
}

void subject_control(struct subject *subject) {
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, stdin) > 0) {
        line[strcspn(line, "\r\n")] = '\0';
        pthread_mutex_lock(&lock);
        subject_obey(subject, line);
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
