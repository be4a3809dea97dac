/* M1: what is counted, and how it is told to programs of other versions. */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include <unistd.h>

static struct record record;

static reactor_metrics metrics_of(uint32_t on_loop) {
    reactor_metrics metrics = {.size = sizeof metrics};
    CHECK_OK(reactor_server_metrics(record.server, on_loop, &metrics));
    CHECK_EQUAL(metrics.size, sizeof metrics);
    return metrics;
}

static void an_echo_is_counted(void) {
    record_init(&record);
    record.echo = true;
    record_start(&record, NULL);
    int client = client_open(&record);
    for (int i = 0; i < 3; i++) {
        client_send(client, "0123456789", 10);
        client_expect(client, "0123456789", 10);
    }
    CHECK_EQUAL(metrics_of(REACTOR_ALL_LOOPS).connections, 1);
    close(client);
    record_wait(&record, &record.closes, 1);
    CHECK_OK(reactor_server_stop(record.server));
    CHECK_OK(reactor_server_wait(record.server));
    reactor_metrics all = metrics_of(REACTOR_ALL_LOOPS);
    CHECK_EQUAL(all.accepted, 1);
    CHECK_EQUAL(all.connections, 0);
    CHECK_EQUAL(all.queued_bytes, 0);
    CHECK_EQUAL(all.bytes_read, 30);
    CHECK_EQUAL(all.bytes_written, 30);
    CHECK_EQUAL(all.messages_read, 3);
    CHECK_EQUAL(all.messages_written, 3);
    CHECK_EQUAL(all.closed[REACTOR_CLOSE_EOF], 1);
    CHECK(all.turns > 0 && all.polls > 0 && all.reads >= 3 && all.writes >= 3);
    CHECK_EQUAL(all.callback_nanos_sampled > 0, all.turns_sampled > 0);
    uint64_t closed = 0;
    for (int i = 0; i < REACTOR_METRICS_REASONS; i++) closed += all.closed[i];
    CHECK_EQUAL(closed, 1);
    CHECK_OK(reactor_server_free(record.server));
}

static void loops_add_up(void) {
    record_init(&record);
    reactor_options two = {.size = sizeof two, .loops = 2};
    record_start(&record, &two);
    int clients[4];
    for (int i = 0; i < 4; i++) clients[i] = client_open(&record);
    CHECK_EQUAL(metrics_of(0).connections, 2);
    CHECK_EQUAL(metrics_of(1).connections, 2);
    CHECK_EQUAL(metrics_of(REACTOR_ALL_LOOPS).connections, 4);
    reactor_metrics metrics = {.size = sizeof metrics};
    CHECK_FAILS(reactor_server_metrics(record.server, 2, &metrics), REACTOR_STATUS_INVALID_ARGUMENT,
                "on_loop is 2, the number of loops is 2");
    for (int i = 0; i < 4; i++) close(clients[i]);
    CHECK_OK(reactor_server_free(record.server));
}

static void percentiles_of_the_delay(void) {
    record_init(&record);
    record.echo = true;
    record_start(&record, NULL);
    uint64_t nothing = 7, half = 0, most = 0;
    int client = client_open(&record);
    while (half == 0) { /* until a turn is sampled */
        client_send(client, "x", 1);
        client_expect(client, "x", 1);
        CHECK_OK(reactor_server_delay_percentile(record.server, REACTOR_ALL_LOOPS, 0.5, &half));
    }
    reactor_metrics all = metrics_of(REACTOR_ALL_LOOPS);
    uint64_t delays = 0;
    for (int i = 0; i < REACTOR_METRICS_DELAYS; i++) delays += all.delay[i];
    CHECK(delays > 0 && all.turns_sampled > 0);
    CHECK_OK(reactor_server_delay_percentile(record.server, 0, 1.0, &most));
    CHECK(half > 0 && most >= half);
    CHECK_STATUS(reactor_server_delay_percentile(record.server, 1, 0.5, &nothing), REACTOR_STATUS_INVALID_ARGUMENT);
    CHECK_EQUAL(nothing, 7);
    close(client);
    CHECK_OK(reactor_server_free(record.server));
}

static void before_the_start(void) {
    record_init(&record);
    record_server(&record, NULL);
    reactor_metrics all = metrics_of(REACTOR_ALL_LOOPS), one = {.size = sizeof one};
    CHECK_EQUAL(all.turns, 0);
    CHECK_STATUS(reactor_server_metrics(record.server, 0, &one), REACTOR_STATUS_INVALID_ARGUMENT);
    CHECK_OK(reactor_server_free(record.server));
}

struct newer_metrics {
    reactor_metrics known;
    uint64_t unknown;
};

static void programs_of_other_versions(void) {
    record_init(&record);
    record_start(&record, NULL);
    int client = client_open(&record);
    struct newer_metrics newer = {.known = {.size = sizeof newer}, .unknown = 7};
    CHECK_OK(reactor_server_metrics(record.server, REACTOR_ALL_LOOPS, &newer.known));
    CHECK_EQUAL(newer.known.accepted, 1);
    CHECK_EQUAL(newer.unknown, 0);
    reactor_metrics older = {.size = offsetof(reactor_metrics, connected), .connected = 7};
    CHECK_OK(reactor_server_metrics(record.server, REACTOR_ALL_LOOPS, &older));
    CHECK_EQUAL(older.accepted, 1);
    CHECK_EQUAL(older.connected, 7);
    older.size = 12;
    CHECK_FAILS(reactor_server_metrics(record.server, REACTOR_ALL_LOOPS, &older), REACTOR_STATUS_INVALID_ARGUMENT,
                "out_metrics->size is 12");
    reactor_info info = {.size = 1};
    CHECK_FAILS(reactor_conn_info(record.server, record.conn, &info), REACTOR_STATUS_INVALID_ARGUMENT,
                "out_info->size is 1");
    close(client);
    CHECK_OK(reactor_server_free(record.server));
}

TESTS(TEST(an_echo_is_counted), TEST(loops_add_up), TEST(percentiles_of_the_delay), TEST(before_the_start),
      TEST(programs_of_other_versions))
