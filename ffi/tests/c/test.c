/* The machinery of the tests. */
#define _DEFAULT_SOURCE
#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* Far beyond what anything here takes, valgrind included. */
enum { LIMIT_SECONDS = 60 };

static const char *running = "";

int run_tests(const struct test *tests, size_t count) {
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < count; i++) {
        running = tests[i].name;
        alarm(2 * LIMIT_SECONDS);
        tests[i].run();
        printf("ok %s\n", running);
        fflush(stdout);
    }
    return 0;
}

void failed(const char *file, int line, const char *format, ...) {
    va_list values;
    va_start(values, format);
    printf("FAILED %s: %s:%d: ", running, file, line);
    vprintf(format, values);
    printf("\n");
    fflush(stdout);
    va_end(values);
    /* Not exit(): threads of the engine may be running. */
    _exit(1);
}

void check_equal(const char *file, int line, const char *what, long long actual, long long expected) {
    if (actual != expected) failed(file, line, "%s is %lld, not %lld", what, actual, expected);
}

void check_status(const char *file, int line, const char *what, reactor_status actual, reactor_status expected) {
    if (actual == expected) return;
    failed(file, line, "%s is %s, not %s (%s)", what, reactor_status_name(actual), reactor_status_name(expected),
           actual == REACTOR_OK ? "it went well" : reactor_last_error());
}

void check_contains(const char *file, int line, const char *text, const char *part) {
    if (strstr(text, part) == NULL) failed(file, line, "\"%s\" does not contain \"%s\"", text, part);
}

void record_init(struct record *record) {
    memset(record, 0, sizeof *record);
    record->tick_delay = REACTOR_NEVER;
    pthread_mutex_init(&record->lock, NULL);
    pthread_cond_init(&record->changed, NULL);
}

/* Counts a callback. Gives the action to return, read before the count tells the test to go on and change it. */
static int32_t count(struct record *record, reactor_server *server, int *counter, const int32_t *action) {
    CHECK(server != NULL && server == record->server);
    pthread_mutex_lock(&record->lock);
    int32_t taken = action == NULL ? REACTOR_ACTION_NONE : *action;
    ++*counter;
    pthread_cond_broadcast(&record->changed);
    pthread_mutex_unlock(&record->lock);
    return taken;
}

static int32_t on_start(void *user_data, reactor_server *server) {
    struct record *record = user_data;
    if (record->in_start != NULL) record->in_start(record, server);
    return count(record, server, &record->starts, &record->start_action);
}

static void remember(struct record *record, reactor_conn conn) {
    CHECK(conn != 0);
    pthread_mutex_lock(&record->lock);
    record->conn = conn;
    pthread_mutex_unlock(&record->lock);
}

static int32_t on_open(void *user_data, reactor_server *server, reactor_conn conn) {
    struct record *record = user_data;
    if (record->in_open != NULL) record->in_open(record, server, conn);
    remember(record, conn);
    return count(record, server, &record->opens, &record->open_action);
}

static void note_frame(struct record *record, const uint8_t *data, size_t len) {
    size_t used = strlen(record->frames);
    if (used + len + 2 > sizeof record->frames) return;
    memcpy(record->frames + used, data, len);
    strcpy(record->frames + used + len, "|");
}

static int32_t on_data(void *user_data, reactor_server *server, reactor_conn conn, const uint8_t *data, size_t len) {
    struct record *record = user_data;
    CHECK(data != NULL);
    if (record->in_data != NULL) record->in_data(record, server, conn);
    if (record->echo && reactor_conn_write(server, conn, data, len, NULL) != REACTOR_OK) return REACTOR_ACTION_CLOSE;
    pthread_mutex_lock(&record->lock);
    record->received += len;
    note_frame(record, data, len);
    if (record->opens == 0) record->conn = conn;
    pthread_mutex_unlock(&record->lock);
    return count(record, server, &record->datas, &record->data_action);
}

static int32_t on_eof(void *user_data, reactor_server *server, reactor_conn conn) {
    struct record *record = user_data;
    if (record->in_eof != NULL) record->in_eof(record, server, conn);
    return count(record, server, &record->eofs, &record->eof_action);
}

static int32_t on_drain(void *user_data, reactor_server *server, reactor_conn conn) {
    struct record *record = user_data;
    CHECK(conn != 0);
    return count(record, server, &record->drains, &record->drain_action);
}

