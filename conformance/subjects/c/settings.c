/* The command line. */
#include "subject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const modes[] = {"script", "keep", "echo", "data", "sink"};
static const char *const balances[] = {"round-robin", "least-connections", "random", "source-hash", "reuseport"};
static const char *const levels[] = {"off", "error", "warn", "info", "debug", "trace"};

static _Noreturn void refuse(const char *what, const char *value) {
    complain(what, value);
    exit(2);
}

/* The index of a name. */
static uint32_t one_of(const char *const *names, size_t count, const char *name) {
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) return i;
    }
    refuse("unknown value", name);
}

#define ONE_OF(names, name) one_of(names, sizeof names / sizeof *names, name)

static size_t number(const char *text) {
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text == '\0' || *end != '\0') refuse("no number", text);
    return (size_t)value;
}

static bool set_flag(struct settings *settings, const char *name) {
    struct {
        const char *name;
        bool *flag;
    } flags[] = {
        {"hosted", &settings->hosted}, {"fork", &settings->forks}, {"signals", &settings->signals},
        {"listen-inherited", &settings->listen_inherited},
    };
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        if (strcmp(flags[i].name, name) == 0) return *flags[i].flag = true;
    }
    if (strcmp(name, "no-trace") == 0) {
        settings->trace = false;
        return true;
    }
    if (strcmp(name, "keep-on-overflow") == 0) {
        settings->options.keep_on_overflow = REACTOR_ON;
        return true;
    }
    if (strcmp(name, "pin") != 0) return false;
    settings->options.pin = REACTOR_ON;
    return true;
}

static bool set_text(struct settings *settings, const char *name, const char *value) {
    struct {
        const char *name, **text;
    } texts[] = {
        {"listen-options", &settings->listen_options}, {"on-start", &settings->on_start},
        {"on-open", &settings->on_open}, {"on-eof", &settings->on_eof}, {"on-drain", &settings->on_drain},
        {"on-wake", &settings->on_wake}, {"on-timer", &settings->on_timer}, {"on-close", &settings->on_close},
        {"ticks", &settings->ticks},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (strcmp(texts[i].name, name) != 0) continue;
        *texts[i].text = value;
        return true;
    }
    return false;
}

static bool set_size(reactor_options *options, const char *name, const char *value) {
    struct {
        const char *name;
        size_t *size;
    } sizes[] = {
        {"loops", &options->loops}, {"high-water", &options->high_water}, {"low-water", &options->low_water},
        {"hard-limit", &options->hard_limit}, {"byte-budget", &options->byte_budget},
        {"read-budget", &options->read_budget}, {"max-connections", &options->max_connections},
        {"max-connections-per-address", &options->max_connections_per_address},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        if (strcmp(sizes[i].name, name) != 0) continue;
        *sizes[i].size = strcmp(value, "none") == 0 ? REACTOR_UNLIMITED : number(value);
        return true;
    }
    return false;
}

static void set_other(struct settings *settings, const char *name, const char *value) {
    if (strcmp(name, "listen") == 0) {
        settings->urls[settings->url_count++] = value;
    } else if (strcmp(name, "mode") == 0) {
        settings->mode = (enum mode)ONE_OF(modes, value);
    } else if (strcmp(name, "outgoing-mode") == 0) {
        settings->outgoing_mode = (enum mode)ONE_OF(modes, value);
    } else if (strcmp(name, "balance") == 0) {
        settings->options.balance = ONE_OF(balances, value);
    } else if (strcmp(name, "log") == 0) {
        settings->log_level = (int32_t)ONE_OF(levels, value);
    } else if (strcmp(name, "linger-ms") == 0) {
        settings->options.linger_ms = strcmp(value, "none") == 0 ? REACTOR_NO_LINGER : (int64_t)number(value);
    } else if (strcmp(name, "stall-limit-ms") == 0) {
        settings->options.stall_limit_ms = (int64_t)number(value);
    } else if (strcmp(name, "stop-deadline-ms") == 0) {
        settings->options.stop_deadline_ms = (int64_t)number(value);
    } else {
        refuse("unknown option", name);
    }
}

void settings_parse(struct settings *settings, int argc, char **argv) {
    *settings = (struct settings){.options.size = sizeof settings->options, .outgoing_mode = DATA, .trace = true};
    settings->urls = allocate((size_t)argc * sizeof *settings->urls);
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) != 0) refuse("unknown argument", argv[i]);
        const char *name = argv[i] + 2;
        if (set_flag(settings, name)) continue;
        if (++i == argc) refuse("a value is missing of", name);
        if (set_text(settings, name, argv[i]) || set_size(&settings->options, name, argv[i])) continue;
        set_other(settings, name, argv[i]);
    }
}
