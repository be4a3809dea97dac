/* L7: a connection's context, and the call of its destroy: once, last, on the loop. */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include <unistd.h>

static struct record record;

struct context {
    int destroyed;
    int closes_before; /* how often on_close had been called */
    uint32_t on_loop;
};
static struct context contexts[2];

static void destroy(void *user_data) {
    struct context *context = user_data;
    context->closes_before = record_look(&record, &record.closes);
    context->on_loop = 7;
    reactor_server_current_loop(record.server, &context->on_loop);
    CHECK_STATUS(reactor_server_free(record.server), REACTOR_STATUS_WRONG_THREAD);
    record_count(&record, &context->destroyed);
}

static void expect_context(reactor_server *server, reactor_conn conn, void *expected) {
    void *context = &record;
    CHECK_OK(reactor_conn_context(server, conn, &context));
    CHECK(context == expected);
}

static void set_first(struct record *of, reactor_server *server, reactor_conn conn) {
    (void)of;
    expect_context(server, conn, NULL);
    CHECK_OK(reactor_conn_set_context(server, conn, &contexts[0], destroy));
    expect_context(server, conn, &contexts[0]);
}

static void replace(struct record *of, reactor_server *server, reactor_conn conn) {
    (void)of;
    CHECK_OK(reactor_conn_set_context(server, conn, &contexts[1], destroy));
    CHECK_EQUAL(contexts[0].destroyed, 1);
    expect_context(server, conn, &contexts[1]);
}

static void expect_second(struct record *of, reactor_server *server, reactor_conn conn) {
    (void)of;
    expect_context(server, conn, &contexts[1]);
    CHECK_EQUAL(contexts[1].destroyed, 0);
}

static void set_up(void) {
    memset(contexts, 0, sizeof contexts);
    record_init(&record);
}

static void destroyed_once_and_last(void) {
    set_up();
    record.in_open = set_first;
    record.in_data = replace;
    record.in_close = expect_second;
    record_start(&record, NULL);
    int client = client_open(&record);
    client_send(client, "x", 1);
    record_wait(&record, &record.datas, 1);
    close(client);
    record_wait(&record, &contexts[1].destroyed, 1);
    CHECK_EQUAL(contexts[0].closes_before, 0);
    CHECK_EQUAL(contexts[1].closes_before, 1);
    CHECK_EQUAL(contexts[0].on_loop + contexts[1].on_loop, 0);
    CHECK_OK(reactor_server_free(record.server));
    CHECK_EQUAL(contexts[0].destroyed, 1);
    CHECK_EQUAL(contexts[1].destroyed, 1);
}

static void destroyed_when_the_server_stops(void) {
    set_up();
    record.in_open = set_first;
    record_start(&record, NULL);
    int client = client_open(&record);
    CHECK_OK(reactor_server_free(record.server));
    CHECK_EQUAL(contexts[0].destroyed, 1);
    CHECK_EQUAL(contexts[0].closes_before, 1);
    close(client);
}

static void destroyed_after_a_detach(void) {
    set_up();
    record.in_open = set_first;
    record.data_action = REACTOR_ACTION_DETACH;
    record_start(&record, NULL);
    int client = client_open(&record);
    client_send(client, "x", 1);
    record_wait(&record, &contexts[0].destroyed, 1);
    CHECK_EQUAL(record.detaches, 1);
    CHECK_OK(reactor_server_free(record.server));
    CHECK_EQUAL(contexts[0].destroyed, 1);
    close(record.descriptor);
    close(client);
}

static void refused_it_stays_the_callers(void) {
    set_up();
    record_start(&record, NULL);
    int client = client_open(&record);
    CHECK_FAILS(reactor_conn_set_context(record.server, record.conn, &contexts[0], destroy),
                REACTOR_STATUS_WRONG_THREAD,
                "another loop");
    CHECK_STATUS(reactor_conn_set_context(record.server, 1, &contexts[0], destroy), REACTOR_STATUS_CLOSED);
    void *context = &record;
    CHECK_STATUS(reactor_conn_context(record.server, record.conn, &context), REACTOR_STATUS_WRONG_THREAD);
    CHECK(context == &record);
    CHECK_OK(reactor_server_free(record.server));
    CHECK_EQUAL(contexts[0].destroyed, 0);
    close(client);
}

static void from_the_options_of_a_connect(void) {
    set_up();
    record_start(&record, NULL);
    char url[REACTOR_ADDRESS_CAPACITY];
    CHECK_OK(reactor_server_address(record.server, 0, url, sizeof url, NULL));
    reactor_connect_options options = {.size = sizeof options, .context = &contexts[1], .context_destroy = destroy};
    record.in_close = NULL;
    reactor_conn conn = 0;
    CHECK_OK(reactor_server_connect(record.server, url, &options, &conn));
    record_wait(&record, &record.opens, 2);
    CHECK_OK(reactor_conn_abort(record.server, conn));
    record_wait(&record, &contexts[1].destroyed, 1);
    CHECK_EQUAL(contexts[1].on_loop, 0);
    CHECK_FAILS(reactor_server_connect(record.server, "gopher://x", &options, &conn), REACTOR_STATUS_INVALID_ADDRESS,
                "gopher");
    CHECK_EQUAL(contexts[1].destroyed, 1);
    CHECK_OK(reactor_server_free(record.server));
    CHECK_EQUAL(contexts[1].destroyed, 1);
}

TESTS(TEST(destroyed_once_and_last), TEST(destroyed_when_the_server_stops), TEST(destroyed_after_a_detach),
      TEST(refused_it_stays_the_callers), TEST(from_the_options_of_a_connect))
