/* S2: the short way to serve, and the two signals that end it. */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

static struct record record;
static const char *const URLS[] = {"tcp://127.0.0.1:0", "tcp://127.0.0.1:0?nodelay=false"};
static const reactor_options PATIENT = {.size = sizeof PATIENT, .loops = 2, .stop_deadline_ms = 3600 * 1000};

/* ---- the program's own handlers ---- */

static atomic_int counted;
static struct sigaction pipe_before;

static void count(int number) {
    (void)number;
    counted++;
}

static void dispose(int number, void (*handler)(int)) {
    struct sigaction action = {.sa_handler = handler};
    CHECK(sigaction(number, &action, NULL) == 0);
}

static void expect_disposed(int number, void (*handler)(int)) {
    struct sigaction now;
    CHECK(sigaction(number, NULL, &now) == 0);
    CHECK(now.sa_handler == handler);
}

static void begin(void) {
    record_init(&record);
    record.echo = true;
    counted = 0;
    CHECK(sigaction(SIGPIPE, NULL, &pipe_before) == 0);
    dispose(SIGTERM, count);
    dispose(SIGINT, SIG_IGN);
}

static void expect_given_back(void) {
    CHECK_EQUAL(counted, 0);
    expect_disposed(SIGTERM, count);
    expect_disposed(SIGINT, SIG_IGN);
    expect_disposed(SIGPIPE, pipe_before.sa_handler);
    CHECK(raise(SIGTERM) == 0 && raise(SIGINT) == 0);
    CHECK_EQUAL(counted, 1);
}

/* ---- served on a thread of the test's ---- */

static reactor_status served;

static void *serve(void *urls) {
    reactor_callbacks callbacks = record_callbacks(&record);
    served = reactor_serve(&callbacks, urls, 2, &PATIENT);
    return NULL;
}

static void note_server(struct record *of, reactor_server *server) {
    of->server = server;
}

static pthread_t serve_on_thread(void) {
    pthread_t thread;
    begin();
    record.in_start = note_server;
    CHECK(pthread_create(&thread, NULL, serve, (void *)URLS) == 0);
    record_wait(&record, &record.starts, 1);
    /* It has started when it answers. */
    int client = client_connect(record.server, 0);
    client_send(client, "x", 1);
    client_expect(client, "x", 1);
    close(client);
    record_wait(&record, &record.closes, 1);
    return thread;
}

static void expect_served(pthread_t thread) {
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK_EQUAL(served, REACTOR_OK);
    CHECK_EQUAL(record.stops, 1);
    CHECK_EQUAL(record.destroys, 1);
    expect_given_back();
}

static void the_first_signal_is_graceful_and_the_second_ends(void) {
    static const int signals[][2] = {{SIGTERM, SIGTERM}, {SIGINT, SIGTERM}, {SIGTERM, SIGINT}};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        pthread_t thread = serve_on_thread();
        int client = client_connect(record.server, 1);
        client_send(client, "before", 6);
        client_expect(client, "before", 6);
        CHECK(kill(getpid(), signals[i][0]) == 0);
        record_wait(&record, &record.stoppings, 1);
        client_send(client, "after", 5);
        client_expect(client, "after", 5);
        CHECK_EQUAL(record_look(&record, &record.stops), 0);
        CHECK(kill(getpid(), signals[i][1]) == 0);
        expect_served(thread);
        CHECK_EQUAL(record.reason, REACTOR_CLOSE_SHUTDOWN);
        close(client);
    }
}

static void a_callback_ends_it_too(void) {
    pthread_t thread = serve_on_thread();
    record.data_action = REACTOR_ACTION_STOP;
    int client = client_connect(record.server, 0);
    client_send(client, "x", 1);
    expect_served(thread);
    close(client);
}

static void raise_it(struct record *of, reactor_server *server) {
    note_server(of, server);
    CHECK(raise(SIGTERM) == 0);
}

