/* L3, R5: every call by id on what is no connection of the server's, or on the wrong thread. */
#define _POSIX_C_SOURCE 200809L
#include "calls.h"
#include "test.h"

#include <unistd.h>

static struct record record;

/* Makes a call, and shows which it was if it answers something else. */
static void expect(const struct call *call, reactor_server *server, reactor_conn conn, reactor_status expected) {
    reactor_status status = call->call(server, conn);
    if (status == expected) return;
    failed(__FILE__, __LINE__, "%s answers %s, not %s (%s)", call->name, reactor_status_name(status),
           reactor_status_name(expected), reactor_last_error());
}

static void expect_closed(reactor_server *server, reactor_conn conn) {
    for (size_t i = 0; i < CALLS; i++) {
        out_number = 7;
        expect(&calls[i], server, conn, calls[i].of_the_dead);
        if (calls[i].call == call_is_open) CHECK_EQUAL(out_number, 0);
        else CHECK_EQUAL(out_number, 7);
    }
}

static void ids_that_never_were(void) {
    record_init(&record);
    record_start(&record, NULL);
    const reactor_conn ids[] = {0, 1, UINT32_MAX, (reactor_conn)1 << 32, UINT64_MAX};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) expect_closed(record.server, ids[i]);
    CHECK_OK(reactor_server_free(record.server));
}

static void ids_of_the_dead(void) {
    record_init(&record);
    record_start(&record, NULL);
    close(client_open(&record));
    record_wait(&record, &record.closes, 1);
    expect_closed(record.server, record.conn);
    CHECK_OK(reactor_server_free(record.server));
}

static void ids_of_another_server(void) {
    static struct record other;
    record_init(&record);
    record_init(&other);
    record_start(&record, NULL);
    record_start(&other, NULL);
    int client = client_open(&record);
    expect_closed(other.server, record.conn);
    CHECK_OK(reactor_conn_write(record.server, record.conn, (const uint8_t *)"alive", 5, NULL));
    client_expect(client, "alive", 5);
    CHECK_OK(reactor_server_free(other.server));
    CHECK_OK(reactor_server_free(record.server));
    close(client);
}

static void in_the_callbacks_of_another_server(struct record *of, reactor_server *server, reactor_conn conn) {
    (void)of, (void)conn;
    expect_closed(server, record.conn);
}

static void ids_of_another_server_on_a_loop(void) {
    static struct record other;
    record_init(&record);
    record_init(&other);
    record_start(&record, NULL);
    int client = client_open(&record);
    other.in_open = in_the_callbacks_of_another_server;
    record_start(&other, NULL);
    int other_client = client_open(&other);
    client_send(client, "x", 1);
    record_wait(&record, &record.datas, 1);
    CHECK_OK(reactor_server_free(other.server));
    CHECK_OK(reactor_server_free(record.server));
    close(client);
    close(other_client);
}

static void before_the_start(void) {
    record_init(&record);
    record_server(&record, NULL);
    expect_closed(record.server, UINT64_MAX);
    CHECK_OK(reactor_server_free(record.server));
}

static void a_living_one_on_a_thread_that_is_no_loop(void) {
    record_init(&record);
    record_start(&record, NULL);
    int client = client_open(&record);
    for (size_t i = 0; i < CALLS; i++) expect(&calls[i], record.server, record.conn, calls[i].of_a_thread);
    record_wait(&record, &record.closes, 1);
    CHECK_EQUAL(record.reason, REACTOR_CLOSE_ABORT);
    CHECK_OK(reactor_server_free(record.server));
    close(client);
}

static void on_its_own_loop(struct record *of, reactor_server *server, reactor_conn conn) {
    for (size_t i = 0; i < CALLS; i++) {
        reactor_status expected = calls[i].of_a_thread == REACTOR_STATUS_WRONG_THREAD ? REACTOR_OK : calls[i].of_a_thread;
        if (calls[i].call == call_datagram) expected = REACTOR_STATUS_WRONG_STATE;
        expect(&calls[i], server, conn, expected);
    }
    of->in_data = NULL;
}

static void a_living_one_on_its_loop(void) {
    record_init(&record);
    record.in_data = on_its_own_loop;
    record_start(&record, NULL);
    int client = client_open(&record);
    client_send(client, "x", 1);
    record_wait(&record, &record.closes, 1);
    CHECK_EQUAL(record.reason, REACTOR_CLOSE_ABORT);
    CHECK_OK(reactor_server_free(record.server));
    close(client);
}

TESTS(TEST(ids_that_never_were), TEST(ids_of_the_dead), TEST(ids_of_another_server),
      TEST(ids_of_another_server_on_a_loop),
      TEST(before_the_start), TEST(a_living_one_on_a_thread_that_is_no_loop), TEST(a_living_one_on_its_loop))
