/* L4, L5, L6, L1: detaching, ending one side, aborting, half-open connections. */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct record record;

static void tear_down(int client, int closes) {
    close(client);
    CHECK_OK(reactor_server_free(record.server));
    CHECK_EQUAL(record.closes, closes);
    CHECK_EQUAL(record.destroys, 1);
}

static void answer_and_keep(struct record *of, reactor_server *server, reactor_conn conn) {
    CHECK_OK(reactor_conn_write(server, conn, (const uint8_t *)"answer", 6, NULL));
    of->statuses[0] = reactor_conn_keep(server, conn, 3);
}

static void an_action_hands_the_descriptor_out(void) {
    record_init(&record);
    record.in_data = answer_and_keep;
    record.data_action = REACTOR_ACTION_DETACH;
    record_start(&record, NULL);
    int client = client_open(&record);
    client_send(client, "question", 8);
    client_expect(client, "answer", 6);
    record_wait(&record, &record.detaches, 1);
    CHECK_OK(record.statuses[0]);
    CHECK_EQUAL(record.detached_input_len, 3);
    CHECK(memcmp(record.detached_input, "ion", 3) == 0);
    CHECK_EQUAL(record.detached_output_len, 0);
    CHECK(fcntl(record.descriptor, F_GETFL) & O_NONBLOCK);
    CHECK(fcntl(record.descriptor, F_GETFD) & FD_CLOEXEC);
    CHECK_STATUS(reactor_conn_write(record.server, record.conn, NULL, 0, NULL), REACTOR_STATUS_CLOSED);
    CHECK_EQUAL(send(record.descriptor, "by hand", 7, 0), 7);
    client_expect(client, "by hand", 7);
    close(record.descriptor);
    client_expect_eof(client);
    tear_down(client, 0);
}

static void from_another_thread_with_unsent_output(void) {
    enum { BIG = 16 << 20 };
    record_init(&record);
    record_start(&record, NULL);
    int client = client_open(&record);
    uint8_t *bytes = calloc(1, BIG);
    CHECK_OK(reactor_conn_write(record.server, record.conn, bytes, BIG, NULL));
    CHECK_OK(reactor_conn_detach(record.server, record.conn));
    record_wait(&record, &record.detaches, 1);
    CHECK(record.detached_output_len > 0 && record.detached_output_len < BIG);
    close(record.descriptor);
    client_expect(client, bytes, BIG - record.detached_output_len);
    client_expect_eof(client);
    free(bytes);
    tear_down(client, 0);
}

static void closed_if_nobody_takes_it(void) {
    record_init(&record);
    reactor_callbacks callbacks = record_callbacks(&record);
    callbacks.on_detach = NULL;
    reactor_options one = {.size = sizeof one, .loops = 1};
    CHECK_OK(reactor_server_new(&callbacks, &one, &record.server));
    CHECK_OK(reactor_server_listen(record.server, "tcp://127.0.0.1:0"));
    CHECK_OK(reactor_server_start(record.server));
    int client = client_open(&record);
    CHECK_OK(reactor_conn_detach(record.server, record.conn));
    client_expect_eof(client);
    tear_down(client, 0);
}

static void an_abort_resets(void) {
    record_init(&record);
    record_start(&record, NULL);
    int client = client_open(&record);
    CHECK_OK(reactor_conn_abort(record.server, record.conn));
    record_wait(&record, &record.closes, 1);
    CHECK_EQUAL(record.reason, REACTOR_CLOSE_ABORT);
    char byte;
    CHECK_EQUAL(recv(client, &byte, 1, 0), -1);
    CHECK_EQUAL(errno, ECONNRESET);
    tear_down(client, 1);
}

static void failing_by_hand(void) {
    record_init(&record);
    record_start(&record, NULL);
    int client = client_open(&record);
    CHECK_OK(reactor_conn_fail(record.server, record.conn));
    client_expect_eof(client);
    close(client);
    record_wait(&record, &record.closes, 1);
    CHECK_EQUAL(record.reason, REACTOR_CLOSE_HANDLER_ERROR);
    CHECK_OK(reactor_server_free(record.server));
}

