/* R2: writing to a peer that has gone ends one connection; a program that leaves SIGPIPE as it is lives on. */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static struct record record;

/* More than fits one block of the queue, so that it leaves as a gathered write. */
static void write_much(struct record *written, reactor_server *server, reactor_conn conn) {
    static uint8_t block[100000];
    (void)written;
    for (int i = 0; i < 2; i++) CHECK_OK(reactor_conn_write(server, conn, block, sizeof block, NULL));
}

/* The peer asks and is gone before the answer; the answer is the callback's. */
static void answer_nobody(void (*in_data)(struct record *, reactor_server *, reactor_conn)) {
    record_init(&record);
    record.in_data = in_data;
    record.echo = in_data == NULL;
    record_start(&record, NULL);
    int ends[2];
    CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    client_send(ends[1], "x", 1);
    close(ends[1]);
    CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    reactor_conn conn = 0;
    CHECK_OK(reactor_server_enroll(record.server, ends[0], NULL, &conn));
    record_wait(&record, &record.closes, 1);
    CHECK_EQUAL(record.received, 1);
    CHECK_EQUAL(record.reason, REACTOR_CLOSE_RESET);
    CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    close(ends[0]);
    CHECK_OK(reactor_server_free(record.server));
}

static void a_write(void) {
    answer_nobody(NULL);
}

static void a_gathered_write(void) {
    answer_nobody(write_much);
}

TESTS(TEST(a_write), TEST(a_gathered_write))
