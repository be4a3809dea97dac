/* R5: every function with NULL for what it needs; nothing is written then. */
#include "calls.h"
#include "test.h"


static const reactor_status wrong = REACTOR_STATUS_INVALID_ARGUMENT;
static reactor_callbacks none = {.size = sizeof none};

static reactor_server *new_server(void) {
    reactor_server *server = NULL;
    CHECK_OK(reactor_server_new(&none, NULL, &server));
    return server;
}

static void no_server_for_a_connection(void) {
    for (size_t i = 0; i < CALLS; i++) {
        CHECK_STATUS(calls[i].call(NULL, 1), wrong);
        char expected[80];
        snprintf(expected, sizeof expected, "%s: server is NULL", calls[i].name);
        check_contains(__FILE__, __LINE__, reactor_last_error(), expected);
    }
}

static void ignore(void *user_data, reactor_server *server) {
    (void)user_data, (void)server;
}

static void no_server_for_listening(void) {
    size_t count = 7;
    uint32_t number = 7;
    reactor_conn conn = 7;
    CHECK_FAILS(reactor_server_listen_with(NULL, "tcp://:0", NULL, &number), wrong, "listen_with: server is NULL");
    CHECK_FAILS(reactor_server_listen_inherited(NULL, NULL, &count), wrong, "listen_inherited: server is NULL");
    CHECK_FAILS(reactor_server_close_listener(NULL, 1), wrong, "close_listener: server is NULL");
    CHECK_FAILS(reactor_server_close_listener_with(NULL, 1, 0), wrong, "close_listener_with: server is NULL");
    CHECK_FAILS(reactor_server_listeners(NULL, NULL, 0, &count), wrong, "listeners: server is NULL");
    CHECK_FAILS(reactor_server_listener_address(NULL, 1, NULL, 0, &count), wrong, "listener_address: server is NULL");
    CHECK_FAILS(reactor_server_endpoints(NULL, 1, NULL, 0, &count), wrong, "endpoints: server is NULL");
    CHECK_FAILS(reactor_server_connect(NULL, "tcp://127.0.0.1:1", NULL, &conn), wrong, "connect: server is NULL");
    CHECK_FAILS(reactor_server_enroll(NULL, 0, NULL, &conn), wrong, "enroll: server is NULL");
    CHECK_EQUAL(count + number + conn, 21);
}

static void no_server_for_loops(void) {
    uint32_t number = 7;
    int32_t descriptor = 7;
    reactor_timer timer = 7;
    uint64_t delay = 7;
    reactor_metrics metrics = {.size = sizeof metrics, .turns = 7};
    CHECK_FAILS(reactor_server_start_hosted(NULL), wrong, "start_hosted: server is NULL");
    CHECK_FAILS(reactor_server_poll_fd(NULL, &descriptor), wrong, "poll_fd: server is NULL");
    CHECK_FAILS(reactor_server_turn(NULL, 0, &number), wrong, "turn: server is NULL");
    CHECK_FAILS(reactor_server_run_on_loop(NULL, 0, ignore, NULL, NULL), wrong, "run_on_loop: server is NULL");
    CHECK_FAILS(reactor_server_start_timer(NULL, 1, 0, ignore, NULL, NULL, &timer), wrong,
                "start_timer: server is NULL");
    CHECK_FAILS(reactor_server_cancel_timer(NULL, 1, &number), wrong, "cancel_timer: server is NULL");
    CHECK_FAILS(reactor_server_current_loop(NULL, &number), wrong, "current_loop: server is NULL");
    CHECK_FAILS(reactor_server_loops(NULL, &number), wrong, "loops: server is NULL");
    CHECK_FAILS(reactor_server_stop_gracefully(NULL, 0), wrong, "stop_gracefully: server is NULL");
    CHECK_FAILS(reactor_server_is_stopping(NULL, &number), wrong, "is_stopping: server is NULL");
    CHECK_FAILS(reactor_server_metrics(NULL, REACTOR_ALL_LOOPS, &metrics), wrong, "metrics: server is NULL");
    CHECK_FAILS(reactor_server_delay_percentile(NULL, 0, 0.5, &delay), wrong, "delay_percentile: server is NULL");
    CHECK_EQUAL(number + (uint64_t)descriptor + timer + delay + metrics.turns, 35);
}

static void no_room_for_the_answer(void) {
    reactor_server *server = new_server();
    CHECK_FAILS(reactor_server_connect(server, "tcp://127.0.0.1:1", NULL, NULL), wrong, "out_conn is NULL");
    CHECK_FAILS(reactor_server_enroll(server, 0, NULL, NULL), wrong, "out_conn is NULL");
    CHECK_FAILS(reactor_server_poll_fd(server, NULL), wrong, "out_descriptor is NULL");
    CHECK_FAILS(reactor_server_turn(server, 0, NULL), wrong, "out_running is NULL");
    CHECK_FAILS(reactor_server_current_loop(server, NULL), wrong, "out_loop is NULL");
    CHECK_FAILS(reactor_server_loops(server, NULL), wrong, "out_loops is NULL");
    CHECK_FAILS(reactor_server_is_stopping(server, NULL), wrong, "out_stopping is NULL");
    CHECK_FAILS(reactor_server_metrics(server, REACTOR_ALL_LOOPS, NULL), wrong, "out_metrics is NULL");
    CHECK_FAILS(reactor_server_delay_percentile(server, REACTOR_ALL_LOOPS, 0.5, NULL), wrong,
                "out_nanoseconds is NULL");
    CHECK_FAILS(reactor_conn_is_open(server, 1, NULL), wrong, "out_open is NULL");
    CHECK_FAILS(reactor_conn_context(server, 1, NULL), wrong, "out_context is NULL");
    CHECK_FAILS(reactor_conn_info(server, 1, NULL), wrong, "out_info is NULL");
    CHECK_FAILS(reactor_conn_datagram(server, 1, NULL), wrong, "out_datagram is NULL");
    CHECK_OK(reactor_server_free(server));
}