static int32_t on_wake(void *user_data, reactor_server *server, reactor_conn conn) {
    struct record *record = user_data;
    if (record->in_wake != NULL) record->in_wake(record, server, conn);
    return count(record, server, &record->wakes, &record->wake_action);
}

static int32_t on_timer(void *user_data, reactor_server *server, reactor_conn conn, reactor_timer timer) {
    struct record *record = user_data;
    record->timer = timer;
    if (record->in_timer != NULL) record->in_timer(record, server, conn);
    return count(record, server, &record->timers, &record->timer_action);
}

static size_t copy_some(char *to, size_t capacity, const uint8_t *from, size_t len) {
    CHECK(from != NULL);
    memcpy(to, from, len < capacity ? len : capacity);
    return len;
}

static void on_detach(void *user_data, reactor_server *server, reactor_conn conn, int32_t descriptor,
                      const uint8_t *input, size_t input_len, const uint8_t *output, size_t output_len) {
    struct record *record = user_data;
    if (record->in_detach != NULL) record->in_detach(record, server, conn);
    record->descriptor = descriptor;
    record->detached_input_len = copy_some(record->detached_input, sizeof record->detached_input, input, input_len);
    record->detached_output_len = copy_some(record->detached_output, sizeof record->detached_output, output,
                                            output_len);
    count(record, server, &record->detaches, NULL);
}

static void on_close(void *user_data, reactor_server *server, reactor_conn conn, int32_t reason, int32_t error_number) {
    struct record *record = user_data;
    if (record->in_close != NULL) record->in_close(record, server, conn);
    pthread_mutex_lock(&record->lock);
    record->reason = reason;
    record->error_number = error_number;
    pthread_mutex_unlock(&record->lock);
    count(record, server, &record->closes, NULL);
}

static int64_t on_tick(void *user_data, reactor_server *server) {
    struct record *record = user_data;
    int64_t delay = record->tick_delay;
    if (record->in_tick != NULL) record->in_tick(record, server);
    count(record, server, &record->ticks, NULL);
    return delay;
}

static void on_pre_write(void *user_data, reactor_server *server) {
    struct record *record = user_data;
    if (record->in_pre_write != NULL) record->in_pre_write(record, server);
    count(record, server, &record->pre_writes, NULL);
}

static void on_stopping(void *user_data, reactor_server *server) {
    struct record *record = user_data;
    if (record->in_stopping != NULL) record->in_stopping(record, server);
    count(record, server, &record->stoppings, NULL);
}

static void on_stop(void *user_data, reactor_server *server) {
    struct record *record = user_data;
    if (record->in_stop != NULL) record->in_stop(record, server);
    count(record, server, &record->stops, NULL);
}

static void destroy(void *user_data) {
    struct record *record = user_data;
    record->destroys++;
}

reactor_callbacks record_callbacks(struct record *record) {
    return (reactor_callbacks){
        .size = sizeof(reactor_callbacks), .user_data = record, .destroy = destroy, .on_start = on_start,
        .on_open = on_open, .on_data = on_data, .on_eof = on_eof, .on_drain = on_drain, .on_wake = on_wake,
        .on_timer = on_timer, .on_detach = on_detach, .on_close = on_close, .on_tick = on_tick,
        .on_pre_write = on_pre_write, .on_stopping = on_stopping, .on_stop = on_stop,
    };
}

reactor_server *record_server(struct record *record, const reactor_options *options) {
    reactor_callbacks callbacks = record_callbacks(record);
    CHECK_OK(reactor_server_new(&callbacks, options, &record->server));
    CHECK_OK(reactor_server_listen(record->server, "tcp://127.0.0.1:0"));
    return record->server;
}

reactor_server *record_start(struct record *record, const reactor_options *options) {
    reactor_options one = {.size = sizeof one, .loops = 1};
    record_server(record, options == NULL ? &one : options);
    CHECK_OK(reactor_server_start(record->server));
    return record->server;
}

void record_count(struct record *record, int *counter) {
    pthread_mutex_lock(&record->lock);
    ++*counter;
    pthread_cond_broadcast(&record->changed);
    pthread_mutex_unlock(&record->lock);
}

