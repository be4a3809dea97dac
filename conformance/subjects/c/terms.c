/* OPTIONS: what listeners and connections begin with, as text. */
#include "subject.h"

#include <stdlib.h>
#include <string.h>

static uint32_t on_off(const char *value) {
    return strcmp(value, "true") == 0 || strcmp(value, "on") == 0 ? REACTOR_ON : REACTOR_OFF;
}

static int64_t number(const char *value) {
    return strcmp(value, "never") == 0 ? REACTOR_NEVER : strtoll(value, NULL, 10);
}

/* `on`, `off`, or `IDLE[,INTERVAL[,COUNT]]` in seconds. */
static void set_keepalive(reactor_listen_options *listen, const char *value) {
    if (*value < '0' || *value > '9') {
        listen->keepalive = on_off(value);
        return;
    }
    char *rest;
    listen->keepalive_idle_s = (uint32_t)strtoul(value, &rest, 10);
    if (*rest == ',') listen->keepalive_interval_s = (uint32_t)strtoul(rest + 1, &rest, 10);
    if (*rest == ',') listen->keepalive_count = (uint32_t)strtoul(rest + 1, &rest, 10);
}

static bool set_switch(reactor_listen_options *listen, const char *name, const char *value) {
    struct {
        const char *name;
        uint32_t *on;
    } switches[] = {
        {"reuseport", &listen->reuseport}, {"nodelay", &listen->nodelay}, {"ipv6only", &listen->ipv6_only},
        {"half-open", &listen->half_open},
    };
    for (size_t i = 0; i < sizeof switches / sizeof *switches; i++) {
        if (strcmp(switches[i].name, name) != 0) continue;
        *switches[i].on = on_off(value);
        return true;
    }
    return false;
}

static bool set_time(struct terms *terms, const char *name, const char *value) {
    struct {
        const char *name;
        int64_t *milliseconds;
    } times[] = {
        {"idle", &terms->listen.idle_ms}, {"read", &terms->listen.read_ms}, {"write", &terms->listen.write_ms},
        {"timeout", &terms->connect.timeout_ms},
    };
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        if (strcmp(times[i].name, name) != 0) continue;
        *times[i].milliseconds = number(value);
        return true;
    }
    return false;
}

static void set_framing(struct terms *terms, const char *value) {
    if (framing_parse(value, &terms->framing, &terms->frames) != REACTOR_OK) complain("framing:", reactor_last_error());
}

static void set(struct terms *terms, const char *name, const char *value) {
    if (set_switch(&terms->listen, name, value) || set_time(terms, name, value)) return;
    if (strcmp(name, "framing") == 0) {
        set_framing(terms, value);
    } else if (strcmp(name, "backlog") == 0) {
        terms->listen.backlog = (uint32_t)number(value);
    } else if (strcmp(name, "rcvbuf") == 0) {
        terms->listen.rcvbuf = (size_t)number(value);
    } else if (strcmp(name, "sndbuf") == 0) {
        terms->listen.sndbuf = (size_t)number(value);
    } else if (strcmp(name, "keepalive") == 0) {
        set_keepalive(&terms->listen, value);
    } else if (strcmp(name, "device") == 0) {
        text_print(&terms->device, "%s", value);
    } else if (strcmp(name, "mode") == 0) {
        uint32_t mode = (uint32_t)strtoul(value, NULL, 8);
        terms->listen.unix_mode = mode == 0 ? REACTOR_UNIX_MODE_NONE : mode;
    } else if (strcmp(name, "broadcast") == 0) {
        terms->listen.broadcast = strcmp(value, "true") == 0 ? REACTOR_ON : REACTOR_OFF;
    } else if (strcmp(name, "join") == 0) {
        text_print(&terms->multicast, "%s%s", terms->multicast.length > 0 ? "," : "", value);
    } else if (strcmp(name, "loop") == 0) {
        terms->connect.loop_plus_one = (uint32_t)number(value) + 1;
    } else if (strcmp(name, "context") == 0) {
        terms->has_context = true;
        text_print(&terms->context, "%s", value);
    } else {
        complain("unknown option", name);
    }
}

void terms_parse(struct terms *terms, const char *options) {
    *terms = (struct terms){.listen.size = sizeof terms->listen, .connect.size = sizeof terms->connect};
    char word[WORD];
    while (options != NULL && *options != '\0') {
        take_word(&options, word);
        char *value = strchr(word, '=');
        if (value == NULL) continue;
        *value = '\0';
        set(terms, word, value + 1);
    }
    terms->listen.framing = terms->connect.framing = terms->framing;
    terms->listen.device = terms->device.bytes;
    terms->listen.multicast = terms->multicast.bytes;
    terms->connect.half_open = terms->listen.half_open;
    terms->connect.idle_ms = terms->listen.idle_ms;
    terms->connect.read_ms = terms->listen.read_ms;
    terms->connect.write_ms = terms->listen.write_ms;
}

void terms_free(struct terms *terms) {
    reactor_framing_free(terms->framing);
    text_free(&terms->device);
    text_free(&terms->multicast);
    text_free(&terms->context);
}

reactor_status listen_with(reactor_server *server, const char *url, const char *options, reactor_listener *out_listener) {
    struct terms terms;
    terms_parse(&terms, options);
    reactor_status status = reactor_server_listen_with(server, url, &terms.listen, out_listener);
    if (status == REACTOR_OK) listener_set_frames(*out_listener, terms.frames);
    terms_free(&terms);
    return status;
}

reactor_status listen_inherited(reactor_server *server, const char *options, size_t *out_count) {
    struct terms terms;
    terms_parse(&terms, options);
    reactor_status status = reactor_server_listen_inherited(server, &terms.listen, out_count);
    reactor_listener all[64];
    size_t count = 0;
    if (status == REACTOR_OK) reactor_server_listeners(server, all, 64, &count);
    for (size_t i = count - (count < *out_count ? count : *out_count); status == REACTOR_OK && i < count; i++) {
        listener_set_frames(all[i], terms.frames);
    }
    terms_free(&terms);
    return status;
}
