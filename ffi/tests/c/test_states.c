/* S1, S2, R5: calls in each state of a server, and when destroy is called. */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

static void starting_twice(void) {
    struct record record;
    record_init(&record);
    reactor_server *server = record_server(&record, NULL);
    CHECK_OK(reactor_server_start(server));
    CHECK_FAILS(reactor_server_start(server), REACTOR_STATUS_WRONG_STATE, "started already");
    CHECK_FAILS(reactor_server_run(server), REACTOR_STATUS_WRONG_STATE, "started already");
    CHECK_FAILS(reactor_server_start_hosted(server), REACTOR_STATUS_INVALID_ARGUMENT, "a host can drive one loop");
    CHECK_OK(reactor_server_stop(server));
    CHECK_OK(reactor_server_wait(server));
    CHECK_FAILS(reactor_server_listen(server, "tcp://127.0.0.1:0"), REACTOR_STATUS_WRONG_STATE, "cannot listen");
    CHECK_STATUS(reactor_server_start(server), REACTOR_STATUS_WRONG_STATE);
    CHECK_OK(reactor_server_free(server));
    CHECK_EQUAL(record.starts, 1);
    CHECK_EQUAL(record.stops, 1);
}

static void waiting_before_the_start(void) {
    struct record record;
    record_init(&record);
    reactor_server *server = record_server(&record, NULL);
    CHECK_FAILS(reactor_server_wait(server), REACTOR_STATUS_WRONG_STATE, "not started");
    CHECK_OK(reactor_server_free(server));
}

static void stopping_before_the_start_and_twice(void) {
    struct record record;
    record_init(&record);
    reactor_server *server = record_server(&record, NULL);
    CHECK_OK(reactor_server_stop(server));
    CHECK_OK(reactor_server_stop(server));
    CHECK_FAILS(reactor_server_start(server), REACTOR_STATUS_STOPPED, "stop was called before");
    CHECK_STATUS(reactor_server_run(server), REACTOR_STATUS_STOPPED);
    CHECK_OK(reactor_server_free(server));
    CHECK_EQUAL(record.starts, 0);
    CHECK_EQUAL(record.stops, 0);
}

static void on_start_refuses_then_agrees(void) {
    struct record record;
    record_init(&record);
    reactor_server *server = record_server(&record, NULL);
    record.start_action = REACTOR_ACTION_STOP;
    CHECK_FAILS(reactor_server_start(server), REACTOR_STATUS_STOPPED, "on_start returned stop");
    record.start_action = REACTOR_ACTION_NONE;
    CHECK_OK(reactor_server_start(server));
    CHECK_OK(reactor_server_stop(server));
    CHECK_OK(reactor_server_wait(server));
    CHECK_OK(reactor_server_wait(server));
    CHECK_EQUAL(record.starts, 2);
    CHECK_EQUAL(record.stops, 1);
    CHECK_OK(reactor_server_free(server));
}

static void on_start_fails(void) {
    struct record record;
    record_init(&record);
    reactor_server *server = record_server(&record, NULL);
    record.start_action = 99;
    CHECK_FAILS(reactor_server_start(server), REACTOR_STATUS_HANDLER_FAILED, "returned 99, which is no action");
    CHECK_STATUS(reactor_server_wait(server), REACTOR_STATUS_WRONG_STATE);
    CHECK_OK(reactor_server_free(server));
    CHECK_EQUAL(record.stops, 0);
}

static void check_not_destroyed(struct record *record, reactor_server *server) {
    (void)server;
    CHECK_EQUAL(record->destroys, 0);
}

static void destroy_comes_once_and_last(void) {
    struct record record;
    record_init(&record);
    record.in_stop = check_not_destroyed;
    reactor_server *server = record_server(&record, NULL);
    CHECK_OK(reactor_server_start(server));
    CHECK_OK(reactor_server_stop(server));
    CHECK_OK(reactor_server_wait(server));
    CHECK_EQUAL(record.stops, 1);
    CHECK_EQUAL(record.destroys, 0);
    CHECK_OK(reactor_server_free(server));
    CHECK_EQUAL(record.destroys, 1);
}

