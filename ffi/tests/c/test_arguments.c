/* R5: every function with NULL, and with what cannot be. */
#include "test.h"

static reactor_callbacks none = {.size = sizeof none};

static reactor_server *new_server(void) {
    reactor_server *server = NULL;
    CHECK_OK(reactor_server_new(&none, NULL, &server));
    CHECK(server != NULL);
    return server;
}

static void null_to_new(void) {
    reactor_server *server = NULL;
    CHECK_FAILS(reactor_server_new(NULL, NULL, &server), REACTOR_STATUS_INVALID_ARGUMENT,
                "reactor_server_new: callbacks is NULL");
    CHECK_FAILS(reactor_server_new(&none, NULL, NULL), REACTOR_STATUS_INVALID_ARGUMENT,
                "reactor_server_new: out_server is NULL");
    CHECK(server == NULL);
}

static void null_server(void) {
    size_t number = 7;
    const reactor_status wrong = REACTOR_STATUS_INVALID_ARGUMENT;
    CHECK_FAILS(reactor_server_listen(NULL, "tcp://:0"), wrong, "reactor_server_listen: server is NULL");
    CHECK_FAILS(reactor_server_address(NULL, 0, NULL, 0, &number), wrong, "reactor_server_address: server is NULL");
    CHECK_FAILS(reactor_server_start(NULL), wrong, "reactor_server_start: server is NULL");
    CHECK_FAILS(reactor_server_run(NULL), wrong, "reactor_server_run: server is NULL");
    CHECK_FAILS(reactor_server_wait(NULL), wrong, "reactor_server_wait: server is NULL");
    CHECK_FAILS(reactor_server_stop(NULL), wrong, "reactor_server_stop: server is NULL");
    CHECK_FAILS(reactor_server_connections(NULL, &number), wrong, "reactor_server_connections: server is NULL");
    CHECK_FAILS(reactor_server_queued_bytes(NULL, &number), wrong, "reactor_server_queued_bytes: server is NULL");
    CHECK_FAILS(reactor_conn_write(NULL, 1, NULL, 0, NULL), wrong, "reactor_conn_write: server is NULL");
    CHECK_FAILS(reactor_conn_close(NULL, 1), wrong, "reactor_conn_close: server is NULL");
    CHECK_EQUAL(number, 7);
    reactor_server_stop_from_signal(NULL);
    CHECK_OK(reactor_server_free(NULL));
}

static void null_where_something_is_needed(void) {
    reactor_server *server = new_server();
    const reactor_status wrong = REACTOR_STATUS_INVALID_ARGUMENT;
    CHECK_FAILS(reactor_server_listen(server, NULL), wrong, "reactor_server_listen: url is NULL");
    CHECK_FAILS(reactor_server_connections(server, NULL), wrong, "out_connections is NULL");
    CHECK_FAILS(reactor_server_queued_bytes(server, NULL), wrong, "out_bytes is NULL");
    CHECK_FAILS(reactor_conn_write(server, 1, NULL, 1, NULL), wrong, "reactor_conn_write: data is NULL");
    CHECK_OK(reactor_server_free(server));
}

static void a_length_that_cannot_be(void) {
    reactor_server *server = new_server();
    CHECK_FAILS(reactor_conn_write(server, 1, (const uint8_t *)"x", SIZE_MAX, NULL), REACTOR_STATUS_INVALID_ARGUMENT,
                "more than there can be");
    CHECK_OK(reactor_server_free(server));
}

static void ids_that_never_were(void) {
    reactor_server *server = new_server();
    const reactor_conn ids[] = {0, 1, UINT32_MAX, (reactor_conn)1 << 32, UINT64_MAX};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        uint32_t pressure = 7;
        CHECK_STATUS(reactor_conn_write(server, ids[i], NULL, 0, &pressure), REACTOR_STATUS_CLOSED);
        CHECK_STATUS(reactor_conn_close(server, ids[i]), REACTOR_STATUS_CLOSED);
        CHECK_EQUAL(pressure, 7);
    }
    CHECK_OK(reactor_server_free(server));
}

static void a_url_that_is_not_utf8_is_quoted(void) {
    reactor_server *server = new_server();
    CHECK_FAILS(reactor_server_listen(server, "unix:///tmp/\xff.sock"), REACTOR_STATUS_INVALID_ADDRESS,
                "\"unix:///tmp/\xef\xbf\xbd.sock\": not UTF-8");
    CHECK_OK(reactor_server_free(server));
}

static void messages_are_one_line(void) {
    reactor_server *server = new_server();
    CHECK_FAILS(reactor_server_listen(server, "tcp://a\nb:x"), REACTOR_STATUS_INVALID_ADDRESS, "\"tcp://a\\nb:x\"");
    CHECK(strchr(reactor_last_error(), '\n') == NULL);
    CHECK_FAILS(reactor_server_listen(server, "tcp://\n\xff"), REACTOR_STATUS_INVALID_ADDRESS,
                "\"tcp://\\n\xef\xbf\xbd\": not UTF-8");
    CHECK(strchr(reactor_last_error(), '\n') == NULL);
    CHECK_OK(reactor_server_free(server));
}

static void numbers_of_a_server_that_is_not_started(void) {
    reactor_server *server = new_server();
    size_t connections = 7, bytes = 7;
    CHECK_OK(reactor_server_connections(server, &connections));
    CHECK_OK(reactor_server_queued_bytes(server, &bytes));
    CHECK_EQUAL(connections, 0);
    CHECK_EQUAL(bytes, 0);
    CHECK_OK(reactor_server_free(server));
}

static void texts(void) {
    CHECK(strcmp(reactor_version(), "0.1.0") == 0);
    CHECK(strcmp(reactor_status_name(REACTOR_OK), "OK") == 0);
    CHECK(strcmp(reactor_status_name(REACTOR_STATUS_ADDRESS_IN_USE), "ADDRESS_IN_USE") == 0);
    CHECK(strcmp(reactor_status_name(-5), "UNKNOWN") == 0);
    CHECK(strcmp(reactor_close_reason_name(REACTOR_CLOSE_LOCAL_CLOSE), "local close") == 0);
    CHECK(strcmp(reactor_close_reason_name(0), "unknown") == 0);
}

static void *other_thread(void *server) {
    CHECK(strcmp(reactor_last_error(), "") == 0);
    CHECK_EQUAL(reactor_last_errno(), 0);
    CHECK_STATUS(reactor_server_wait(server), REACTOR_STATUS_WRONG_STATE);
    check_contains(__FILE__, __LINE__, reactor_last_error(), "cannot wait");
    return NULL;
}

static void the_last_error_is_each_threads_own(void) {
    reactor_server *server = new_server();
    CHECK_STATUS(reactor_server_listen(server, "gopher://x"), REACTOR_STATUS_INVALID_ADDRESS);
    pthread_t thread;
    CHECK_EQUAL(pthread_create(&thread, NULL, other_thread, server), 0);
    pthread_join(thread, NULL);
    check_contains(__FILE__, __LINE__, reactor_last_error(), "\"gopher://x\"");
    CHECK_OK(reactor_server_free(server));
    check_contains(__FILE__, __LINE__, reactor_last_error(), "\"gopher://x\"");
}

TESTS(TEST(null_to_new), TEST(null_server), TEST(null_where_something_is_needed), TEST(a_length_that_cannot_be),
      TEST(ids_that_never_were), TEST(a_url_that_is_not_utf8_is_quoted), TEST(numbers_of_a_server_that_is_not_started),
      TEST(messages_are_one_line), TEST(texts), TEST(the_last_error_is_each_threads_own))
