/* M2: what an operator must know goes to standard error until the program says otherwise, and not too often. */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static struct record record;
static struct record logged; /* only its lock and counters */
static int saved = -1;

/* Standard error goes to a pipe from here on; gives the end to read, which does not block. */
static int capture(void) {
    int ends[2];
    CHECK(pipe(ends) == 0 && fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0);
    fflush(stderr);
    saved = dup(STDERR_FILENO);
    CHECK(saved >= 0 && dup2(ends[1], STDERR_FILENO) >= 0);
    close(ends[1]);
    return ends[0];
}

static void give_back(void) {
    CHECK(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
}

/* Fails so many connections, each by an action that is none. */
static void fail_connections(int count) {
    reactor_options one = {.size = sizeof one, .loops = 1, .linger_ms = REACTOR_NO_LINGER};
    record_init(&record);
    record.open_action = 99;
    record_start(&record, &one);
    for (int i = 1; i <= count; i++) {
        int client = client_connect(record.server, 0);
        record_wait(&record, &record.closes, i);
        CHECK_EQUAL(record.reason, REACTOR_CLOSE_HANDLER_ERROR);
        close(client);
    }
    CHECK_OK(reactor_server_free(record.server));
}

static void pause_for_a_second(void) {
    sleep_ms(1100);
}

/* What is in the pipe; the caller frees it. */
static char *captured(int end) {
    char *text = calloc(1, 1 << 16);
    CHECK(text != NULL);
    ssize_t got = read(end, text, (1 << 16) - 1);
    if (got <= 0) text[0] = '\0';
    close(end);
    return text;
}

static int lines(const char *text) {
    int count = 0;
    for (; *text != '\0'; text++) count += *text == '\n';
    return count;
}

static void a_failed_handler_is_told_on_standard_error_and_seldom(void) {
    int end = capture();
    time_t began = time(NULL);
    fail_connections(50);
    long seconds = (long)(time(NULL) - began);
    pause_for_a_second();
    fail_connections(1);
    give_back();
    char *text = captured(end);
    CHECK(strncmp(text, "reactor: a callback of connection ", 34) == 0);
    check_contains(__FILE__, __LINE__, text, " returned 99, which is no action\n");
    check_contains(__FILE__, __LINE__, text, " more of the kind since the last that was told)\n");
    CHECK(lines(text) >= 2 && lines(text) <= seconds + 4);
    free(text);
}

static void a_closed_standard_error_kills_nobody(void) {
    struct sigaction before, standard = {.sa_handler = SIG_DFL};
    CHECK(sigaction(SIGPIPE, &standard, &before) == 0);
    pause_for_a_second();
    close(capture());
    /* Driven by this thread, which blocks no signals. */
    reactor_options one = {.size = sizeof one, .loops = 1, .linger_ms = REACTOR_NO_LINGER};
    record_init(&record);
    record.open_action = 99;
    record_server(&record, &one);
    CHECK_OK(reactor_server_start_hosted(record.server));
    int client = client_connect(record.server, 0);
    uint32_t running = 1;
    while (record_look(&record, &record.closes) == 0) CHECK_OK(reactor_server_turn(record.server, 100, &running));
    close(client);
    CHECK_OK(reactor_server_free(record.server));
    give_back();
    CHECK(sigaction(SIGPIPE, &before, NULL) == 0);
}

/* Nobody could connect, and the program would not know why. */
static void what_was_forgotten_is_told(void) {
    pause_for_a_second();
    int end = capture();
    record_init(&record);
    record_server(&record, NULL);
    CHECK_OK(reactor_server_free(record.server));
    pause_for_a_second();
    reactor_callbacks none = {.size = sizeof none};
    reactor_server *server;
    CHECK_OK(reactor_server_new(&none, NULL, &server));
    CHECK_OK(reactor_server_start(server));
    struct pollfd told = {.fd = end, .events = POLLIN};
    char first[256] = "";
    CHECK(read(end, first, sizeof first - 1) > 0);
    CHECK_EQUAL(poll(&told, 1, 20000), 1);
    CHECK_OK(reactor_server_free(server));
    give_back();
    CHECK(strncmp(first, "reactor: a server listens at tcp://127.0.0.1:", 45) == 0);
    check_contains(__FILE__, __LINE__, first, " and was never started: call start or run\n");
    char *text = captured(end);
    check_contains(__FILE__, __LINE__, text, "reactor: a server runs that listens nowhere, and so nobody can connect: call listen\n");
    free(text);
}

static void note(void *user_data, int32_t level, const char *message) {
    (void)user_data;
    CHECK_EQUAL(level, REACTOR_LOG_ERROR);
    check_contains(__FILE__, __LINE__, message, "which is no action");
    record_count(&logged, &logged.others);
}

static void a_function_or_none_takes_its_place(void) {
    record_init(&logged);
    int end = capture();
    CHECK_OK(reactor_set_log(note, NULL, NULL, REACTOR_LOG_ERROR));
    pause_for_a_second();
    fail_connections(3);
    CHECK(logged.others >= 1);
    CHECK_OK(reactor_set_log(NULL, NULL, NULL, 0));
    pause_for_a_second();
    int before = logged.others;
    fail_connections(1);
    CHECK_EQUAL(logged.others, before);
    give_back();
    char *text = captured(end);
    CHECK(text[0] == '\0');
    free(text);
}

TESTS(TEST(a_failed_handler_is_told_on_standard_error_and_seldom), TEST(a_closed_standard_error_kills_nobody), TEST(what_was_forgotten_is_told),
      TEST(a_function_or_none_takes_its_place))
