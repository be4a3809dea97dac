/* B3: a server of one loop, driven from a plain poll(2). */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include <poll.h>
#include <stdatomic.h>
#include <unistd.h>

static struct record record;
static reactor_server *server;
static int descriptor;

static void set_up(void) {
    reactor_options one = {.size = sizeof one, .loops = 1};
    server = record_server(&record, &one);
    CHECK_OK(reactor_server_start_hosted(server));
    CHECK_OK(reactor_server_poll_fd(server, &descriptor));
}

/* One pass of a host: polls, and turns when there is something to do. Gives whether the server goes on. */
static bool pass(void) {
    struct pollfd polled = {.fd = descriptor, .events = POLLIN};
    if (poll(&polled, 1, 60000) != 1) failed(__FILE__, __LINE__, "the descriptor does not become readable");
    uint32_t running = 7;
    CHECK_OK(reactor_server_turn(server, 0, &running));
    CHECK(running <= 1);
    return running == 1;
}

static void pass_until(const int *counter, int value) {
    while (*counter < value) CHECK(pass());
}

/* Passes until nothing more is to do. */
static void finish(void) {
    CHECK_OK(reactor_server_stop(server));
    while (pass()) {
    }
    CHECK_EQUAL(record.stops, 1);
    CHECK_OK(reactor_server_free(server));
    CHECK_EQUAL(record.destroys, 1);
}

static void serving_from_poll(void) {
    record_init(&record);
    record.echo = true;
    set_up();
    CHECK_EQUAL(record.starts, 0);
    CHECK(pass());
    CHECK_EQUAL(record.starts, 1);
    int client = client_connect(server, 0);
    pass_until(&record.opens, 1);
    client_send(client, "hello", 5);
    pass_until(&record.datas, 1);
    client_expect(client, "hello", 5);
    close(client);
    pass_until(&record.closes, 1);
    CHECK_EQUAL(record.reason, REACTOR_CLOSE_EOF);
    finish();
}

static void a_turn_waits_by_itself(void) {
    record_init(&record);
    set_up();
    int client = client_connect(server, 0);
    uint32_t running = 0;
    while (record.opens == 0) CHECK_OK(reactor_server_turn(server, REACTOR_NEVER, &running));
    CHECK_EQUAL(running, 1);
    CHECK_FAILS(reactor_server_turn(server, -2, &running), REACTOR_STATUS_INVALID_ARGUMENT, "timeout_ms is -2");
    close(client);
    finish();
    CHECK_EQUAL(record.closes, 1);
}

static void start_timers(struct record *of, reactor_server *at, reactor_conn conn) {
    of->statuses[0] = reactor_conn_start_timer(at, conn, 5, 0, NULL);
}

static void timers_make_the_descriptor_readable(void) {
    record_init(&record);
    record.in_open = start_timers;
    record.tick_delay = 1;
    set_up();
    int client = client_connect(server, 0);
    pass_until(&record.timers, 1);
    CHECK_OK(record.statuses[0]);
    pass_until(&record.ticks, 3);
    close(client);
    finish();
}

static atomic_int cancelled;

static void count_sent(void *user_data, reactor_server *at, reactor_conn conn, int32_t completed) {
    struct record *of = user_data;
    CHECK(at == of->server && conn == of->conn);
    if (completed == REACTOR_COMPLETED_CANCELLED) atomic_fetch_add(&cancelled, 1);
    of->others++; /* on the host's thread */
}

static void *write_from_elsewhere(void *argument) {
    (void)argument;
    const struct iovec slice = {.iov_base = "w", .iov_len = 1};
    for (int i = 0; i < 100; i++) CHECK_OK(reactor_conn_write_then(server, record.conn, &slice, 1, count_sent,
                                           &record, NULL));
    CHECK_OK(reactor_conn_wake(server, record.conn));
    return NULL;
}

static void writes_from_another_thread_make_it_readable(void) {
    record_init(&record);
    set_up();
    int client = client_connect(server, 0);
    pass_until(&record.opens, 1);
    pthread_t thread;
    CHECK_EQUAL(pthread_create(&thread, NULL, write_from_elsewhere, NULL), 0);
    pass_until(&record.wakes, 1);
    pass_until(&record.others, 100);
    CHECK_EQUAL(atomic_load(&cancelled), 0);
    pthread_join(thread, NULL);
    for (int i = 0; i < 100; i++) client_expect(client, "w", 1);
    close(client);
    finish();
}

static void *call_from_elsewhere(void *argument) {
    (void)argument;
    uint32_t running = 7;
    int32_t fd = 7;
    CHECK_FAILS(reactor_server_turn(server, 0, &running), REACTOR_STATUS_WRONG_THREAD, "only the thread that started");
    CHECK_FAILS(reactor_server_poll_fd(server, &fd), REACTOR_STATUS_WRONG_THREAD, "only the thread that started");
    CHECK_FAILS(reactor_server_free(server), REACTOR_STATUS_WRONG_THREAD, "only the thread that started");
    CHECK_EQUAL(running + (uint32_t)fd, 14);
    CHECK_FAILS(reactor_server_start_hosted(server), REACTOR_STATUS_WRONG_STATE, "started already");
    return NULL;
}

