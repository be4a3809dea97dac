/* Calls on a connection. In C those of its own and those by id are the same functions. */
#include "subject.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef void conn_function(reactor_server *server, reactor_conn conn, const char *rest, struct outcome *outcome);

/* ---- writing ---- */

static void write_bytes(reactor_server *server, reactor_conn conn, const void *bytes, size_t length,
                        struct outcome *outcome) {
    uint32_t pressure = REACTOR_PRESSURE_LOW;
    reactor_status status = reactor_conn_write(server, conn, bytes, length, &pressure);
    outcome_write(outcome, status, pressure);
}

static void do_write(reactor_server *server, reactor_conn conn, const char *rest, struct outcome *outcome) {
    size_t length = take_number(&rest);
    uint8_t *bytes = pattern_bytes(length);
    write_bytes(server, conn, bytes, length, outcome);
    free(bytes);
}

static void do_text(reactor_server *server, reactor_conn conn, const char *rest, struct outcome *outcome) {
    struct text line = {0};
    text_print(&line, "%s\n", rest);
    write_bytes(server, conn, line.bytes, line.length, outcome);
    text_free(&line);
}

static void do_bytes(reactor_server *server, reactor_conn conn, const char *rest, struct outcome *outcome) {
    size_t length;
    uint8_t *bytes = hex_bytes(rest, &length);
    write_bytes(server, conn, bytes, length, outcome);
    free(bytes);
}

static void do_frame(reactor_server *server, reactor_conn conn, const char *rest, struct outcome *outcome) {
    uint32_t pressure = REACTOR_PRESSURE_LOW;
    reactor_status status = reactor_conn_write_frame(server, conn, (const uint8_t *)rest, strlen(rest), &pressure);
    outcome_write(outcome, status, pressure);
}

static void do_send_to(reactor_server *server, reactor_conn conn, const char *rest, struct outcome *outcome) {
    char word[WORD];
    take_word(&rest, word);
    struct sockaddr_storage address;
    socklen_t length;
    if (!parse_address(word, &address, &length)) complain("no address:", word);
    uint32_t pressure = REACTOR_PRESSURE_LOW;
    reactor_status status = reactor_conn_send_to(server, conn, (const struct sockaddr *)&address, length,
                                                 (const uint8_t *)rest, strlen(rest), &pressure);
    outcome_write(outcome, status, pressure);
}

/* Slices of pattern bytes. */
struct slices {
    uint8_t *bytes;
    struct iovec *slices;
    size_t count;
};

static struct slices slices_of(const char *sizes) {
    struct slices all = {.slices = allocate((strlen(sizes) + 1) * sizeof *all.slices)};
    size_t sum = 0;
    while (*sizes != '\0') sum += all.slices[all.count++].iov_len = take_number(&sizes);
    uint8_t *at = all.bytes = pattern_bytes(sum);
    for (size_t i = 0; i < all.count; at += all.slices[i++].iov_len) all.slices[i].iov_base = at;
    return all;
}

static void slices_free(struct slices *all) {
    free(all->bytes);
    free(all->slices);
}

static void do_gather(reactor_server *server, reactor_conn conn, const char *rest, struct outcome *outcome) {
    struct slices all = slices_of(rest);
    uint32_t pressure = REACTOR_PRESSURE_LOW;
    reactor_status status = reactor_conn_write_gathered(server, conn, all.slices, all.count, &pressure);
    outcome_write(outcome, status, pressure);
    slices_free(&all);
}

static void completed(void *user_data, reactor_server *server, reactor_conn conn, int32_t how) {
    (void)server;
    event_completed(conn, user_data, how);
    free(user_data);
}

static void do_write_then(reactor_server *server, reactor_conn conn, const char *rest, struct outcome *outcome) {
    char word[WORD];
    take_word(&rest, word);
    struct slices all = slices_of(rest);
    char *tag = copy_string(word);
    uint32_t pressure = REACTOR_PRESSURE_LOW;
    reactor_status status =
        reactor_conn_write_then(server, conn, all.slices, all.count, completed, tag, &pressure);
    outcome_write(outcome, status, pressure);
    if (status != REACTOR_OK) free(tag);
    slices_free(&all);
}

/* ---- settings ---- */

static void do_framing(reactor_server *server, reactor_conn conn, const char *rest, struct outcome *outcome) {
    reactor_framing *framing;
    enum frames frames;
    reactor_status status = framing_parse(rest, &framing, &frames);
    if (status == REACTOR_OK) status = reactor_conn_set_framing(server, conn, framing);
    outcome_status(outcome, status);
    if (status == REACTOR_OK) conn_set_frames(conn, frames);
    reactor_framing_free(framing);
}