static void destroy_without_a_start(void) {
    struct record record;
    record_init(&record);
    reactor_server *server = record_server(&record, NULL);
    CHECK_OK(reactor_server_free(server));
    CHECK_EQUAL(record.destroys, 1);
    server = record_server(&record, NULL);
    record.start_action = 99;
    CHECK_STATUS(reactor_server_start(server), REACTOR_STATUS_HANDLER_FAILED);
    CHECK_OK(reactor_server_free(server));
    CHECK_EQUAL(record.destroys, 2);
}

static void no_destroy_when_new_fails(void) {
    struct record record;
    record_init(&record);
    reactor_callbacks callbacks = record_callbacks(&record);
    reactor_options options = {.size = sizeof options, .loops = 5000};
    CHECK_STATUS(reactor_server_new(&callbacks, &options, &record.server), REACTOR_STATUS_INVALID_ARGUMENT);
    CHECK_EQUAL(record.destroys, 0);
}

static void free_stops_a_server_that_runs(void) {
    struct record record;
    record_init(&record);
    reactor_server *server = record_server(&record, NULL);
    CHECK_OK(reactor_server_start(server));
    int client = client_connect(server, 0);
    record_wait(&record, &record.opens, 1);
    CHECK_OK(reactor_server_free(server));
    CHECK_EQUAL(record.closes, 1);
    CHECK_EQUAL(record.reason, REACTOR_CLOSE_SHUTDOWN);
    CHECK_EQUAL(record.stops, 1);
    CHECK_EQUAL(record.destroys, 1);
    client_expect_eof(client);
    close(client);
}

static reactor_server *signalled;

static void on_signal(int number) {
    (void)number;
    reactor_server_stop_from_signal(signalled);
}

/* On this thread: one for the process may be handled on another, and later. */
static void raise_signal(struct record *record, reactor_server *server) {
    (void)record, (void)server;
    raise(SIGTERM);
}

static void signal_the_process(struct record *record, reactor_server *server, reactor_conn conn) {
    (void)record, (void)server, (void)conn;
    kill(getpid(), SIGTERM);
}

static void handle_sigterm(void) {
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    CHECK_EQUAL(sigaction(SIGTERM, &action, NULL), 0);
}

static void a_signal_stops_a_server_that_runs(void) {
    struct record record;
    record_init(&record);
    record.in_data = signal_the_process;
    signalled = record_server(&record, NULL);
    handle_sigterm();
    int client = client_connect(signalled, 0);
    client_send(client, "x", 1);
    CHECK_OK(reactor_server_run(signalled));
    CHECK_EQUAL(record.stops, 1);
    signal(SIGTERM, SIG_DFL);
    CHECK_OK(reactor_server_free(signalled));
    close(client);
}

static void a_signal_before_the_loops_stops_the_start(void) {
    struct record record;
    record_init(&record);
    record.in_start = raise_signal;
    signalled = record_server(&record, NULL);
    handle_sigterm();
    CHECK_STATUS(reactor_server_run(signalled), REACTOR_STATUS_STOPPED);
    signal(SIGTERM, SIG_DFL);
    CHECK_OK(reactor_server_free(signalled));
}

static void a_thousand_servers_leave_nothing_behind(void) {
    int before = dup(0);
    close(before);
    for (int i = 0; i < 1000; i++) {
        struct record record;
        record_init(&record);
        reactor_options options = {.size = sizeof options, .loops = 1};
        reactor_server *server = record_server(&record, &options);
        if (i % 2 == 0) CHECK_OK(reactor_server_start(server));
        CHECK_OK(reactor_server_free(server));
        CHECK_EQUAL(record.stops, i % 2 == 0);
        CHECK_EQUAL(record.destroys, 1);
    }
    int after = dup(0);
    close(after);
    CHECK_EQUAL(after, before);
}

TESTS(TEST(starting_twice), TEST(waiting_before_the_start), TEST(stopping_before_the_start_and_twice),
      TEST(on_start_refuses_then_agrees), TEST(on_start_fails), TEST(destroy_comes_once_and_last),
      TEST(destroy_without_a_start), TEST(no_destroy_when_new_fails), TEST(free_stops_a_server_that_runs),
      TEST(a_signal_stops_a_server_that_runs), TEST(a_signal_before_the_loops_stops_the_start),
      TEST(a_thousand_servers_leave_nothing_behind))
