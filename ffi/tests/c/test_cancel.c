/* R5: a thread that waits for a server may be cancelled, and a thread that is in the library may end itself. */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

static atomic_int cleaned, entered, waiting;

static void clean(void *unused) {
    (void)unused;
    cleaned++;
}

static void *run(void *server) {
    pthread_cleanup_push(clean, NULL);
    entered++;
    reactor_server_run(server);
    pthread_cleanup_pop(0);
    return NULL;
}

static void *wait_for(void *server) {
    pthread_cleanup_push(clean, NULL);
    thread_is_mine(&waiting);
    entered++;
    reactor_server_wait(server);
    pthread_cleanup_pop(0);
    return NULL;
}

static pthread_t thread_of(void *(*body)(void *), reactor_server *server) {
    pthread_t thread;
    int before = entered;
    CHECK_EQUAL(pthread_create(&thread, NULL, body, server), 0);
    while (entered == before) sleep_ms(1);
    return thread;
}

static void expect_cancelled(pthread_t thread) {
    void *result;
    int before = cleaned;
    CHECK_EQUAL(pthread_cancel(thread), 0);
    CHECK_EQUAL(pthread_join(thread, &result), 0);
    CHECK(result == PTHREAD_CANCELED);
    CHECK_EQUAL(cleaned, before + 1);
}

static void expect_echo(reactor_server *server) {
    int client = client_connect(server, 0);
    client_send(client, "hello", 5);
    client_expect(client, "hello", 5);
    close(client);
}

static void expect_end(struct record *record) {
    CHECK_OK(reactor_server_free(record->server));
    CHECK_EQUAL(record->stops, 1);
    CHECK_EQUAL(record->destroys, 1);
    CHECK_EQUAL(record->closes, record->opens);
}

static void cancelling_a_thread_that_waits(void) {
    struct record record;
    record_init(&record);
    record.echo = true;
    record_start(&record, NULL);
    expect_cancelled(thread_of(wait_for, record.server));
    pthread_t sleeping = thread_of(wait_for, record.server);
    sleep_ms(50);
    expect_cancelled(sleeping);
    pthread_t other = thread_of(wait_for, record.server);
    thread_waits(&waiting);
    expect_echo(record.server);
    expect_end(&record);
    CHECK_EQUAL(pthread_join(other, NULL), 0);
}

static void cancelling_a_thread_that_runs(void) {
    struct record record;
    record_init(&record);
    record.echo = true;
    record_server(&record, NULL);
    pthread_t thread = thread_of(run, record.server);
    record_wait(&record, &record.starts, 1);
    expect_echo(record.server);
    expect_cancelled(thread);
    expect_echo(record.server);
    expect_end(&record);
}

static void *wait_uncancelled(void *server) {
    CHECK_EQUAL(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL), 0);
    entered++;
    CHECK_OK(reactor_server_wait(server));
    return server;
}

static void who_cannot_be_cancelled_waits_on(void) {
    struct record record;
    record_init(&record);
    record_start(&record, NULL);
    pthread_t thread = thread_of(wait_uncancelled, record.server);
    CHECK_EQUAL(pthread_cancel(thread), 0);
    sleep_ms(50);
    CHECK_OK(reactor_server_stop(record.server));
    void *result;
    CHECK_EQUAL(pthread_join(thread, &result), 0);
    CHECK(result == record.server);
    expect_end(&record);
}

static void exit_in_start(struct record *record, reactor_server *server) {
    (void)record, (void)server;
    pthread_exit(NULL);
}

static void *start(void *server) {
    CHECK_FAILS(reactor_server_start(server), REACTOR_STATUS_HANDLER_FAILED, "ended its thread");
    return server;
}