static void do_timeouts(reactor_server *server, reactor_conn conn, const char *rest, struct outcome *outcome) {
    int64_t times[3];
    for (size_t i = 0; i < 3; i++) times[i] = (int64_t)take_number(&rest);
    outcome_status(outcome, reactor_conn_set_timeouts(server, conn, times[0], times[1], times[2]));
}

static reactor_status set_keepalive(reactor_server *server, reactor_conn conn, const char *value) {
    uint32_t numbers[3] = {0};
    char *rest = (char *)value;
    for (size_t i = 0; i < 3 && *rest >= '0' && *rest <= '9'; i++) {
        numbers[i] = (uint32_t)strtoul(rest, &rest, 10);
        if (*rest == ',') rest++;
    }
    uint32_t on = strcmp(value, "off") == 0 ? REACTOR_OFF : REACTOR_ON;
    return reactor_conn_set_keepalive(server, conn, on, numbers[0], numbers[1], numbers[2]);
}

static void do_option(reactor_server *server, reactor_conn conn, const char *rest, struct outcome *outcome) {
    static const struct {
        const char *name;
        int32_t option;
    } options[] = {
        {"nodelay", REACTOR_OPTION_NODELAY}, {"broadcast", REACTOR_OPTION_BROADCAST},
        {"multicast-loop", REACTOR_OPTION_MULTICAST_LOOP}, {"recv-buffer", REACTOR_OPTION_RCVBUF},
        {"send-buffer", REACTOR_OPTION_SNDBUF}, {"multicast-ttl", REACTOR_OPTION_MULTICAST_TTL},
        {"ttl", REACTOR_OPTION_TTL},
    };
    char name[WORD];
    take_word(&rest, name);
    if (strcmp(name, "keepalive") == 0) {
        outcome_status(outcome, set_keepalive(server, conn, rest));
    } else if (strcmp(name, "join") == 0) {
        outcome_status(outcome, reactor_conn_join_multicast(server, conn, rest));
    } else if (strcmp(name, "leave") == 0) {
        outcome_status(outcome, reactor_conn_leave_multicast(server, conn, rest));
    }
    int64_t value = strcmp(rest, "on") == 0 ? 1 : strcmp(rest, "off") == 0 ? 0 : strtoll(rest, NULL, 10);
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        if (strcmp(options[i].name, name) != 0) continue;
        outcome_status(outcome, reactor_conn_set_option(server, conn, options[i].option, value));
    }
}

/* ---- looking ---- */

static void do_info(reactor_server *server, reactor_conn conn, const char *rest, struct outcome *outcome) {
    (void)rest;
    reactor_info info = {.size = sizeof info};
    reactor_status status = reactor_conn_info(server, conn, &info);
    if (status != REACTOR_OK) {
        outcome_status(outcome, status);
        return;
    }
    outcome->json = true;
    if (info.listener == 0) {
        text_print(&outcome->text, "{\"listener\": null");
    } else {
        text_print(&outcome->text, "{\"listener\": %" PRIu32, info.listener);
    }
    text_print(&outcome->text, ", \"loop\": %" PRIu32 ", \"age_ms\": %" PRIu64 ", \"received\": %" PRIu64, info.on_loop,
               info.age_ms, info.received);
    text_print(&outcome->text, ", \"sent\": %" PRIu64 ", \"queued\": %" PRIu64 "}", info.sent, info.queued);
}

typedef reactor_status address_function(reactor_server *, reactor_conn, char *, size_t, size_t *);

static void address(address_function *of, reactor_server *server, reactor_conn conn, struct outcome *outcome) {
    char text[REACTOR_ADDRESS_CAPACITY] = "";
    reactor_status status = of(server, conn, text, sizeof text, NULL);
    if (status == REACTOR_OK) {
        outcome_string(outcome, text);
    } else {
        outcome_status(outcome, status);
    }
}

static void do_remote(reactor_server *server, reactor_conn conn, const char *rest, struct outcome *outcome) {
    (void)rest;
    address(reactor_conn_remote_address, server, conn, outcome);
}

static void do_local(reactor_server *server, reactor_conn conn, const char *rest, struct outcome *outcome) {
    (void)rest;
    address(reactor_conn_local_address, server, conn, outcome);
}

