/* The C subject: see conformance/PROTOCOL.md. */
#include "subject.h"

#include <stdlib.h>

static void on_log(void *user_data, int32_t level, const char *message) {
    (void)user_data;
    event_log(level, message);
}

/* Listens as the command line says. */
static reactor_status begin(reactor_server *server, const struct settings *settings) {
    for (size_t i = 0; i < settings->url_count; i++) {
        reactor_listener listener;
        reactor_status status = listen_with(server, settings->urls[i], settings->listen_options, &listener);
        if (status != REACTOR_OK) return status;
    }
    size_t count;
    return settings->listen_inherited ? listen_inherited(server, settings->listen_options, &count) : REACTOR_OK;
}

/* Starts, if it listens, and serves until standard input ends. */
static reactor_status serve(struct subject *subject, const struct settings *settings) {
    bool listens = settings->url_count > 0 || settings->listen_inherited;
    if (listens) event_listening(subject->server);
    if (settings->forks) go_on_in_child();
    if (settings->signals) {
        reactor_status status = reactor_server_stop_on_signals(subject->server);
        if (status != REACTOR_OK) return status;
    }
    if (settings->hosted) return subject_drive(subject);
    reactor_status status = listens ? subject_start(subject) : REACTOR_OK;
    if (status == REACTOR_OK) subject_control(subject);
    return status;
}

int main(int argc, char **argv) {
    struct settings settings;
    settings_parse(&settings, argc, argv);
    reactor_callbacks callbacks = subject_callbacks;
    callbacks.user_data = &settings;
    reactor_set_log(settings.log_level > 0 ? on_log : NULL, NULL, NULL, settings.log_level);
    struct subject subject = {0};
    reactor_status status = reactor_server_new(&callbacks, &settings.options, &subject.server);
    if (status == REACTOR_OK) status = begin(subject.server, &settings);
    if (status == REACTOR_OK) status = serve(&subject, &settings);
    if (status != REACTOR_OK) {
        event_error(status);
        reactor_server_free(subject.server);
    }
    free(settings.urls);
    return status == REACTOR_OK ? 0 : 1;
}