static void no_text_and_no_bytes(void) {
    reactor_server *server = new_server();
    reactor_conn conn = 7;
    const struct iovec without_base = {.iov_base = NULL, .iov_len = 1}, empty = {.iov_base = NULL, .iov_len = 0};
    CHECK_FAILS(reactor_server_listen_with(server, NULL, NULL, NULL), wrong, "listen_with: url is NULL");
    CHECK_FAILS(reactor_server_connect(server, NULL, NULL, &conn), wrong, "connect: url is NULL");
    CHECK_FAILS(reactor_conn_write_gathered(server, 1, NULL, 1, NULL), wrong, "write_gathered: slices is NULL");
    CHECK_FAILS(reactor_conn_write_gathered(server, 1, &without_base, 1, NULL), wrong, "write_gathered: data is NULL");
    CHECK_STATUS(reactor_conn_write_gathered(server, 1, &empty, 1, NULL), REACTOR_STATUS_CLOSED);
    CHECK_FAILS(reactor_conn_write_frame(server, 1, NULL, 1, NULL), wrong, "write_frame: data is NULL");
    CHECK_FAILS(reactor_conn_send_to(server, 1, NULL, 16, NULL, 0, NULL), wrong, "send_to: to is NULL");
    CHECK_FAILS(reactor_conn_join_multicast(server, 1, NULL), wrong, "join_multicast: group is NULL");
    CHECK_FAILS(reactor_conn_leave_multicast(server, 1, NULL), wrong, "leave_multicast: group is NULL");
    CHECK_FAILS(reactor_conn_remote_address(server, 1, NULL, 1, NULL), REACTOR_STATUS_CLOSED, "no connection");
    CHECK_EQUAL(conn, 7);
    CHECK_OK(reactor_server_free(server));
}

static void no_function(void) {
    reactor_server *server = new_server();
    reactor_framing *framing = NULL;
    CHECK_FAILS(reactor_conn_write_then(server, 1, &one_slice, 1, NULL, NULL, NULL), wrong, "completion is NULL");
    CHECK_FAILS(reactor_conn_run_on_loop(server, 1, NULL, NULL, NULL), wrong, "function is NULL");
    CHECK_FAILS(reactor_server_run_on_loop(server, 0, NULL, NULL, NULL), wrong, "function is NULL");
    CHECK_FAILS(reactor_server_start_timer(server, 0, 0, NULL, NULL, NULL, NULL), wrong, "function is NULL");
    CHECK_FAILS(reactor_framing_custom(NULL, NULL, NULL, 0, &framing), wrong, "measure is NULL");
    CHECK(framing == NULL);
    CHECK_OK(reactor_server_free(server));
}

static ptrdiff_t measure(void *user_data, const uint8_t *data, size_t len) {
    (void)user_data, (void)data;
    return (ptrdiff_t)len;
}

static void framings(void) {
    reactor_framing *framing = NULL;
    reactor_length_field field = {.size = sizeof field, .width = 4};
    CHECK_FAILS(reactor_framing_fixed(1, 0, NULL), wrong, "reactor_framing_fixed: out_framing is NULL");
    CHECK_FAILS(reactor_framing_line(0, NULL), wrong, "reactor_framing_line: out_framing is NULL");
    CHECK_FAILS(reactor_framing_delimiter((const uint8_t *)"x", 1, 0, NULL), wrong, "delimiter: out_framing is NULL");
    CHECK_FAILS(reactor_framing_delimiter(NULL, 1, 0, &framing), wrong, "delimiter: data is NULL");
    CHECK_FAILS(reactor_framing_length_field(&field, 0, NULL), wrong, "length_field: out_framing is NULL");
    CHECK_FAILS(reactor_framing_length_field(NULL, 0, &framing), wrong, "length_field: field is NULL");
    CHECK_FAILS(reactor_framing_custom(measure, NULL, NULL, 0, NULL), wrong, "custom: out_framing is NULL");
    CHECK_FAILS(reactor_framing_resp(0, 0, NULL), wrong, "resp: out_framing is NULL");
    CHECK(framing == NULL);
    CHECK_OK(reactor_framing_free(NULL));
}

TESTS(TEST(no_server_for_a_connection), TEST(no_server_for_listening), TEST(no_server_for_loops),
      TEST(no_room_for_the_answer),
      TEST(no_text_and_no_bytes), TEST(no_function), TEST(framings))