int record_look(struct record *record, const int *counter) {
    pthread_mutex_lock(&record->lock);
    int value = *counter;
    pthread_mutex_unlock(&record->lock);
    return value;
}

static struct timespec deadline(void) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    time.tv_sec += LIMIT_SECONDS;
    return time;
}

void record_wait(struct record *record, const int *counter, int value) {
    struct timespec until = deadline();
    pthread_mutex_lock(&record->lock);
    while (*counter < value) {
        if (pthread_cond_timedwait(&record->changed, &record->lock, &until) != 0) {
            failed(__FILE__, __LINE__, "a counter stays at %d, and does not reach %d", *counter, value);
        }
    }
    pthread_mutex_unlock(&record->lock);
}

void record_wait_received(struct record *record, size_t bytes) {
    struct timespec until = deadline();
    pthread_mutex_lock(&record->lock);
    while (record->received < bytes) {
        if (pthread_cond_timedwait(&record->changed, &record->lock, &until) != 0) {
            failed(__FILE__, __LINE__, "received %zu bytes, not %zu", record->received, bytes);
        }
    }
    pthread_mutex_unlock(&record->lock);
}

static int connect_tcp(const char *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(client >= 0);
    CHECK_EQUAL(connect(client, (struct sockaddr *)&address, sizeof address), 0);
    return client;
}

static int connect_unix(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    CHECK(strlen(path) < sizeof address.sun_path);
    strcpy(address.sun_path, path);
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(client >= 0);
    CHECK_EQUAL(connect(client, (struct sockaddr *)&address, sizeof address), 0);
    return client;
}

int client_connect(reactor_server *server, size_t index) {
    char address[REACTOR_ADDRESS_CAPACITY];
    CHECK_OK(reactor_server_address(server, index, address, sizeof address, NULL));
    bool is_unix = strncmp(address, "unix://", 7) == 0;
    int client = is_unix ? connect_unix(address + 7) : connect_tcp(strrchr(address, ':') + 1);
    struct timeval limit = {.tv_sec = LIMIT_SECONDS};
    setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    return client;
}

int client_open(struct record *record) {
    int before = record_look(record, &record->opens);
    int client = client_connect(record->server, 0);
    record_wait(record, &record->opens, before + 1);
    return client;
}

void client_send(int client, const void *bytes, size_t length) {
    for (const char *at = bytes; length > 0;) {
        ssize_t sent = send(client, at, length, MSG_NOSIGNAL);
        if (sent <= 0) failed(__FILE__, __LINE__, "send: %s", strerror(errno));
        at += sent;
        length -= (size_t)sent;
    }
}

void client_expect(int client, const void *bytes, size_t length) {
    char buffer[16384];
    for (const char *at = bytes; length > 0;) {
        ssize_t got = recv(client, buffer, length < sizeof buffer ? length : sizeof buffer, 0);
        if (got <= 0) failed(__FILE__, __LINE__, "%zu bytes are missing: %s", length,
                             got == 0 ? "EOF" : strerror(errno));
        if (memcmp(buffer, at, (size_t)got) != 0) failed(__FILE__, __LINE__, "received other bytes than expected");
        at += got;
        length -= (size_t)got;
    }
}

void client_expect_eof(int client) {
    char byte;
    ssize_t got = recv(client, &byte, 1, 0);
    if (got != 0) failed(__FILE__, __LINE__, "no EOF: %s", got > 0 ? "a byte came" : strerror(errno));
}

void client_reset(int client) {
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(client);
}

void sleep_ms(long milliseconds) {
    struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    nanosleep(&time, NULL);
}

void thread_is_mine(atomic_int *thread) {
    *thread = (int)syscall(SYS_gettid);
}

/* Whether the thread is in poll(2), which every wait for a server ends in. */
static bool is_in_poll(int thread) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/syscall", thread);
    FILE *file = fopen(path, "r");
    long number = -1;
    if (file != NULL) {
        if (fscanf(file, "%ld", &number) != 1) number = -1;
        fclose(file);
    }
#ifdef SYS_poll
    if (number == SYS_poll) return true;
#endif
    return number == SYS_ppoll;
}

void thread_waits(atomic_int *thread) {
    for (int tries = 0; *thread == 0 || !is_in_poll(*thread); tries++) {
        CHECK(tries < LIMIT_SECONDS * 1000);
        sleep_ms(1);
    }
}
