/*
 * What the C tests share. A test program is one file: a table of tests, run in order on the main thread, each printing
 * one line; the first check that fails ends the program.
 */
#ifndef TEST_H
#define TEST_H

#include <pthread.h>
#include <stdatomic.h>
#include <reactor.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct test {
    const char *name;
    void (*run)(void);
};

/* Defines main(): runs the tests. */
#define TESTS(...)                                                          \
    int main(void) {                                                        \
        const struct test tests[] = {__VA_ARGS__};                          \
        return run_tests(tests, sizeof tests / sizeof *tests);              \
    }
#define TEST(function) {#function, function}

int run_tests(const struct test *tests, size_t count);
_Noreturn void failed(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));

#define CHECK(condition) \
    do { \
        if (!(condition)) failed(__FILE__, __LINE__, "%s", #condition); \
    } while (0)

/* Numbers, shown when they differ. */
#define CHECK_EQUAL(actual, expected) check_equal(__FILE__, __LINE__, #actual, (long long)(actual), (long long)(expected))
void check_equal(const char *file, int line, const char *what, long long actual, long long expected);

/* A call's status; shows the library's message when it is another. */
#define CHECK_STATUS(call, expected) check_status(__FILE__, __LINE__, #call, (call), (expected))
void check_status(const char *file, int line, const char *what, reactor_status actual, reactor_status expected);
#define CHECK_OK(call) CHECK_STATUS(call, REACTOR_OK)

/* A call that fails, and a part of the message it must leave. */
#define CHECK_FAILS(call, expected, part) \
    do { \
        CHECK_STATUS(call, expected); \
        check_contains(__FILE__, __LINE__, reactor_last_error(), part); \
    } while (0)
void check_contains(const char *file, int line, const char *text, const char *part);

/* ---- what callbacks were called, and what they answer ---- */

struct record {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    reactor_server *server; /* the one that every callback must be given */
    int starts, opens, datas, eofs, drains, wakes, timers, detaches, closes, ticks, pre_writes, stoppings, stops, destroys;
    int others; /* for the tests: completions and functions that were called */
    size_t received;
    char frames[1024]; /* what came in, with a '|' behind each on_data, as far as there is room */
    reactor_conn conn; /* of the last on_open, or without one on_data */
    reactor_timer timer; /* of the last on_timer */
    int descriptor; /* of on_detach, and the bytes that were left */
    char detached_input[64], detached_output[64];
    size_t detached_input_len, detached_output_len;
    int32_t reason, error_number; /* of the last on_close */
    int32_t start_action, open_action, data_action, eof_action, drain_action, wake_action, timer_action; /* what to return */
    int64_t tick_delay; /* what on_tick returns */
    bool echo;
    /* Called in the callback of that name, where they are set; conn is 0 where there is none. */
    void (*in_start)(struct record *record, reactor_server *server);
    void (*in_open)(struct record *record, reactor_server *server, reactor_conn conn);
    void (*in_data)(struct record *record, reactor_server *server, reactor_conn conn);
    void (*in_eof)(struct record *record, reactor_server *server, reactor_conn conn);
    void (*in_wake)(struct record *record, reactor_server *server, reactor_conn conn);
    void (*in_timer)(struct record *record, reactor_server *server, reactor_conn conn);
    void (*in_detach)(struct record *record, reactor_server *server, reactor_conn conn);
    void (*in_close)(struct record *record, reactor_server *server, reactor_conn conn);
    void (*in_tick)(struct record *record, reactor_server *server);
    void (*in_pre_write)(struct record *record, reactor_server *server);
    void (*in_stopping)(struct record *record, reactor_server *server);
    void (*in_stop)(struct record *record, reactor_server *server);
    reactor_status statuses[8]; /* for the functions above to leave results in */
};

void record_init(struct record *record);
reactor_callbacks record_callbacks(struct record *record);
/* A server with the record's callbacks that listens on a free port of 127.0.0.1. NULL options are the default. */
reactor_server *record_server(struct record *record, const reactor_options *options);
/* The same, and started; with one loop if options are NULL. */
reactor_server *record_start(struct record *record, const reactor_options *options);
/* Counts something of the test's own, from whichever thread. */
void record_count(struct record *record, int *counter);
/* Waits, with a generous limit, until *counter, which belongs to the record, has reached the value. */
void record_wait(struct record *record, const int *counter, int value);
/* Reads a counter while callbacks may change it. */
int record_look(struct record *record, const int *counter);
void record_wait_received(struct record *record, size_t bytes);

/* ---- clients: blocking sockets with a generous time-out, so that a test that waits in vain ends ---- */

/* Connects to a listener of the server's, counted from 0. */
int client_connect(reactor_server *server, size_t index);
/* The same to listener 0, and waits for its on_open. */
int client_open(struct record *record);
void client_send(int client, const void *bytes, size_t length);
/* Receives exactly as many bytes and compares them. */
void client_expect(int client, const void *bytes, size_t length);
void client_expect_eof(int client);
/* Closes so that the peer sees a reset. */
void client_reset(int client);

void sleep_ms(long milliseconds);
/* Notes the calling thread, which is about to wait for a server. */
void thread_is_mine(atomic_int *thread);
/* Returns when it waits: only then may the server be freed on another thread. */
void thread_waits(atomic_int *thread);

#endif