static void other_threads_may_neither_turn_nor_free_it(void) {
    record_init(&record);
    set_up();
    CHECK(pass());
    pthread_t thread;
    CHECK_EQUAL(pthread_create(&thread, NULL, call_from_elsewhere, NULL), 0);
    pthread_join(thread, NULL);
    CHECK_EQUAL(record.destroys, 0);
    finish();
}

static void turn_and_free(struct record *of, reactor_server *at, reactor_conn conn) {
    (void)conn;
    uint32_t running = 7;
    of->statuses[0] = reactor_server_turn(at, 0, &running);
    of->statuses[1] = reactor_server_free(at);
    of->statuses[2] = reactor_server_wait(at);
    CHECK_EQUAL(running, 7);
}

static void not_inside_a_callback(void) {
    record_init(&record);
    record.in_open = turn_and_free;
    set_up();
    int client = client_connect(server, 0);
    pass_until(&record.opens, 1);
    for (int i = 0; i < 3; i++) CHECK_STATUS(record.statuses[i], REACTOR_STATUS_WRONG_THREAD);
    close(client);
    finish();
}

static void wrong_states(void) {
    record_init(&record);
    reactor_options two = {.size = sizeof two, .loops = 2};
    reactor_server *others = record_server(&record, &two);
    uint32_t running = 7;
    CHECK_FAILS(reactor_server_turn(others, 0, &running), REACTOR_STATUS_WRONG_STATE, "not started by");
    CHECK_FAILS(reactor_server_poll_fd(others, &descriptor), REACTOR_STATUS_WRONG_STATE, "not started by");
    CHECK_FAILS(reactor_server_start_hosted(others), REACTOR_STATUS_INVALID_ARGUMENT, "set loops to 1");
    CHECK_OK(reactor_server_start(others));
    CHECK_STATUS(reactor_server_turn(others, 0, &running), REACTOR_STATUS_WRONG_STATE);
    CHECK_OK(reactor_server_free(others));
    record_init(&record);
    set_up();
    CHECK_STATUS(reactor_server_start_hosted(server), REACTOR_STATUS_WRONG_STATE);
    CHECK_STATUS(reactor_server_start(server), REACTOR_STATUS_WRONG_STATE);
    CHECK_STATUS(reactor_server_wait(server), REACTOR_STATUS_WRONG_STATE);
    CHECK(pass());
    CHECK_OK(reactor_server_stop(server));
    while (pass()) {
    }
    CHECK_STATUS(reactor_server_turn(server, 0, &running), REACTOR_STATUS_WRONG_STATE);
    CHECK_STATUS(reactor_server_poll_fd(server, &descriptor), REACTOR_STATUS_WRONG_STATE);
    CHECK_STATUS(reactor_server_start_hosted(server), REACTOR_STATUS_WRONG_STATE);
    CHECK_OK(reactor_server_free(server));
}

static void on_start_refuses(void) {
    record_init(&record);
    record.start_action = REACTOR_ACTION_STOP;
    set_up();
    uint32_t running = 7;
    CHECK_FAILS(reactor_server_turn(server, 0, &running), REACTOR_STATUS_STOPPED, "on_start returned stop");
    CHECK_EQUAL(running, 7);
    CHECK_OK(reactor_server_free(server));
    CHECK_EQUAL(record.stops, 0);
    record_init(&record);
    record.start_action = 99;
    set_up();
    CHECK_FAILS(reactor_server_turn(server, 0, &running), REACTOR_STATUS_HANDLER_FAILED, "returned 99");
    CHECK_OK(reactor_server_free(server));
    CHECK_EQUAL(record.destroys, 1);
}

static void freeing_stops_and_closes(void) {
    record_init(&record);
    set_up();
    int client = client_connect(server, 0);
    pass_until(&record.opens, 1);
    CHECK_OK(reactor_server_free(server));
    CHECK_EQUAL(record.closes, 1);
    CHECK_EQUAL(record.reason, REACTOR_CLOSE_SHUTDOWN);
    CHECK_EQUAL(record.stops, 1);
    CHECK_EQUAL(record.destroys, 1);
    client_expect_eof(client);
    close(client);
    record_init(&record);
    set_up();
    CHECK_OK(reactor_server_free(server));
    CHECK_EQUAL(record.starts, 0);
    CHECK_EQUAL(record.destroys, 1);
}

static void *free_what_has_ended(void *argument) {
    (void)argument;
    CHECK_OK(reactor_server_free(server));
    return NULL;
}

static void any_thread_frees_what_has_ended(void) {
    record_init(&record);
    set_up();
    CHECK_OK(reactor_server_stop(server));
    uint32_t running = 7;
    CHECK_FAILS(reactor_server_turn(server, 0, &running), REACTOR_STATUS_STOPPED, "stop was called before");
    pthread_t thread;
    CHECK_EQUAL(pthread_create(&thread, NULL, free_what_has_ended, NULL), 0);
    pthread_join(thread, NULL);
    CHECK_EQUAL(record.destroys, 1);
}

TESTS(TEST(serving_from_poll), TEST(a_turn_waits_by_itself), TEST(timers_make_the_descriptor_readable),
      TEST(writes_from_another_thread_make_it_readable), TEST(other_threads_may_neither_turn_nor_free_it),
      TEST(not_inside_a_callback), TEST(wrong_states), TEST(on_start_refuses), TEST(freeing_stops_and_closes),
      TEST(any_thread_frees_what_has_ended))
