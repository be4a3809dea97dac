/* M2: the log goes to a function of the program's. */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include <unistd.h>

static struct record record;
static struct record logged; /* only its lock and counters */
static int destroyed;
static char last_message[256];
static int32_t last_level;

static void destroy(void *user_data) {
    CHECK(user_data == &logged);
    record_count(&logged, &destroyed);
}

static void note(void *user_data, int32_t level, const char *message) {
    CHECK(user_data == &logged);
    CHECK(level >= REACTOR_LOG_ERROR && level <= REACTOR_LOG_TRACE);
    CHECK_STATUS(reactor_server_free(record.server), REACTOR_STATUS_WRONG_THREAD);
    pthread_mutex_lock(&logged.lock);
    last_level = level;
    snprintf(last_message, sizeof last_message, "%s", message);
    pthread_mutex_unlock(&logged.lock);
    record_count(&logged, &logged.others);
}

static void replace(void *user_data, int32_t level, const char *message) {
    note(user_data, level, message);
    CHECK_OK(reactor_set_log(NULL, NULL, NULL, 0));
    CHECK_EQUAL(destroyed, 0); /* not while it runs */
}

/* Sends a line that is too long, which the engine logs for whoever looks for a defect. */
static void break_the_framing(void) {
    reactor_options one = {.size = sizeof one, .loops = 1};
    reactor_framing *framing = NULL;
    record_init(&record);
    reactor_callbacks callbacks = record_callbacks(&record);
    CHECK_OK(reactor_framing_line(4, &framing));
    reactor_listen_options options = {.size = sizeof options, .framing = framing};
    CHECK_OK(reactor_server_new(&callbacks, &one, &record.server));
    CHECK_OK(reactor_server_listen_with(record.server, "tcp://127.0.0.1:0", &options, NULL));
    CHECK_OK(reactor_framing_free(framing));
    CHECK_OK(reactor_server_start(record.server));
    int client = client_open(&record);
    client_send(client, "too long", 8);
    record_wait(&record, &record.closes, 1);
    CHECK_EQUAL(record.reason, REACTOR_CLOSE_PROTOCOL);
    close(client);
    CHECK_OK(reactor_server_free(record.server));
}

static void set_up(void) {
    record_init(&logged);
    destroyed = 0;
    last_message[0] = '\0';
}

static void what_the_engine_says_arrives(void) {
    set_up();
    CHECK_OK(reactor_set_log(note, &logged, destroy, REACTOR_LOG_DEBUG));
    break_the_framing();
    CHECK_EQUAL(logged.others, 1);
    check_contains(__FILE__, __LINE__, last_message, "frame too large");
    CHECK_EQUAL(last_level, REACTOR_LOG_DEBUG);
    CHECK_EQUAL(destroyed, 0);
    CHECK_OK(reactor_set_log(NULL, NULL, NULL, 0));
    CHECK_EQUAL(destroyed, 1);
    break_the_framing();
    CHECK_EQUAL(logged.others, 1);
}

static void levels_above_the_highest_stay_away(void) {
    set_up();
    CHECK_OK(reactor_set_log(note, &logged, destroy, REACTOR_LOG_INFO));
    break_the_framing();
    CHECK_EQUAL(logged.others, 0);
    CHECK_OK(reactor_set_log(NULL, NULL, NULL, 0));
    CHECK_EQUAL(destroyed, 1);
}

static void one_function_replaces_the_other(void) {
    set_up();
    CHECK_OK(reactor_set_log(note, &logged, destroy, REACTOR_LOG_TRACE));
    CHECK_OK(reactor_set_log(note, &logged, destroy, REACTOR_LOG_TRACE));
    CHECK_EQUAL(destroyed, 1);
    CHECK_OK(reactor_set_log(NULL, NULL, NULL, 0));
    CHECK_EQUAL(destroyed, 2);
}

static void replaced_from_inside(void) {
    set_up();
    CHECK_OK(reactor_set_log(replace, &logged, destroy, REACTOR_LOG_DEBUG));
    break_the_framing();
    CHECK_EQUAL(logged.others, 1);
    record_wait(&logged, &destroyed, 1);
}

static void a_level_that_is_none(void) {
    set_up();
    CHECK_FAILS(reactor_set_log(note, &logged, destroy, 0), REACTOR_STATUS_INVALID_ARGUMENT, "max_level is 0");
    CHECK_FAILS(reactor_set_log(note, &logged, destroy, 6), REACTOR_STATUS_INVALID_ARGUMENT, "max_level is 6");
    CHECK_EQUAL(destroyed, 0);
}

TESTS(TEST(what_the_engine_says_arrives), TEST(levels_above_the_highest_stay_away),
      TEST(one_function_replaces_the_other), TEST(replaced_from_inside),
      TEST(a_level_that_is_none))