static void a_signal_while_it_starts_counts(void) {
    begin();
    record.in_start = raise_it;
    reactor_callbacks callbacks = record_callbacks(&record);
    CHECK_OK(reactor_serve(&callbacks, URLS, 2, NULL));
    CHECK_EQUAL(record.starts, 1);
    CHECK_EQUAL(record.stops, 0);
    CHECK_EQUAL(record.destroys, 1);
    expect_given_back();
}

static void serve_inside(struct record *of, reactor_server *server) {
    note_server(of, server);
    reactor_callbacks callbacks = record_callbacks(of);
    CHECK_FAILS(reactor_serve(&callbacks, URLS, 2, NULL), REACTOR_STATUS_WRONG_THREAD, "reactor_serve: ");
}

static void what_cannot_be_served_is_named_and_remains_the_programs(void) {
    const reactor_status wrong = REACTOR_STATUS_INVALID_ARGUMENT;
    const char *const urls[] = {"tcp://127.0.0.1:0", "tcp://127.0.0.1:0?wrong=1", NULL};
    begin();
    reactor_callbacks callbacks = record_callbacks(&record);
    reactor_options unfit = {.size = sizeof unfit, .high_water = 1, .low_water = 2};
    CHECK_FAILS(reactor_serve(NULL, urls, 1, NULL), wrong, "reactor_serve: callbacks is NULL");
    CHECK_FAILS(reactor_serve(&callbacks, NULL, 1, NULL), wrong, "reactor_serve: urls is NULL");
    CHECK_FAILS(reactor_serve(&callbacks, urls, 3, NULL), wrong, "reactor_serve: urls[2] is NULL");
    CHECK_FAILS(reactor_serve(&callbacks, urls, SIZE_MAX, NULL), wrong, "url_count is ");
    CHECK_FAILS(reactor_serve(&callbacks, urls, 1, &unfit), wrong, "water");
    CHECK_FAILS(reactor_serve(&callbacks, urls, 2, NULL), REACTOR_STATUS_INVALID_ADDRESS,
                "\"tcp://127.0.0.1:0?wrong=1\"");
    record.start_action = REACTOR_ACTION_STOP;
    record.in_start = note_server;
    CHECK_FAILS(reactor_serve(&callbacks, urls, 1, NULL), REACTOR_STATUS_STOPPED, "on_start returned stop");
    record.start_action = 99;
    record.in_start = serve_inside;
    CHECK_STATUS(reactor_serve(&callbacks, urls, 1, NULL), REACTOR_STATUS_HANDLER_FAILED);
    CHECK_EQUAL(record.destroys, 0);
    expect_given_back();
}

static void a_server_of_ones_own_is_stopped_so(void) {
    CHECK_FAILS(reactor_server_stop_on_signals(NULL), REACTOR_STATUS_INVALID_ARGUMENT, "server is NULL");
    begin();
    record_server(&record, &PATIENT);
    CHECK_OK(reactor_server_stop_on_signals(record.server));
    CHECK_OK(reactor_server_stop_on_signals(record.server));
    CHECK_OK(reactor_server_start(record.server));
    CHECK(kill(getpid(), SIGTERM) == 0);
    CHECK_OK(reactor_server_wait(record.server));
    CHECK_EQUAL(record.stoppings, 1);
    CHECK_OK(reactor_server_free(record.server));
    expect_given_back();

    begin();
    record_server(&record, &PATIENT);
    CHECK_OK(reactor_server_stop_on_signals(record.server));
    CHECK(raise(SIGINT) == 0);
    CHECK_STATUS(reactor_server_start(record.server), REACTOR_STATUS_STOPPED);
    CHECK_OK(reactor_server_free(record.server));
    expect_given_back();
}

TESTS(TEST(the_first_signal_is_graceful_and_the_second_ends), TEST(a_callback_ends_it_too),
      TEST(a_signal_while_it_starts_counts), TEST(what_cannot_be_served_is_named_and_remains_the_programs),
      TEST(a_server_of_ones_own_is_stopped_so))
