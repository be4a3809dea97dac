/* L1, L3, L4, D5, R4: what happens to a connection, and calls on it by id. */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct record record;
static reactor_server *server;

static void set_up(const reactor_options *options) {
    record_init(&record);
    server = record_server(&record, options);
    CHECK_OK(reactor_server_start(server));
}

static int open_client(void) {
    int before = record.opens;
    int client = client_connect(server, 0);
    record_wait(&record, &record.opens, before + 1);
    return client;
}

static void tear_down(void) {
    CHECK_OK(reactor_server_free(server));
    CHECK_EQUAL(record.closes, record.opens);
    CHECK_EQUAL(record.destroys, 1);
}

static void expect_close(int32_t reason) {
    record_wait(&record, &record.closes, 1);
    CHECK(strcmp(reactor_close_reason_name(record.reason), reactor_close_reason_name(reason)) == 0);
    CHECK_EQUAL(record.reason, reason);
}

static void ends_have_reasons(void) {
    set_up(NULL);
    close(open_client());
    expect_close(REACTOR_CLOSE_EOF);
    CHECK_EQUAL(record.error_number, 0);
    record.closes = record.opens = 0;
    client_reset(open_client());
    expect_close(REACTOR_CLOSE_RESET);
    CHECK_EQUAL(record.error_number, ECONNRESET);
    tear_down();
}

static void a_dead_id_answers_closed(void) {
    set_up(NULL);
    close(open_client());
    record_wait(&record, &record.closes, 1);
    uint32_t pressure = 7;
    CHECK_FAILS(reactor_conn_write(server, record.conn, (const uint8_t *)"x", 1, &pressure), REACTOR_STATUS_CLOSED,
                "is closed");
    CHECK_EQUAL(pressure, 7);
    CHECK_FAILS(reactor_conn_close(server, record.conn), REACTOR_STATUS_CLOSED, "is closed");
    tear_down();
}

static void an_id_of_another_server_answers_closed(void) {
    set_up(NULL);
    struct record other;
    record_init(&other);
    record_server(&other, NULL);
    CHECK_OK(reactor_server_start(other.server));
    int client = open_client();
    CHECK_STATUS(reactor_conn_write(other.server, record.conn, (const uint8_t *)"x", 1, NULL), REACTOR_STATUS_CLOSED);
    CHECK_STATUS(reactor_conn_close(other.server, record.conn), REACTOR_STATUS_CLOSED);
    CHECK_OK(reactor_conn_write(server, record.conn, (const uint8_t *)"y", 1, NULL));
    client_expect(client, "y", 1);
    CHECK_OK(reactor_server_free(other.server));
    tear_down();
    close(client);
}

static void write_into_closing(struct record *of, reactor_server *at, reactor_conn conn) {
    of->statuses[0] = reactor_conn_write(at, conn, (const uint8_t *)"last", 4, NULL);
    of->statuses[1] = reactor_conn_close(at, conn);
    of->statuses[2] = reactor_conn_write(at, conn, (const uint8_t *)"x", 1, NULL);
    of->statuses[3] = reactor_conn_close(at, conn);
}

static void close_sends_what_is_queued_and_takes_no_more(void) {
    set_up(NULL);
    record.in_data = write_into_closing;
    int client = open_client();
    client_send(client, "go", 2);
    client_expect(client, "last", 4);
    client_expect_eof(client);
    close(client);
    expect_close(REACTOR_CLOSE_LOCAL_CLOSE);
    CHECK_STATUS(record.statuses[0], REACTOR_OK);
    CHECK_STATUS(record.statuses[1], REACTOR_OK);
    CHECK_STATUS(record.statuses[2], REACTOR_STATUS_CLOSED);
    CHECK_STATUS(record.statuses[3], REACTOR_STATUS_CLOSED);
    tear_down();
}

static void closing_from_another_thread(void) {
    set_up(NULL);
    int client = open_client();
    CHECK_OK(reactor_conn_write(server, record.conn, (const uint8_t *)"bye", 3, NULL));
    CHECK_OK(reactor_conn_close(server, record.conn));
    CHECK_STATUS(reactor_conn_write(server, record.conn, (const uint8_t *)"x", 1, NULL), REACTOR_STATUS_CLOSED);
    client_expect(client, "bye", 3);
    client_expect_eof(client);
    close(client);
    expect_close(REACTOR_CLOSE_LOCAL_CLOSE);
    tear_down();
}

