/* S3: a graceful stop. */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include <unistd.h>

static struct record record;

static bool is_stopping(void) {
    uint32_t stopping = 7;
    CHECK_OK(reactor_server_is_stopping(record.server, &stopping));
    CHECK(stopping <= 1);
    return stopping == 1;
}

static void connections_may_finish(void) {
    record_init(&record);
    record.echo = true;
    record_start(&record, NULL);
    int client = client_open(&record);
    CHECK(!is_stopping());
    CHECK_OK(reactor_server_stop_gracefully(record.server, 0));
    CHECK(is_stopping());
    record_wait(&record, &record.stoppings, 1);
    client_send(client, "still served", 12);
    client_expect(client, "still served", 12);
    CHECK_EQUAL(record_look(&record, &record.closes), 0);
    close(client);
    CHECK_OK(reactor_server_wait(record.server));
    CHECK_EQUAL(record.reason, REACTOR_CLOSE_EOF);
    CHECK_EQUAL(record.stoppings, 1);
    CHECK_EQUAL(record.stops, 1);
    CHECK_OK(reactor_server_free(record.server));
}

static void the_deadline_ends_the_rest(void) {
    record_init(&record);
    record_start(&record, NULL);
    int client = client_open(&record);
    CHECK_OK(reactor_server_stop_gracefully(record.server, 20));
    CHECK_OK(reactor_server_wait(record.server));
    CHECK_EQUAL(record.closes, 1);
    CHECK_EQUAL(record.reason, REACTOR_CLOSE_SHUTDOWN);
    client_expect_eof(client);
    close(client);
    CHECK_OK(reactor_server_free(record.server));
}

static void the_deadline_of_the_options(void) {
    record_init(&record);
    reactor_options options = {.size = sizeof options, .loops = 2, .stop_deadline_ms = 20};
    record_start(&record, &options);
    int client = client_open(&record);
    CHECK_OK(reactor_server_stop_gracefully(record.server, 0));
    CHECK_OK(reactor_server_wait(record.server));
    CHECK_EQUAL(record.reason, REACTOR_CLOSE_SHUTDOWN);
    close(client);
    CHECK_OK(reactor_server_free(record.server));
}

static void a_further_call_brings_it_forward(void) {
    record_init(&record);
    record_start(&record, NULL);
    int client = client_open(&record);
    CHECK_OK(reactor_server_stop_gracefully(record.server, 3600000));
    record_wait(&record, &record.stoppings, 1);
    CHECK_OK(reactor_server_stop(record.server));
    CHECK_OK(reactor_server_wait(record.server));
    CHECK_EQUAL(record.reason, REACTOR_CLOSE_SHUTDOWN);
    close(client);
    CHECK_OK(reactor_server_free(record.server));
}

static void a_negative_deadline(void) {
    record_init(&record);
    record_start(&record, NULL);
    CHECK_FAILS(reactor_server_stop_gracefully(record.server, REACTOR_NEVER), REACTOR_STATUS_INVALID_ARGUMENT,
                "deadline_ms is -1");
    CHECK(!is_stopping());
    CHECK_OK(reactor_server_free(record.server));
}

TESTS(TEST(connections_may_finish), TEST(the_deadline_ends_the_rest), TEST(the_deadline_of_the_options),
      TEST(a_further_call_brings_it_forward), TEST(a_negative_deadline))
