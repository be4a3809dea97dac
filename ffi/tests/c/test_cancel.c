/* R5: a thread that waits for a server may be cancelled, and a thread that is in the library may end itself. */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include <stdatomic.h>
#include <unistd.h>

static atomic_int cleaned, entered;

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

TESTS(TEST(cancelling_a_thread_that_waits), TEST(cancelling_a_thread_that_runs), TEST(who_cannot_be_cancelled_waits_on),
      TEST(leaving_on_start), TEST(leaving_every_other_callback), TEST(leaving_on_stop))