static void actions_take_effect(void) {
    set_up(NULL);
    record.data_action = REACTOR_ACTION_CLOSE;
    int client = open_client();
    client_send(client, "x", 1);
    client_expect_eof(client);
    close(client);
    expect_close(REACTOR_CLOSE_LOCAL_CLOSE);
    record.data_action = REACTOR_ACTION_STOP;
    client = open_client();
    client_send(client, "x", 1);
    CHECK_OK(reactor_server_wait(server));
    CHECK_EQUAL(record.reason, REACTOR_CLOSE_SHUTDOWN);
    close(client);
    tear_down();
}

/* Runs with one of the actions out of bounds; another connection must not notice. */
static void fail_one(int32_t *action, int32_t value, bool needs_data) {
    set_up(NULL);
    record.echo = true;
    int bystander = open_client();
    *action = value;
    int client = open_client();
    if (needs_data) client_send(client, "x", 1);
    if (needs_data) client_expect(client, "x", 1);
    client_expect_eof(client);
    close(client);
    expect_close(REACTOR_CLOSE_HANDLER_ERROR);
    *action = REACTOR_ACTION_NONE;
    client_send(bystander, "still here", 10);
    client_expect(bystander, "still here", 10);
    close(bystander);
    tear_down();
}

static void a_number_that_is_no_action_closes_with_handler_error(void) {
    fail_one(&record.open_action, 4, false);
    fail_one(&record.open_action, -1, false);
    fail_one(&record.data_action, INT32_MAX, true);
    fail_one(&record.data_action, INT32_MIN, true);
}

enum { BIG = 8 << 20 };

static void pressure_and_drain(void) {
    reactor_options options = {.size = sizeof options, .loops = 1, .high_water = 1 << 20};
    set_up(&options);
    uint8_t *bytes = calloc(1, BIG);
    int client = open_client();
    uint32_t pressure = 7;
    CHECK_OK(reactor_conn_write(server, record.conn, bytes, 1, &pressure));
    CHECK_EQUAL(pressure, REACTOR_PRESSURE_LOW);
    client_expect(client, bytes, 1);
    /* More than the kernel takes, so that a part of it must wait. */
    size_t queued = 0;
    for (int i = 0; i < 4; i++) CHECK_OK(reactor_conn_write(server, record.conn, bytes, BIG, &pressure));
    CHECK_EQUAL(pressure, REACTOR_PRESSURE_HIGH);
    CHECK_OK(reactor_server_queued_bytes(server, &queued));
    CHECK(queued > 1 << 20 && queued <= 4 * BIG);
    size_t connections = 0;
    CHECK_OK(reactor_server_connections(server, &connections));
    CHECK_EQUAL(connections, 1);
    for (int i = 0; i < 4; i++) client_expect(client, bytes, BIG);
    record_wait(&record, &record.drains, 1);
    close(client);
    free(bytes);
    tear_down();
}

static void a_drain_that_fails(void) {
    reactor_options options = {.size = sizeof options, .loops = 1, .high_water = 1 << 20};
    set_up(&options);
    record.drain_action = 42;
    uint8_t *bytes = calloc(1, BIG);
    int client = open_client();
    CHECK_OK(reactor_conn_write(server, record.conn, bytes, BIG, NULL));
    client_expect(client, bytes, BIG);
    client_expect_eof(client);
    close(client);
    expect_close(REACTOR_CLOSE_HANDLER_ERROR);
    CHECK_EQUAL(record.drains, 1);
    free(bytes);
    tear_down();
}

static void hold_it(struct record *of, reactor_server *at, reactor_conn conn) {
    of->statuses[0] = reactor_conn_hold(at, conn);
    record_count(of, &of->others);
}

/* On a thread of its own: the answer, which was made elsewhere. */
static void *answer(void *argument) {
    (void)argument;
    CHECK_OK(reactor_conn_write(server, record.conn, (const uint8_t *)"late", 4, NULL));
    CHECK_OK(reactor_conn_release(server, record.conn));
    return NULL;
}