static void do_credentials(reactor_server *server, reactor_conn conn, const char *rest, struct outcome *outcome) {
    (void)rest;
    int32_t pid;
    uint32_t uid, gid;
    reactor_status status = reactor_conn_peer_credentials(server, conn, &pid, &uid, &gid);
    if (status != REACTOR_OK) {
        outcome_status(outcome, status);
        return;
    }
    outcome->json = true;
    text_print(&outcome->text, "{\"pid\": %" PRId32 ", \"uid\": %" PRIu32 ", \"gid\": %" PRIu32 "}", pid, uid, gid);
}

/* ---- on the connection's loop ---- */

static void ran(void *user_data, reactor_server *server, reactor_conn conn) {
    const struct job *job = user_data;
    struct outcome outcome = {0};
    /* A function of C's has no way to fail. */
    if (strcmp(job->call, "fail") == 0) return;
    conn_call(server, conn, job->call, &outcome);
    event_ran(conn, job->call, &outcome);
    outcome_free(&outcome);
}

static void do_run(reactor_server *server, reactor_conn conn, const char *rest, struct outcome *outcome) {
    struct job *job = job_new(rest);
    reactor_status status = reactor_conn_run_on_loop(server, conn, ran, job, job_free);
    outcome_status(outcome, status);
    if (status != REACTOR_OK) job_free(job);
}

static void do_keep(reactor_server *server, reactor_conn conn, const char *rest, struct outcome *outcome) {
    outcome_status(outcome, reactor_conn_keep(server, conn, take_number(&rest)));
}

static void do_timer(reactor_server *server, reactor_conn conn, const char *rest, struct outcome *outcome) {
    int64_t delay = (int64_t)take_number(&rest), repeat = (int64_t)take_number(&rest);
    reactor_timer timer = 0;
    reactor_status status = reactor_conn_start_timer(server, conn, delay, repeat, &timer);
    if (status != REACTOR_OK) {
        outcome_status(outcome, status);
        return;
    }
    outcome->json = true;
    text_print(&outcome->text, "%" PRIu64, timer);
}

static void do_context(reactor_server *server, reactor_conn conn, const char *rest, struct outcome *outcome) {
    void *found = NULL;
    reactor_status status;
    if (*rest != '\0') {
        struct context *context = context_new(rest, conn_frames(conn));
        status = reactor_conn_set_context(server, conn, context, context_destroy);
        outcome_status(outcome, status);
        if (status != REACTOR_OK) context_destroy(context);
        return;
    }
    status = reactor_conn_context(server, conn, &found);
    const struct context *context = found;
    if (status != REACTOR_OK) {
        outcome_status(outcome, status);
    } else if (context == NULL || context->text == NULL) {
        outcome->json = true;
        outcome_string(outcome, "null");
    } else {
        outcome_string(outcome, context->text);
    }
}

static void do_cancel(reactor_server *server, reactor_conn conn, const char *rest, struct outcome *outcome) {
    (void)conn;
    struct text call = {0};
    text_print(&call, "cancel %s", rest);
    server_call(server, call.bytes, outcome);
    text_free(&call);
}

static const struct {
    const char *name;
    conn_function *make;
} calls[] = {
    {"write", do_write}, {"text", do_text}, {"bytes", do_bytes}, {"frame", do_frame}, {"send-to", do_send_to},
    {"gather", do_gather}, {"write-then", do_write_then}, {"framing", do_framing}, {"timeouts", do_timeouts},
    {"option", do_option}, {"info", do_info}, {"remote", do_remote}, {"local", do_local},
    {"credentials", do_credentials}, {"run", do_run}, {"keep", do_keep}, {"timer", do_timer}, {"cancel", do_cancel},
    {"context", do_context},
};

static const struct {
    const char *name;
    reactor_status (*make)(reactor_server *, reactor_conn);
} plain_calls[] = {
    {"end", reactor_conn_end}, {"close", reactor_conn_close}, {"abort", reactor_conn_abort},
    {"detach", reactor_conn_detach}, {"wake", reactor_conn_wake}, {"pause", reactor_conn_pause},
    {"resume", reactor_conn_resume}, {"hold", reactor_conn_hold}, {"release", reactor_conn_release},
};

void conn_call(reactor_server *server, reactor_conn conn, const char *call, struct outcome *outcome) {
    char name[WORD];
    take_word(&call, name);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        if (strcmp(calls[i].name, name) != 0) continue;
        calls[i].make(server, conn, call, outcome);
        return;
    }
    for (size_t i = 0; i < sizeof plain_calls / sizeof *plain_calls; i++) {
        if (strcmp(plain_calls[i].name, name) != 0) continue;
        outcome_status(outcome, plain_calls[i].make(server, conn));
        return;
    }
    complain("unknown call", name);
}
