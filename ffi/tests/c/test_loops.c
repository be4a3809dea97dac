/* D4, D3: functions on loops, wakes, gathered writes, and what leaves before the first write. */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include <unistd.h>

static struct record record;
static int destroyed;
static uint32_t seen_loop;
static reactor_conn seen_conn;

static void destroy(void *user_data) {
    CHECK(user_data == &record);
    CHECK_STATUS(reactor_server_free(record.server), REACTOR_STATUS_WRONG_THREAD);
    record_count(&record, &destroyed);
}

static void note_loop(void *user_data, reactor_server *server) {
    CHECK(user_data == &record && server == record.server);
    CHECK_EQUAL(destroyed, 0);
    CHECK_OK(reactor_server_current_loop(server, &seen_loop));
    CHECK_STATUS(reactor_server_wait(server), REACTOR_STATUS_WRONG_THREAD);
    record_count(&record, &record.others);
}

static void set_up(size_t loops) {
    destroyed = 0;
    record_init(&record);
    reactor_options options = {.size = sizeof options, .loops = loops};
    record_start(&record, &options);
}

static void functions_run_on_the_loop_that_was_asked_for(void) {
    for (uint32_t loop = 0; loop < 3; loop++) {
        set_up(3);
        uint32_t loops = 0;
        CHECK_OK(reactor_server_loops(record.server, &loops));
        CHECK_EQUAL(loops, 3);
        CHECK_OK(reactor_server_run_on_loop(record.server, loop, note_loop, &record, destroy));
        record_wait(&record, &destroyed, 1);
        CHECK_EQUAL(record.others, 1);
        CHECK_EQUAL(seen_loop, loop);
        CHECK_OK(reactor_server_free(record.server));
        CHECK_EQUAL(destroyed, 1);
    }
}

static void refused_functions_stay_the_callers(void) {
    destroyed = 0;
    record_init(&record);
    record_server(&record, NULL);
    uint32_t number = 7;
    CHECK_OK(reactor_server_loops(record.server, &number));
    CHECK_EQUAL(number, 0);
    number = 7;
    CHECK_STATUS(reactor_server_run_on_loop(record.server, 0, note_loop, &record, destroy), REACTOR_STATUS_WRONG_STATE);
    CHECK_OK(reactor_server_start(record.server));
    CHECK_STATUS(reactor_server_run_on_loop(record.server, 5000, note_loop, &record, destroy),
                 REACTOR_STATUS_INVALID_ARGUMENT);
    CHECK_FAILS(reactor_server_current_loop(record.server, &number), REACTOR_STATUS_WRONG_THREAD,
                "no loop of this server");
    CHECK_EQUAL(number, 7);
    CHECK_OK(reactor_server_stop(record.server));
    CHECK_OK(reactor_server_wait(record.server));
    CHECK_STATUS(reactor_server_run_on_loop(record.server, 0, note_loop, &record, destroy), REACTOR_STATUS_WRONG_STATE);
    CHECK_OK(reactor_server_free(record.server));
    CHECK_EQUAL(destroyed, 0);
    CHECK_EQUAL(record.others, 0);
}

static void stop_first(void *user_data, reactor_server *server) {
    (void)user_data;
    CHECK_OK(reactor_server_stop(server));
    /* Behind the stop: it may run or not, and is released in any case. */
    CHECK_OK(reactor_server_run_on_loop(server, 0, note_loop, &record, destroy));
}

static void what_does_not_run_any_more_is_released(void) {
    set_up(1);
    CHECK_OK(reactor_server_run_on_loop(record.server, 0, stop_first, NULL, NULL));
    CHECK_OK(reactor_server_wait(record.server));
    CHECK_OK(reactor_server_free(record.server));
    CHECK_EQUAL(destroyed, 1);
}

static void note_conn(void *user_data, reactor_server *server, reactor_conn conn) {
    seen_conn = conn;
    CHECK_OK(reactor_conn_set_context(server, conn, NULL, NULL)); /* on the right loop */
    note_loop(user_data, server);
}