static void leaving_on_start(void) {
    struct record record;
    record_init(&record);
    record.in_start = exit_in_start;
    record_server(&record, NULL);
    pthread_t thread;
    void *result;
    CHECK_EQUAL(pthread_create(&thread, NULL, start, record.server), 0);
    CHECK_EQUAL(pthread_join(thread, &result), 0);
    CHECK(result == record.server);
    CHECK_OK(reactor_server_free(record.server));
    CHECK_EQUAL(record.stops, 0);
    CHECK_EQUAL(record.destroys, 1);
}

static void exit_on_conn(struct record *record, reactor_server *server, reactor_conn conn) {
    (void)record, (void)server, (void)conn;
    pthread_exit(NULL);
}

/* A loop's thread that a callback ends takes the server along, and nothing else. */
static void leaving_a_loop(size_t loops, void (*in_tick)(struct record *, reactor_server *),
                           void (*in_data)(struct record *, reactor_server *, reactor_conn)) {
    struct record record;
    record_init(&record);
    record.in_tick = in_tick;
    record.in_data = in_data;
    reactor_options options = {.size = sizeof options, .loops = loops};
    record_start(&record, &options);
    int client = -1;
    if (in_data != NULL) {
        client = client_connect(record.server, 0);
        client_send(client, "x", 1);
    }
    CHECK_OK(reactor_server_wait(record.server));
    if (in_data != NULL) {
        client_expect_eof(client);
        close(client);
    }
    expect_end(&record);
}

static void leaving_every_other_callback(void) {
    for (size_t loops = 1; loops <= 3; loops += 2) {
        leaving_a_loop(loops, NULL, exit_on_conn);
        leaving_a_loop(loops, exit_in_start, NULL);
    }
}

static void leaving_on_stop(void) {
    struct record record;
    record_init(&record);
    record.in_stop = exit_in_start;
    record_start(&record, NULL);
    CHECK_OK(reactor_server_stop(record.server));
    CHECK_OK(reactor_server_wait(record.server));
    CHECK_OK(reactor_server_free(record.server));
    CHECK_EQUAL(record.destroys, 1);
}

/* ---- servers that a host drives ---- */

static void turn_until_ended(reactor_server *server) {
    uint32_t running = 1;
    while (running) CHECK_OK(reactor_server_turn(server, REACTOR_NEVER, &running));
}

static void *leave_a_turn(void *argument) {
    struct record *record = argument;
    CHECK_OK(reactor_server_start_hosted(record->server));
    int client = client_connect(record->server, 0);
    client_send(client, "x", 1);
    turn_until_ended(record->server);
    char byte;
    /* Who has had no callback is reset. */
    while (recv(client, &byte, 1, 0) > 0) {
    }
    close(client);
    /* The thread has gone on: it alone may do this. */
    CHECK_OK(reactor_server_free(record->server));
    return record;
}

/* A callback that ends the host's thread ends the server instead. */
static void leaving_callbacks_of_a_host(void) {
    for (int place = 0; place < 5; place++) {
        struct record record;
        record_init(&record);
        reactor_options one = {.size = sizeof one, .loops = 1};
        if (place == 0) record.in_open = exit_on_conn;
        if (place == 1) record.in_data = exit_on_conn;
        if (place == 2) record.in_tick = exit_in_start;
        if (place == 3) record.in_pre_write = exit_in_start;
        if (place == 4) record.in_close = exit_on_conn;
        record.echo = place == 3;
        if (place == 4) record.data_action = REACTOR_ACTION_STOP;
        record_server(&record, &one);
        pthread_t thread;
        void *result;
        CHECK_EQUAL(pthread_create(&thread, NULL, leave_a_turn, &record), 0);
        CHECK_EQUAL(pthread_join(thread, &result), 0);
        CHECK(result == &record);
        CHECK_EQUAL(record.stops, 1);
        CHECK_EQUAL(record.destroys, 1);
    }
}

static void *leave_the_first_turn(void *argument) {
    reactor_server *server = argument;
    uint32_t running = 7;
    CHECK_OK(reactor_server_start_hosted(server));
    CHECK_FAILS(reactor_server_turn(server, 0, &running), REACTOR_STATUS_HANDLER_FAILED, "ended its thread");
    CHECK_OK(reactor_server_free(server));
    return server;
}