static void ending_leaves_the_reading_side_open(void) {
    record_init(&record);
    record_start(&record, NULL);
    int client = client_open(&record);
    CHECK_OK(reactor_conn_write(record.server, record.conn, (const uint8_t *)"last", 4, NULL));
    CHECK_OK(reactor_conn_end(record.server, record.conn));
    CHECK_STATUS(reactor_conn_write(record.server, record.conn, NULL, 0, NULL), REACTOR_STATUS_CLOSED);
    CHECK_STATUS(reactor_conn_end(record.server, record.conn), REACTOR_STATUS_CLOSED);
    uint32_t open = 7;
    CHECK_OK(reactor_conn_is_open(record.server, record.conn, &open));
    CHECK_EQUAL(open, 0);
    client_expect(client, "last", 4);
    client_expect_eof(client);
    client_send(client, "still heard", 11);
    record_wait_received(&record, 11);
    close(client);
    record_wait(&record, &record.closes, 1);
    CHECK_EQUAL(record.reason, REACTOR_CLOSE_EOF);
    CHECK_OK(reactor_server_free(record.server));
}

static void start_half_open(void) {
    reactor_options one = {.size = sizeof one, .loops = 1};
    reactor_listen_options options = {.size = sizeof options, .half_open = REACTOR_ON};
    record_init(&record);
    reactor_callbacks callbacks = record_callbacks(&record);
    CHECK_OK(reactor_server_new(&callbacks, &one, &record.server));
    CHECK_OK(reactor_server_listen_with(record.server, "tcp://127.0.0.1:0", &options, NULL));
    CHECK_OK(reactor_server_start(record.server));
}

static void eof_is_told_to_half_open_connections(void) {
    start_half_open();
    int client = client_open(&record);
    shutdown(client, SHUT_WR);
    record_wait(&record, &record.eofs, 1);
    CHECK_OK(reactor_conn_write(record.server, record.conn, (const uint8_t *)"after eof", 9, NULL));
    client_expect(client, "after eof", 9);
    CHECK_OK(reactor_conn_end(record.server, record.conn));
    client_expect_eof(client);
    record_wait(&record, &record.closes, 1);
    CHECK_EQUAL(record.reason, REACTOR_CLOSE_EOF);
    tear_down(client, 1);
}

static void on_eof_may_close(void) {
    start_half_open();
    record.eof_action = REACTOR_ACTION_CLOSE;
    int client = client_open(&record);
    shutdown(client, SHUT_WR);
    client_expect_eof(client);
    record_wait(&record, &record.closes, 1);
    CHECK_EQUAL(record.eofs, 1);
    tear_down(client, 1);
}

static void pausing_and_resuming(void) {
    record_init(&record);
    record_start(&record, NULL);
    int client = client_open(&record);
    CHECK_OK(reactor_conn_pause(record.server, record.conn));
    CHECK_OK(reactor_conn_wake(record.server, record.conn));
    record_wait(&record, &record.wakes, 1); /* so the pause has come, too */
    client_send(client, "wait", 4);
    CHECK_OK(reactor_conn_wake(record.server, record.conn));
    record_wait(&record, &record.wakes, 2);
    CHECK_EQUAL(record_look(&record, &record.datas), 0);
    CHECK_OK(reactor_conn_resume(record.server, record.conn));
    record_wait_received(&record, 4);
    tear_down(client, 1);
}

TESTS(TEST(an_action_hands_the_descriptor_out), TEST(from_another_thread_with_unsent_output),
      TEST(closed_if_nobody_takes_it),
      TEST(an_abort_resets), TEST(failing_by_hand), TEST(ending_leaves_the_reading_side_open),
      TEST(eof_is_told_to_half_open_connections), TEST(on_eof_may_close), TEST(pausing_and_resuming))