static void functions_run_on_the_loop_of_a_connection(void) {
    set_up(3);
    for (int i = 0; i < 3; i++) {
        destroyed = 0;
        int client = client_open(&record);
        reactor_info info = {.size = sizeof info};
        CHECK_OK(reactor_conn_info(record.server, record.conn, &info));
        CHECK_OK(reactor_conn_run_on_loop(record.server, record.conn, note_conn, &record, destroy));
        record_wait(&record, &destroyed, 1);
        CHECK(seen_conn == record.conn);
        CHECK_EQUAL(seen_loop, info.on_loop);
        close(client);
    }
    CHECK_OK(reactor_server_free(record.server));
}

static void dead_connections_run_nothing(void) {
    set_up(1);
    close(client_open(&record));
    record_wait(&record, &record.closes, 1);
    CHECK_STATUS(reactor_conn_run_on_loop(record.server, record.conn, note_conn, &record, destroy),
                 REACTOR_STATUS_CLOSED);
    CHECK_OK(reactor_server_free(record.server));
    CHECK_EQUAL(destroyed, 0);
}

static void a_wake_may_close(void) {
    set_up(1);
    record.wake_action = REACTOR_ACTION_CLOSE;
    int client = client_open(&record);
    CHECK_OK(reactor_conn_wake(record.server, record.conn));
    client_expect_eof(client);
    close(client);
    record_wait(&record, &record.closes, 1);
    CHECK_EQUAL(record.wakes, 1);
    CHECK_OK(reactor_server_free(record.server));
}

static void gathered_writes_are_one(void) {
    set_up(1);
    int client = client_open(&record);
    const struct iovec slices[] = {{.iov_base = "one ", .iov_len = 4}, {.iov_base = NULL, .iov_len = 0},
                                   {.iov_base = "two", .iov_len = 3}};
    uint32_t pressure = 7;
    CHECK_OK(reactor_conn_write_gathered(record.server, record.conn, slices, 3, &pressure));
    CHECK_EQUAL(pressure, REACTOR_PRESSURE_LOW);
    client_expect(client, "one two", 7);
    reactor_metrics metrics = {.size = sizeof metrics};
    CHECK_OK(reactor_server_metrics(record.server, REACTOR_ALL_LOOPS, &metrics));
    CHECK_EQUAL(metrics.messages_written, 1);
    const struct iovec too_long[] = {{.iov_base = "x", .iov_len = SIZE_MAX}};
    CHECK_FAILS(reactor_conn_write_gathered(record.server, record.conn, too_long, 1, NULL),
                REACTOR_STATUS_INVALID_ARGUMENT,
                "more than there can be");
    CHECK_FAILS(reactor_conn_write_gathered(record.server, record.conn, slices, SIZE_MAX, NULL),
                REACTOR_STATUS_INVALID_ARGUMENT,
                "more than there can be");
    close(client);
    CHECK_OK(reactor_server_free(record.server));
}

enum { MOST_PARTS = 1000 };

static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
static struct iovec parts[MOST_PARTS];
static size_t part_count, whole_len;
static char whole[MOST_PARTS * 4];

/* Parts of nothing up to four bytes, and what they are together. */
static void make_parts(size_t count) {
    part_count = count;
    whole_len = 0;
    for (size_t i = 0; i < count; i++) {
        parts[i] = (struct iovec){.iov_base = (void *)(uintptr_t)(letters + i % 22), .iov_len = (i + 1) % 5};
        memcpy(whole + whole_len, parts[i].iov_base, parts[i].iov_len);
        whole_len += parts[i].iov_len;
    }
}

static void write_parts(struct record *of, reactor_server *server, reactor_conn conn) {
    (void)of;
    CHECK_OK(reactor_conn_write_gathered(server, conn, parts, part_count, NULL));
}

static void note_sent(void *user_data, reactor_server *server, reactor_conn conn, int32_t completed) {
    CHECK(user_data == &record && server == record.server && conn == record.conn);
    CHECK_EQUAL(completed, REACTOR_COMPLETED_SENT);
    record_count(&record, &record.others);
}

