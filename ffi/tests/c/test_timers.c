/* T1, T2: ticks, timers of connections and of loops. */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include <unistd.h>

static struct record record;
static reactor_timer timers[2];
static int destroyed;

static void destroy(void *user_data) {
    CHECK_STATUS(reactor_server_wait(record.server), REACTOR_STATUS_WRONG_THREAD);
    record_count(user_data, &destroyed);
}

static void tick_and_count(void *user_data, reactor_server *server) {
    CHECK(server == record.server);
    CHECK_STATUS(reactor_server_free(server), REACTOR_STATUS_WRONG_THREAD);
    record_count(user_data, &record.others);
}

static void start_late(struct record *of, reactor_server *server, reactor_conn conn) {
    of->statuses[0] = reactor_conn_start_timer(server, conn, 20, 0, NULL);
}

static void a_tick_comes_again_until_it_says_never(void) {
    record_init(&record);
    record.tick_delay = 1;
    record_start(&record, NULL);
    record_wait(&record, &record.ticks, 5);
    CHECK_OK(reactor_server_free(record.server));
    record_init(&record);
    record.in_open = start_late; /* behind whatever tick there might be */
    record_start(&record, NULL); /* returns REACTOR_NEVER */
    record_wait(&record, &record.ticks, 1);
    int client = client_open(&record);
    record_wait(&record, &record.timers, 1);
    CHECK_EQUAL(record.ticks, 1);
    close(client);
    CHECK_OK(reactor_server_free(record.server));
}

static void start_two(struct record *of, reactor_server *server, reactor_conn conn) {
    of->statuses[0] = reactor_conn_start_timer(server, conn, 1, 0, &timers[0]);
    of->statuses[1] = reactor_conn_start_timer(server, conn, 1, 1, &timers[1]);
    of->statuses[2] = reactor_conn_start_timer(server, conn, -1, 0, NULL);
    of->statuses[3] = reactor_conn_start_timer(server, conn, 0, -1, NULL);
}

static int seen[2];

static void note_and_cancel(struct record *of, reactor_server *server, reactor_conn conn) {
    CHECK(conn != 0 && (of->timer == timers[0] || of->timer == timers[1]));
    int which = of->timer == timers[1];
    if (++seen[which] < 3 || which == 0) return;
    uint32_t cancelled = 7;
    CHECK_OK(reactor_server_cancel_timer(server, timers[1], &cancelled));
    CHECK_EQUAL(cancelled, 1);
    CHECK_OK(reactor_server_cancel_timer(server, timers[1], &cancelled));
    CHECK_EQUAL(cancelled, 0);
    CHECK_OK(reactor_server_cancel_timer(server, timers[0], &cancelled));
    CHECK_EQUAL(cancelled, 0);
    CHECK_OK(reactor_server_cancel_timer(server, 0, NULL));
    of->timer_action = REACTOR_ACTION_CLOSE;
}

static void timers_of_a_connection(void) {
    record_init(&record);
    record.in_open = start_two;
    record.in_timer = note_and_cancel;
    record_start(&record, NULL);
    int client = client_open(&record);
    record_wait(&record, &record.timers, 4);
    client_expect_eof(client);
    close(client);
    record_wait(&record, &record.closes, 1);
    CHECK_EQUAL(record.reason, REACTOR_CLOSE_LOCAL_CLOSE);
    CHECK_OK(record.statuses[0]);
    CHECK_OK(record.statuses[1]);
    CHECK_STATUS(record.statuses[2], REACTOR_STATUS_INVALID_ARGUMENT);
    CHECK_STATUS(record.statuses[3], REACTOR_STATUS_INVALID_ARGUMENT);
    CHECK(timers[0] != timers[1] && timers[0] != 0);
    CHECK_EQUAL(seen[0], 1);
    CHECK_EQUAL(seen[1], 3);
    CHECK_OK(reactor_server_free(record.server));
}

static void start_on_loop(void *user_data, reactor_server *server) {
    struct record *of = user_data;
    of->statuses[0] = reactor_server_start_timer(server, 1, 0, tick_and_count, of, destroy, &timers[0]);
    of->statuses[1] = reactor_server_start_timer(server, 1, 1, tick_and_count, of, destroy, &timers[1]);
    of->statuses[2] = reactor_server_start_timer(server, 3600000, 0, tick_and_count, of, destroy, NULL);
    of->statuses[3] = reactor_server_start_timer(server, -1, 0, tick_and_count, of, destroy, NULL);
}

static void cancel_on_loop(void *user_data, reactor_server *server) {
    struct record *of = user_data;
    uint32_t cancelled = 7;
    CHECK_OK(reactor_server_cancel_timer(server, timers[1], &cancelled));
    CHECK_EQUAL(cancelled, 1);
    CHECK_EQUAL(destroyed, 2);
    record_count(of, &of->wakes);
}

static void timers_of_a_loop(void) {
    record_init(&record);
    destroyed = 0;
    record_start(&record, NULL);
    CHECK_OK(reactor_server_run_on_loop(record.server, 0, start_on_loop, &record, NULL));
    record_wait(&record, &record.others, 4);
    record_wait(&record, &destroyed, 1); /* the one that fired once */
    CHECK_OK(reactor_server_run_on_loop(record.server, 0, cancel_on_loop, &record, NULL));
    record_wait(&record, &record.wakes, 1);
    for (int i = 0; i < 3; i++) CHECK_OK(record.statuses[i]);
    CHECK_STATUS(record.statuses[3], REACTOR_STATUS_INVALID_ARGUMENT);
    CHECK_OK(reactor_server_free(record.server));
    CHECK_EQUAL(destroyed, 3); /* the one that was never due ends with the loop; the refused one is the caller's */
}

static void on_a_thread_that_is_no_loop(void) {
    record_init(&record);
    destroyed = 0;
    record_start(&record, NULL);
    CHECK_FAILS(reactor_server_start_timer(record.server, 1, 0, tick_and_count, &record, destroy, NULL),
                REACTOR_STATUS_WRONG_THREAD, "no loop of this server");
    uint32_t cancelled = 7;
    CHECK_STATUS(reactor_server_cancel_timer(record.server, UINT64_MAX, &cancelled), REACTOR_STATUS_WRONG_THREAD);
    CHECK_EQUAL(cancelled, 7);
    CHECK_OK(reactor_server_free(record.server));
    CHECK_EQUAL(destroyed, 0);
}

TESTS(TEST(a_tick_comes_again_until_it_says_never), TEST(timers_of_a_connection), TEST(timers_of_a_loop),
      TEST(on_a_thread_that_is_no_loop))