static void leaving_on_start_of_a_host(void) {
    struct record record;
    record_init(&record);
    record.in_start = exit_in_start;
    reactor_options one = {.size = sizeof one, .loops = 1};
    record_server(&record, &one);
    pthread_t thread;
    void *result;
    CHECK_EQUAL(pthread_create(&thread, NULL, leave_the_first_turn, record.server), 0);
    CHECK_EQUAL(pthread_join(thread, &result), 0);
    CHECK(result == record.server);
    CHECK_EQUAL(record.stops, 0);
    CHECK_EQUAL(record.destroys, 1);
}

static void *leave_while_freeing(void *argument) {
    struct record *record = argument;
    CHECK_OK(reactor_server_start_hosted(record->server));
    int client = client_connect(record->server, 0);
    uint32_t running;
    while (record->opens == 0) CHECK_OK(reactor_server_turn(record->server, REACTOR_NEVER, &running));
    CHECK_OK(reactor_server_free(record->server));
    client_expect_eof(client);
    close(client);
    return record;
}

static void leaving_on_close_while_a_host_frees_it(void) {
    struct record record;
    record_init(&record);
    record.in_close = exit_on_conn;
    reactor_options one = {.size = sizeof one, .loops = 1};
    record_server(&record, &one);
    pthread_t thread;
    void *result;
    CHECK_EQUAL(pthread_create(&thread, NULL, leave_while_freeing, &record), 0);
    CHECK_EQUAL(pthread_join(thread, &result), 0);
    CHECK(result == &record);
    CHECK_EQUAL(record.destroys, 1);
}

static pthread_t loops_thread;

static void note_thread(struct record *record, reactor_server *server, reactor_conn conn) {
    (void)record, (void)server, (void)conn;
    loops_thread = pthread_self();
}

/* Its thread is the library's to end. Closing, connecting and polling are points where it would be cancelled. */
static void cancelling_a_loops_thread(void) {
    for (size_t loops = 1; loops <= 3; loops += 2) {
        struct record record;
        record_init(&record);
        record.echo = true;
        record.in_open = note_thread;
        reactor_options options = {.size = sizeof options, .loops = loops};
        record_start(&record, &options);
        for (int i = 0; i < 10; i++) {
            int opens = record_look(&record, &record.opens), closes = record_look(&record, &record.closes);
            int client = client_connect(record.server, 0);
            record_wait(&record, &record.opens, opens + 1);
            CHECK_EQUAL(pthread_cancel(loops_thread), 0);
            client_send(client, "hello", 5);
            client_expect(client, "hello", 5);
            close(client);
            record_wait(&record, &record.closes, closes + 1);
            char url[REACTOR_ADDRESS_CAPACITY];
            reactor_conn conn;
            CHECK_OK(reactor_server_address(record.server, 0, url, sizeof url, NULL));
            CHECK_OK(reactor_server_connect(record.server, url, NULL, &conn));
            record_wait(&record, &record.opens, opens + 3);
            CHECK_OK(reactor_conn_close(record.server, conn));
            record_wait(&record, &record.closes, closes + 3);
        }
        uint32_t stopping;
        CHECK_OK(reactor_server_is_stopping(record.server, &stopping));
        CHECK_EQUAL(stopping, 0);
        expect_end(&record);
    }
}

TESTS(TEST(cancelling_a_loops_thread), TEST(leaving_callbacks_of_a_host), TEST(leaving_on_start_of_a_host),
      TEST(leaving_on_close_while_a_host_frees_it), TEST(cancelling_a_thread_that_waits), TEST(cancelling_a_thread_that_runs), TEST(who_cannot_be_cancelled_waits_on),
      TEST(leaving_on_start), TEST(leaving_every_other_callback), TEST(leaving_on_stop))
