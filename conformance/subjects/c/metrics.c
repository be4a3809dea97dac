/* Snapshots of the engine's counters as JSON. */
#include "subject.h"

#include <inttypes.h>
#include <stdlib.h>

#define COUNTER(name) {#name, offsetof(reactor_metrics, name)}

static const struct {
    const char *name;
    size_t offset;
} counters[] = {
    COUNTER(connections), COUNTER(queued_bytes), COUNTER(accepted), COUNTER(connected), COUNTER(enrolled),
    COUNTER(refused_by_total), COUNTER(refused_by_address), COUNTER(accept_errors), COUNTER(bytes_read),
    COUNTER(bytes_written), COUNTER(messages_read), COUNTER(messages_written), COUNTER(datagrams_read),
    COUNTER(datagrams_written), COUNTER(datagrams_dropped), COUNTER(datagrams_truncated), COUNTER(polls), COUNTER(reads),
    COUNTER(writes), COUNTER(accepts), COUNTER(other_calls), COUNTER(wakeups), COUNTER(turns), COUNTER(timers_fired),
    COUNTER(callback_nanos_sampled), COUNTER(turns_sampled), COUNTER(linger_expired), COUNTER(reads_paused_by_budget),
};

static void describe_closed(struct text *text, const reactor_metrics *metrics) {
    const char *comma = "";
    for (int32_t reason = 0; reason < REACTOR_METRICS_REASONS; reason++) {
        if (metrics->closed[reason] == 0) continue;
        text_print(text, "%s", comma);
        text_json(text, reactor_close_reason_name(reason));
        text_print(text, ": %" PRIu64, metrics->closed[reason]);
        comma = ", ";
    }
}

static void describe_delay(struct text *text, reactor_server *server, uint32_t on_loop, const reactor_metrics *metrics) {
    uint64_t count = 0, middle = 0, high = 0;
    for (size_t i = 0; i < REACTOR_METRICS_DELAYS; i++) count += metrics->delay[i];
    reactor_server_delay_percentile(server, on_loop, 0.5, &middle);
    reactor_server_delay_percentile(server, on_loop, 0.99, &high);
    text_print(text, "\"count\": %" PRIu64 ", \"p50\": %" PRIu64 ", \"p99\": %" PRIu64, count, middle, high);
}

void metrics_call(reactor_server *server, const char *rest, struct outcome *outcome) {
    uint32_t on_loop = *rest == '\0' ? REACTOR_ALL_LOOPS : (uint32_t)strtoul(rest, NULL, 10);
    reactor_metrics metrics = {.size = sizeof metrics};
    reactor_status status = reactor_server_metrics(server, on_loop, &metrics);
    if (status != REACTOR_OK) {
        outcome_status(outcome, status);
        return;
    }
    outcome->json = true;
    struct text *text = &outcome->text;
    text_print(text, "{");
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++) {
        uint64_t value = *(const uint64_t *)((const char *)&metrics + counters[i].offset);
        text_print(text, "\"%s\": %" PRIu64 ", ", counters[i].name, value);
    }
    text_print(text, "\"closed\": {");
    describe_closed(text, &metrics);
    text_print(text, "}, \"delay\": {");
    describe_delay(text, server, on_loop, &metrics);
    text_print(text, "}}");
}
