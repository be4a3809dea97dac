/* D4: a completion is called once for each write that was accepted, on the loop, in order. */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include <stdlib.h>
#include <unistd.h>

enum { WRITES = 1000, BIG = 16 << 20 };

static struct record record;

/* One per write: where it stands in the order, and how it ended. */
struct write {
    int number, calls;
    int32_t completed;
    uint32_t on_loop;
};
static struct write writes[WRITES];
static int next_number, in_write, closes_seen;

static void complete(void *user_data, reactor_server *server, reactor_conn conn, int32_t completed) {
    struct write *write = user_data;
    CHECK(server == record.server && conn != 0 && in_write == 0);
    CHECK_OK(reactor_server_current_loop(server, &write->on_loop));
    CHECK_STATUS(reactor_server_free(server), REACTOR_STATUS_WRONG_THREAD);
    pthread_mutex_lock(&record.lock);
    write->calls++;
    write->completed = completed;
    CHECK_EQUAL(write->number, next_number++);
    closes_seen = record.closes;
    pthread_mutex_unlock(&record.lock);
    record_count(&record, &record.others);
}

static void set_up(void) {
    memset(writes, 0, sizeof writes);
    next_number = 0;
    for (int i = 0; i < WRITES; i++) writes[i].number = i;
    record_init(&record);
    record_start(&record, NULL);
}

static reactor_status write_one(struct write *write, const void *bytes, size_t len) {
    const struct iovec slices[] = {{.iov_base = (void *)bytes, .iov_len = len / 2},
                                   {.iov_base = (uint8_t *)bytes + len / 2, .iov_len = len - len / 2}};
    return reactor_conn_write_then(record.server, record.conn, slices, 2, complete, write, NULL);
}

static void expect_each(int first, int count, int32_t completed) {
    for (int i = first; i < first + count; i++) {
        CHECK_EQUAL(writes[i].calls, 1);
        CHECK_EQUAL(writes[i].completed, completed);
        CHECK_EQUAL(writes[i].on_loop, 0);
    }
}

static void each_completes_once_and_in_order(void) {
    set_up();
    int client = client_open(&record);
    for (int i = 0; i < WRITES; i++) CHECK_OK(write_one(&writes[i], "0123456789", 10));
    for (int i = 0; i < WRITES; i++) client_expect(client, "0123456789", 10);
    record_wait(&record, &record.others, WRITES);
    expect_each(0, WRITES, REACTOR_COMPLETED_SENT);
    CHECK_OK(reactor_server_free(record.server));
    CHECK_EQUAL(record.others, WRITES);
    close(client);
}

static void write_in_the_callback(struct record *of, reactor_server *server, reactor_conn conn) {
    (void)server;
    of->conn = conn;
    in_write = 1;
    for (int i = 0; i < 10; i++) CHECK_OK(write_one(&writes[i], "x", 1));
    in_write = 0;
}

static void never_from_inside_the_write(void) {
    set_up();
    record.in_data = write_in_the_callback;
    int client = client_open(&record);
    client_send(client, "go", 2);
    client_expect(client, "xxxxxxxxxx", 10);
    record_wait(&record, &record.others, 10);
    expect_each(0, 10, REACTOR_COMPLETED_SENT);
    CHECK_OK(reactor_server_free(record.server));
    close(client);
}

static void what_was_not_sent_is_cancelled_before_on_close(void) {
    set_up();
    uint8_t *bytes = calloc(1, BIG);
    int client = client_open(&record);
    for (int i = 0; i < 3; i++) CHECK_OK(write_one(&writes[i], bytes, BIG));
    client_reset(client);
    record_wait(&record, &record.closes, 1);
    CHECK_EQUAL(record.others, 3);
    CHECK_EQUAL(closes_seen, 0);
    expect_each(0, 3, REACTOR_COMPLETED_CANCELLED);
    CHECK_STATUS(write_one(&writes[3], "x", 1), REACTOR_STATUS_CLOSED);
    CHECK_OK(reactor_server_free(record.server));
    CHECK_EQUAL(writes[3].calls, 0);
    free(bytes);
}

static void stopping_cancels(void) {
    set_up();
    uint8_t *bytes = calloc(1, BIG);
    int client = client_open(&record);
    for (int i = 0; i < 3; i++) CHECK_OK(write_one(&writes[i], bytes, BIG));
    CHECK_OK(reactor_server_free(record.server));
    CHECK_EQUAL(record.others, 3);
    expect_each(1, 2, REACTOR_COMPLETED_CANCELLED);
    close(client);
    free(bytes);
}

static void a_refused_write_does_not_complete(void) {
    memset(writes, 0, sizeof writes);
    record_init(&record);
    reactor_options options = {.size = sizeof options, .loops = 1, .high_water = 1000, .low_water = 500,
                               .hard_limit = 1000};
    record_start(&record, &options);
    int client = client_open(&record);
    uint8_t bytes[1001] = {0};
    CHECK_STATUS(write_one(&writes[0], bytes, sizeof bytes), REACTOR_STATUS_FULL);
    CHECK_OK(reactor_server_free(record.server));
    CHECK_EQUAL(writes[0].calls, 0);
    close(client);
}

TESTS(TEST(each_completes_once_and_in_order), TEST(never_from_inside_the_write),
      TEST(what_was_not_sent_is_cancelled_before_on_close), TEST(stopping_cancels), TEST(a_refused_write_does_not_complete))
