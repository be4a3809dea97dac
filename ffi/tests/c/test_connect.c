/* D7, D8: outgoing connections, and descriptors taken over. */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static struct record record;

/* Listens without accepting, at a free port; gives the descriptor and writes the URL. */
static int listen_by_hand(char *url, size_t capacity, int backlog) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQUAL(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    CHECK_EQUAL(listen(listener, backlog), 0);
    CHECK_EQUAL(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    snprintf(url, capacity, "tcp://127.0.0.1:%d", ntohs(address.sin_port));
    return listener;
}

static void made_and_used_at_once(void) {
    record_init(&record);
    record_start(&record, NULL);
    char url[64];
    int listener = listen_by_hand(url, sizeof url, 5);
    reactor_conn conn = 0;
    CHECK_OK(reactor_server_connect(record.server, url, NULL, &conn));
    CHECK(conn != 0);
    CHECK_OK(reactor_conn_write(record.server, conn, (const uint8_t *)"early", 5, NULL));
    int peer = accept(listener, NULL, NULL);
    client_expect(peer, "early", 5);
    client_send(peer, "answer", 6);
    record_wait_received(&record, 6);
    CHECK_EQUAL(record.opens, 1);
    CHECK(record.conn == conn);
    reactor_info info = {.size = sizeof info, .listener = 7};
    CHECK_OK(reactor_conn_info(record.server, conn, &info));
    CHECK_EQUAL(info.listener, 0);
    close(peer);
    record_wait(&record, &record.closes, 1);
    CHECK_EQUAL(record.reason, REACTOR_CLOSE_EOF);
    CHECK_OK(reactor_server_free(record.server));
    close(listener);
}

static void refused(void) {
    record_init(&record);
    record_start(&record, NULL);
    char url[64];
    close(listen_by_hand(url, sizeof url, 5));
    reactor_conn conn = 0;
    CHECK_OK(reactor_server_connect(record.server, url, NULL, &conn));
    record_wait(&record, &record.closes, 1);
    CHECK_EQUAL(record.opens, 0);
    CHECK_EQUAL(record.reason, REACTOR_CLOSE_CONNECT_FAILED);
    CHECK_EQUAL(record.error_number, ECONNREFUSED);
    CHECK_STATUS(reactor_conn_close(record.server, conn), REACTOR_STATUS_CLOSED);
    CHECK_OK(reactor_server_free(record.server));
}

/* A listener whose queue is full answers no more; so a connect waits. */
static void timed_out(void) {
    record_init(&record);
    record_start(&record, NULL);
    char url[64];
    int listener = listen_by_hand(url, sizeof url, 0), fillers[4];
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    CHECK_EQUAL(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    for (int i = 0; i < 4; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(fillers[i], (struct sockaddr *)&address, sizeof address);
    }
    reactor_connect_options options = {.size = sizeof options, .timeout_ms = 50};
    reactor_conn conn = 0;
    CHECK_OK(reactor_server_connect(record.server, url, &options, &conn));
    record_wait(&record, &record.closes, 1);
    CHECK_EQUAL(record.opens, 0);
    CHECK_EQUAL(record.reason, REACTOR_CLOSE_TIMED_OUT);
    CHECK_OK(reactor_server_free(record.server));
    for (int i = 0; i < 4; i++) close(fillers[i]);
    close(listener);
}

static void wrong_use(void) {
    record_init(&record);
    record_server(&record, NULL);
    reactor_conn conn = 7;
    CHECK_STATUS(reactor_server_connect(record.server, "tcp://127.0.0.1:1", NULL, &conn), REACTOR_STATUS_WRONG_STATE);
    CHECK_OK(reactor_server_start(record.server));
    CHECK_FAILS(reactor_server_connect(record.server, "gopher://x", NULL, &conn), REACTOR_STATUS_INVALID_ADDRESS,
                "\"gopher://x\"");
    reactor_connect_options options = {.size = sizeof options, .loop_plus_one = 1000};
    const reactor_status wrong = REACTOR_STATUS_INVALID_ARGUMENT;
    CHECK_STATUS(reactor_server_connect(record.server, "tcp://127.0.0.1:1", &options, &conn), wrong);
    options = (reactor_connect_options){.size = sizeof options, .timeout_ms = -2};
    CHECK_FAILS(reactor_server_connect(record.server, "tcp://127.0.0.1:1", &options, &conn), wrong, "timeout_ms is -2");
    options = (reactor_connect_options){.size = 3};
    CHECK_FAILS(reactor_server_connect(record.server, "tcp://127.0.0.1:1", &options, &conn), wrong,
                "options->size is 3");
    CHECK_OK(reactor_server_stop(record.server));
    CHECK_OK(reactor_server_wait(record.server));
    CHECK_STATUS(reactor_server_connect(record.server, "tcp://127.0.0.1:1", NULL, &conn), REACTOR_STATUS_WRONG_STATE);
    CHECK_EQUAL(conn, 7);
    CHECK_OK(reactor_server_free(record.server));
}

static void on_the_loop_that_was_asked_for(void) {
    record_init(&record);
    reactor_options three = {.size = sizeof three, .loops = 3};
    record_start(&record, &three);
    char url[REACTOR_ADDRESS_CAPACITY];
    CHECK_OK(reactor_server_address(record.server, 0, url, sizeof url, NULL));
    for (uint32_t loop = 0; loop < 3; loop++) {
        reactor_connect_options options = {.size = sizeof options, .loop_plus_one = loop + 1};
        reactor_conn conn = 0;
        reactor_info info = {.size = sizeof info};
        CHECK_OK(reactor_server_connect(record.server, url, &options, &conn));
        CHECK_OK(reactor_conn_info(record.server, conn, &info));
        CHECK_EQUAL(info.on_loop, loop);
    }
    CHECK_OK(reactor_server_free(record.server));
}

static void a_descriptor_is_taken_over(void) {
    record_init(&record);
    record.echo = true;
    record_start(&record, NULL);
    int pair[2];
    CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    reactor_conn conn = 0;
    CHECK_OK(reactor_server_enroll(record.server, pair[0], NULL, &conn));
    CHECK_EQUAL(fcntl(pair[0], F_GETFD), -1); /* the engine goes on with another number, and this one is closed */
    client_send(pair[1], "hello", 5);
    client_expect(pair[1], "hello", 5);
    CHECK(record.conn == conn);
    CHECK_OK(reactor_conn_close(record.server, conn));
    client_expect_eof(pair[1]);
    close(pair[1]);
    record_wait(&record, &record.closes, 1);
    CHECK_OK(reactor_server_free(record.server));
}

static void what_is_no_connection_stays_the_callers(void) {
    record_init(&record);
    record_start(&record, NULL);
    int pipes[2];
    CHECK_EQUAL(pipe(pipes), 0);
    reactor_conn conn = 7;
    CHECK_STATUS(reactor_server_enroll(record.server, pipes[0], NULL, &conn), REACTOR_STATUS_INVALID_ARGUMENT);
    CHECK_EQUAL(close(pipes[0]), 0);
    CHECK_EQUAL(close(pipes[1]), 0);
    CHECK_FAILS(reactor_server_enroll(record.server, pipes[0], NULL, &conn), REACTOR_STATUS_SYSTEM, "descriptor");
    CHECK_EQUAL(reactor_last_errno(), EBADF);
    CHECK_FAILS(reactor_server_enroll(record.server, -1, NULL, &conn), REACTOR_STATUS_INVALID_ARGUMENT,
                "descriptor is -1");
    CHECK_EQUAL(conn, 7);
    CHECK_OK(reactor_server_free(record.server));
}

TESTS(TEST(made_and_used_at_once), TEST(refused), TEST(timed_out), TEST(wrong_use),
      TEST(on_the_loop_that_was_asked_for),
      TEST(a_descriptor_is_taken_over), TEST(what_is_no_connection_stays_the_callers))