static void what_is_held_waits_for_an_answer_that_is_made_elsewhere(void) {
    set_up(NULL);
    record.in_data = hold_it;
    int client = open_client();
    client_send(client, "question", 8);
    shutdown(client, SHUT_WR);
    record_wait(&record, &record.others, 1);
    CHECK_STATUS(record.statuses[0], REACTOR_OK);
    pthread_t thread;
    CHECK_EQUAL(pthread_create(&thread, NULL, answer, NULL), 0);
    CHECK_EQUAL(pthread_join(thread, NULL), 0);
    client_expect(client, "late", 4);
    client_expect_eof(client);
    close(client);
    expect_close(REACTOR_CLOSE_EOF);
    tear_down();
}

static void holds_are_counted(void) {
    set_up(NULL);
    record.echo = true;
    int client = open_client();
    CHECK_FAILS(reactor_conn_release(server, record.conn), REACTOR_STATUS_WRONG_STATE, "is not held");
    CHECK_OK(reactor_conn_hold(server, record.conn));
    CHECK_OK(reactor_conn_hold(server, record.conn));
    client_send(client, "read", 4);
    CHECK_OK(reactor_conn_release(server, record.conn));
    CHECK_OK(reactor_conn_write(server, record.conn, (const uint8_t *)"held", 4, NULL));
    client_expect(client, "held", 4);
    CHECK_EQUAL(record_look(&record, &record.datas), 0);
    CHECK_OK(reactor_conn_release(server, record.conn));
    client_expect(client, "read", 4);
    CHECK_STATUS(reactor_conn_release(server, record.conn), REACTOR_STATUS_WRONG_STATE);
    close(client);
    tear_down();
}

static void beyond_the_hard_limit(void) {
    reactor_options options = {.size = sizeof options, .loops = 1, .high_water = 1000, .low_water = 500,
                               .hard_limit = 1000};
    set_up(&options);
    uint8_t bytes[1001] = {0};
    int client = open_client();
    CHECK_FAILS(reactor_conn_write(server, record.conn, bytes, 1001, NULL), REACTOR_STATUS_FULL, "hard limit of 1000");
    CHECK_STATUS(reactor_conn_write(server, record.conn, bytes, 1, NULL), REACTOR_STATUS_CLOSED);
    expect_close(REACTOR_CLOSE_OVERFLOW);
    close(client);
    tear_down();
}

static void beyond_the_hard_limit_of_one_that_is_kept(void) {
    reactor_options options = {.size = sizeof options, .loops = 1, .high_water = 1000, .low_water = 500,
                               .hard_limit = 1000, .keep_on_overflow = REACTOR_ON};
    set_up(&options);
    uint8_t bytes[1001] = {0};
    int client = open_client();
    CHECK_FAILS(reactor_conn_write(server, record.conn, bytes, 1001, NULL), REACTOR_STATUS_FULL, "hard limit of 1000");
    CHECK_OK(reactor_conn_write(server, record.conn, bytes, 1000, NULL));
    client_expect(client, bytes, 1000);
    close(client);
    tear_down();
}

static void write_too_much(struct record *of, reactor_server *at, reactor_conn conn) {
    static const uint8_t bytes[1001];
    of->statuses[0] = reactor_conn_write(at, conn, bytes, sizeof bytes, NULL);
}

static void beyond_the_hard_limit_on_the_loop(void) {
    reactor_options options = {.size = sizeof options, .loops = 1, .high_water = 1000, .low_water = 500,
                               .hard_limit = 1000};
    set_up(&options);
    record.in_data = write_too_much;
    int client = open_client();
    client_send(client, "x", 1);
    expect_close(REACTOR_CLOSE_OVERFLOW);
    CHECK_STATUS(record.statuses[0], REACTOR_STATUS_FULL);
    close(client);
    tear_down();
}

TESTS(TEST(ends_have_reasons), TEST(a_dead_id_answers_closed), TEST(an_id_of_another_server_answers_closed),
      TEST(close_sends_what_is_queued_and_takes_no_more), TEST(closing_from_another_thread), TEST(actions_take_effect),
      TEST(a_number_that_is_no_action_closes_with_handler_error), TEST(pressure_and_drain), TEST(a_drain_that_fails),
      TEST(what_is_held_waits_for_an_answer_that_is_made_elsewhere), TEST(holds_are_counted),
      TEST(beyond_the_hard_limit), TEST(beyond_the_hard_limit_of_one_that_is_kept),
      TEST(beyond_the_hard_limit_on_the_loop))
