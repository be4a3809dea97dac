/*
 * R2: writing to a peer that has gone ends one connection; a program that leaves SIGPIPE as it is lives on. The server
 * is driven by the test's own thread.
 */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static struct record record;
static int ends[2]; /* the engine's and the peer's */
static int watched; /* the engine's end, too: the engine does not keep the number that it is given */

static void make_unix_pair(void) {
    CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
}

static void make_tcp_pair(void) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQUAL(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    CHECK_EQUAL(listen(listener, 1), 0);
    CHECK_EQUAL(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    ends[1] = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQUAL(connect(ends[1], (struct sockaddr *)&address, sizeof address), 0);
    ends[0] = accept(listener, NULL, NULL);
    CHECK(ends[0] >= 0);
    close(listener);
}

/* Waits until the engine's end has the event. POLLHUP is always polled for; so is POLLERR, which may come before it. */
static void await_event(short event) {
    struct pollfd polled = {.fd = watched, .events = event};
    do {
        CHECK_EQUAL(poll(&polled, 1, 60000), 1);
        CHECK((polled.revents & POLLNVAL) == 0);
    } while ((polled.revents & event) == 0);
}

/* Takes the peer away. A reset behind the end of TCP's stream is EPIPE, and a signal; without it, it is ECONNRESET. */
static void lose_the_peer(void) {
    CHECK_EQUAL(shutdown(ends[1], SHUT_WR), 0);
    await_event(POLLIN);
    client_reset(ends[1]);
    await_event(POLLHUP);
}

static void write_little(reactor_server *server, reactor_conn conn) {
    CHECK_OK(reactor_conn_write(server, conn, (const uint8_t *)"x", 1, NULL));
}

/* The queue's first block is as small as the first write, and what it has no room for follows in another: they leave as
 * a gathered write. */
static void write_much(reactor_server *server, reactor_conn conn) {
    static const uint8_t more[100000];
    write_little(server, conn);
    CHECK_OK(reactor_conn_write(server, conn, more, sizeof more, NULL));
}

static void answer_little(struct record *of, reactor_server *server, reactor_conn conn) {
    (void)of;
    lose_the_peer();
    write_little(server, conn);
}

static void answer_much(struct record *of, reactor_server *server, reactor_conn conn) {
    (void)of;
    lose_the_peer();
    write_much(server, conn);
}

static void turn_until(const int *counter, int value) {
    uint32_t running = 1;
    while (*counter < value) {
        CHECK(running == 1);
        CHECK_OK(reactor_server_turn(record.server, REACTOR_NEVER, &running));
    }
}

/* Has a byte read, in whose callback the peer may go. */
static void start(void (*make_pair)(void), void (*in_data)(struct record *, reactor_server *, reactor_conn)) {
    reactor_options one = {.size = sizeof one, .loops = 1};
    record_init(&record);
    record.in_data = in_data;
    record_server(&record, &one);
    CHECK_OK(reactor_server_start_hosted(record.server));
    make_pair();
    watched = dup(ends[0]);
    CHECK(watched >= 0);
    client_send(ends[1], "x", 1);
    reactor_conn conn = 0;
    CHECK_OK(reactor_server_enroll(record.server, ends[0], NULL, &conn));
    turn_until(&record.datas, 1);
    CHECK_EQUAL(record.received, 1);
    CHECK(record.conn == conn);
}

static void finish(void) {
    turn_until(&record.closes, 1);
    CHECK_EQUAL(record.reason, REACTOR_CLOSE_RESET);
    /* It is the write that failed: otherwise there was nothing to be signalled. */
    CHECK_EQUAL(record.error_number, EPIPE);
    CHECK_OK(reactor_server_free(record.server));
    CHECK_EQUAL(record.destroys, 1);
    close(watched);
}

/* Undoes what the tests' machinery does, and whoever started this program may have done. */
static void let_the_signal_end_the_program(void) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGPIPE);
    CHECK_EQUAL(pthread_sigmask(SIG_UNBLOCK, &signals, NULL), 0);
    CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
}

static void answer_nobody(void (*make_pair)(void), void (*answer)(struct record *, reactor_server *, reactor_conn)) {
    let_the_signal_end_the_program();
    start(make_pair, answer);
    finish();
}

/* The same, but the host writes, between two turns. */
static void write_to_nobody(void (*make_pair)(void), void (*write_some)(reactor_server *, reactor_conn)) {
    let_the_signal_end_the_program();
    start(make_pair, NULL);
    lose_the_peer();
    write_some(record.server, record.conn);
    finish();
}

static void an_answer_over_unix(void) {
    answer_nobody(make_unix_pair, answer_little);
}

static void an_answer_over_tcp(void) {
    answer_nobody(make_tcp_pair, answer_little);
}

static void a_gathered_answer_over_unix(void) {
    answer_nobody(make_unix_pair, answer_much);
}

static void a_gathered_answer_over_tcp(void) {
    answer_nobody(make_tcp_pair, answer_much);
}

static void a_write_between_turns_over_unix(void) {
    write_to_nobody(make_unix_pair, write_little);
}

static void a_write_between_turns_over_tcp(void) {
    write_to_nobody(make_tcp_pair, write_little);
}

static void a_gathered_write_between_turns_over_unix(void) {
    write_to_nobody(make_unix_pair, write_much);
}

static void a_gathered_write_between_turns_over_tcp(void) {
    write_to_nobody(make_tcp_pair, write_much);
}

TESTS(TEST(an_answer_over_unix), TEST(an_answer_over_tcp), TEST(a_gathered_answer_over_unix),
      TEST(a_gathered_answer_over_tcp), TEST(a_write_between_turns_over_unix), TEST(a_write_between_turns_over_tcp),
      TEST(a_gathered_write_between_turns_over_unix), TEST(a_gathered_write_between_turns_over_tcp))
