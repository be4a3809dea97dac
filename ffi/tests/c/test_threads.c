/* R5, L3: calls from the wrong thread are refused; from any other, they work. */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

static void try_all(struct record *record, reactor_server *server) {
    record->statuses[0] = reactor_server_wait(server);
    record->statuses[1] = reactor_server_run(server);
    record->statuses[2] = reactor_server_free(server);
    check_contains(__FILE__, __LINE__, reactor_last_error(), "reactor_server_free: cannot be called inside a callback");
}

static void try_all_on_conn(struct record *record, reactor_server *server, reactor_conn conn) {
    (void)conn;
    try_all(record, server);
}

static void check_refused(struct record *record) {
    for (int i = 0; i < 3; i++) {
        CHECK_STATUS(record->statuses[i], REACTOR_STATUS_WRONG_THREAD);
        record->statuses[i] = REACTOR_OK;
    }
}

static void waiting_inside_every_callback(void) {
    struct record record;
    record_init(&record);
    record.in_start = record.in_stop = try_all;
    record.in_open = record.in_data = record.in_close = try_all_on_conn;
    reactor_server *server = record_server(&record, NULL);
    CHECK_OK(reactor_server_start(server));
    check_refused(&record);
    int client = client_connect(server, 0);
    record_wait(&record, &record.opens, 1);
    check_refused(&record);
    client_send(client, "x", 1);
    record_wait_received(&record, 1);
    check_refused(&record);
    close(client);
    record_wait(&record, &record.closes, 1);
    check_refused(&record);
    CHECK_OK(reactor_server_stop(server));
    CHECK_OK(reactor_server_wait(server));
    check_refused(&record);
    CHECK_EQUAL(record.destroys, 0);
    CHECK_OK(reactor_server_free(server));
    CHECK_EQUAL(record.destroys, 1);
}

static void start_timer(struct record *record, reactor_server *server, reactor_conn conn) {
    try_all_on_conn(record, server, conn);
    CHECK_OK(reactor_conn_start_timer(server, conn, 1, 0, NULL));
}

static void waiting_inside_the_other_callbacks(void) {
    struct record record;
    record_init(&record);
    record.in_tick = record.in_pre_write = record.in_stopping = try_all;
    record.in_wake = start_timer;
    record.in_timer = record.in_eof = record.in_detach = try_all_on_conn;
    reactor_callbacks callbacks = record_callbacks(&record);
    reactor_options one = {.size = sizeof one, .loops = 1};
    reactor_listen_options half_open = {.size = sizeof half_open, .half_open = REACTOR_ON};
    CHECK_OK(reactor_server_new(&callbacks, &one, &record.server));
    CHECK_OK(reactor_server_listen_with(record.server, "tcp://127.0.0.1:0", &half_open, NULL));
    CHECK_OK(reactor_server_start(record.server));
    record_wait(&record, &record.ticks, 1);
    check_refused(&record);
    int client = client_open(&record);
    CHECK_OK(reactor_conn_write(record.server, record.conn, (const uint8_t *)"x", 1, NULL));
    record_wait(&record, &record.pre_writes, 1);
    check_refused(&record);
    CHECK_OK(reactor_conn_wake(record.server, record.conn));
    record_wait(&record, &record.wakes, 1);
    record_wait(&record, &record.timers, 1);
    check_refused(&record);
    shutdown(client, SHUT_WR);
    record_wait(&record, &record.eofs, 1);
    check_refused(&record);
    CHECK_OK(reactor_conn_detach(record.server, record.conn));
    record_wait(&record, &record.detaches, 1);
    check_refused(&record);
    CHECK_OK(reactor_server_stop_gracefully(record.server, 0));
    CHECK_OK(reactor_server_wait(record.server));
    CHECK_EQUAL(record.stoppings, 1);
    check_refused(&record);
    CHECK_OK(reactor_server_free(record.server));
    close(record.descriptor);
    close(client);
}

static reactor_server *other;

static void try_other(struct record *record, reactor_server *server, reactor_conn conn) {
    (void)server, (void)conn;
    record->statuses[0] = reactor_server_free(other);
}

static void freeing_another_server_inside_a_callback(void) {
    struct record record, other_record;
    record_init(&record);
    record_init(&other_record);
    record.in_open = try_other;
    other = record_server(&other_record, NULL);
    reactor_server *server = record_server(&record, NULL);
    CHECK_OK(reactor_server_start(server));
    int client = client_connect(server, 0);
    record_wait(&record, &record.opens, 1);
    CHECK_STATUS(record.statuses[0], REACTOR_STATUS_WRONG_THREAD);
    CHECK_EQUAL(other_record.destroys, 0);
    CHECK_OK(reactor_server_free(server));
    CHECK_OK(reactor_server_start(other));
    CHECK_OK(reactor_server_free(other));
    CHECK_EQUAL(other_record.destroys, 1);
    close(client);
}