static void gathered_writes_of_however_many_parts_are_one(void) {
    const size_t counts[] = {1, 15, 16, 17, 63, 64, 65, MOST_PARTS};
    const int rounds = sizeof counts / sizeof *counts;
    set_up(1);
    record.in_data = write_parts;
    int client = client_open(&record);
    for (int i = 0; i < rounds; i++) {
        make_parts(counts[i]);
        CHECK_OK(reactor_conn_write_gathered(record.server, record.conn, parts, part_count, NULL));
        client_expect(client, whole, whole_len);
        CHECK_OK(reactor_conn_write_then(record.server, record.conn, parts, part_count, note_sent, &record, NULL));
        client_expect(client, whole, whole_len);
        record_wait(&record, &record.others, i + 1);
        client_send(client, "?", 1);
        client_expect(client, whole, whole_len);
    }
    reactor_metrics metrics = {.size = sizeof metrics};
    CHECK_OK(reactor_server_metrics(record.server, REACTOR_ALL_LOOPS, &metrics));
    CHECK_EQUAL(metrics.messages_written, 3 * rounds);
    close(client);
    CHECK_OK(reactor_server_free(record.server));
}

static void of_a_gathered_write_that_is_refused_nothing_leaves(void) {
    const size_t counts[] = {10, 100};
    record_init(&record);
    reactor_options options = {
        .size = sizeof options, .loops = 1, .low_water = 500, .high_water = 500, .hard_limit = 1000,
        .keep_on_overflow = REACTOR_ON};
    record_start(&record, &options);
    int client = client_open(&record);
    make_parts(MOST_PARTS);
    CHECK(whole_len > options.hard_limit);
    CHECK_STATUS(reactor_conn_write_gathered(record.server, record.conn, parts, part_count, NULL), REACTOR_STATUS_FULL);
    for (int i = 0; i < 2; i++) {
        make_parts(counts[i]);
        parts[part_count - 1] = (struct iovec){.iov_base = NULL, .iov_len = 1};
        CHECK_FAILS(reactor_conn_write_gathered(record.server, record.conn, parts, part_count, NULL),
                    REACTOR_STATUS_INVALID_ARGUMENT, "data is NULL");
        make_parts(counts[i]);
        parts[0].iov_len = parts[1].iov_len = parts[2].iov_len = PTRDIFF_MAX;
        CHECK_FAILS(reactor_conn_write_gathered(record.server, record.conn, parts, part_count, NULL),
                    REACTOR_STATUS_INVALID_ARGUMENT, "more bytes than there can be");
    }
    CHECK_OK(reactor_conn_write(record.server, record.conn, (const uint8_t *)"alone", 5, NULL));
    CHECK_OK(reactor_conn_close(record.server, record.conn));
    client_expect(client, "alone", 5);
    client_expect_eof(client);
    close(client);
    CHECK_OK(reactor_server_free(record.server));
}

static void add_a_tail(struct record *of, reactor_server *server) {
    if (of->pre_writes == 0) CHECK_OK(reactor_conn_write(server, of->conn, (const uint8_t *)" tail", 5, NULL));
}

static void what_on_pre_write_writes_leaves_along(void) {
    set_up(1);
    record.in_pre_write = add_a_tail;
    int client = client_open(&record);
    CHECK_OK(reactor_conn_write(record.server, record.conn, (const uint8_t *)"head", 4, NULL));
    client_expect(client, "head tail", 9);
    record_wait(&record, &record.pre_writes, 1);
    close(client);
    CHECK_OK(reactor_server_free(record.server));
}

TESTS(TEST(functions_run_on_the_loop_that_was_asked_for), TEST(refused_functions_stay_the_callers),
      TEST(what_does_not_run_any_more_is_released), TEST(functions_run_on_the_loop_of_a_connection),
      TEST(dead_connections_run_nothing), TEST(a_wake_may_close), TEST(gathered_writes_are_one),
      TEST(gathered_writes_of_however_many_parts_are_one), TEST(of_a_gathered_write_that_is_refused_nothing_leaves),
      TEST(what_on_pre_write_writes_leaves_along))