static void *run(void *server) {
    reactor_status status = reactor_server_run(server);
    CHECK(status == REACTOR_OK || status == REACTOR_STATUS_STOPPED);
    return NULL;
}

static void slow(struct record *record, reactor_server *server, reactor_conn conn) {
    (void)record, (void)server, (void)conn;
    sleep_ms(50);
}

static void freeing_while_callbacks_run_and_another_thread_waits(void) {
    struct record record;
    record_init(&record);
    record.in_data = slow;
    record.echo = true;
    reactor_server *server = record_server(&record, NULL);
    pthread_t thread;
    CHECK_EQUAL(pthread_create(&thread, NULL, run, server), 0);
    int clients[8];
    for (int i = 0; i < 8; i++) {
        clients[i] = client_connect(server, 0);
        client_send(clients[i], "x", 1);
    }
    record_wait(&record, &record.opens, 1);
    CHECK_OK(reactor_server_free(server));
    CHECK_EQUAL(record.closes, record.opens);
    CHECK_EQUAL(record.stops, 1);
    CHECK_EQUAL(record.destroys, 1);
    pthread_join(thread, NULL);
    for (int i = 0; i < 8; i++) close(clients[i]);
}

static atomic_bool in_start, may_go_on;

static void wait_for_permission(struct record *record, reactor_server *server) {
    (void)record, (void)server;
    atomic_store(&in_start, true);
    while (!atomic_load(&may_go_on)) sleep_ms(1);
}

static void *free_it(void *server) {
    CHECK_OK(reactor_server_free(server));
    return NULL;
}

static void freeing_waits_for_a_start_on_another_thread(void) {
    struct record record;
    record_init(&record);
    record.in_start = wait_for_permission;
    reactor_server *server = record_server(&record, NULL);
    pthread_t starter, freer;
    CHECK_EQUAL(pthread_create(&starter, NULL, run, server), 0);
    while (!atomic_load(&in_start)) sleep_ms(1);
    CHECK_EQUAL(pthread_create(&freer, NULL, free_it, server), 0);
    sleep_ms(50);
    CHECK_EQUAL(record.destroys, 0);
    atomic_store(&may_go_on, true);
    pthread_join(freer, NULL);
    CHECK_EQUAL(record.destroys, 1);
    pthread_join(starter, NULL);
}

enum { WRITERS = 4, LINES = 200 };

struct writer {
    reactor_server *server;
    reactor_conn conn;
    char letter;
};

static void *write_lines(void *argument) {
    const struct writer *writer = argument;
    for (int i = 0; i < LINES; i++) {
        char line[8];
        snprintf(line, sizeof line, "%c %04d\n", writer->letter, i);
        CHECK_OK(reactor_conn_write(writer->server, writer->conn, (const uint8_t *)line, 7, NULL));
    }
    return NULL;
}

static void writes_of_each_thread_arrive_in_order(void) {
    struct record record;
    record_init(&record);
    reactor_server *server = record_server(&record, NULL);
    CHECK_OK(reactor_server_start(server));
    int client = client_connect(server, 0);
    record_wait(&record, &record.opens, 1);
    struct writer writers[WRITERS];
    pthread_t threads[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){server, record.conn, (char)('a' + i)};
        CHECK_EQUAL(pthread_create(&threads[i], NULL, write_lines, &writers[i]), 0);
    }
    FILE *lines = fdopen(client, "r");
    int next[WRITERS] = {0};
    for (int i = 0; i < WRITERS * LINES; i++) {
        char line[16], letter;
        int number;
        CHECK(fgets(line, sizeof line, lines) != NULL);
        CHECK_EQUAL(sscanf(line, "%c %d", &letter, &number), 2);
        CHECK(letter >= 'a' && letter < 'a' + WRITERS);
        CHECK_EQUAL(number, next[letter - 'a']++);
    }
    for (int i = 0; i < WRITERS; i++) pthread_join(threads[i], NULL);
    CHECK_OK(reactor_server_free(server));
    fclose(lines);
}

TESTS(TEST(waiting_inside_every_callback), TEST(waiting_inside_the_other_callbacks),
      TEST(freeing_another_server_inside_a_callback),
      TEST(freeing_while_callbacks_run_and_another_thread_waits), TEST(freeing_waits_for_a_start_on_another_thread),
      TEST(writes_of_each_thread_arrive_in_order))
