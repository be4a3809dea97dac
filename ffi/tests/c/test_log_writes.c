/* M2, R5: the log's function may write to a connection, as an administrator's console does. */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include <unistd.h>

static struct record record;
static reactor_conn console;
static reactor_status written;
static int notes;

static void note(void *user_data, int32_t level, const char *message) {
    (void)user_data;
    (void)level;
    notes++;
    written = reactor_conn_write(record.server, console, (const uint8_t *)message, strlen(message), NULL);
}

static void it_may_write_to_a_connection(void) {
    reactor_options one = {.size = sizeof one, .loops = 1};
    reactor_framing *framing = NULL;
    record_init(&record);
    reactor_callbacks callbacks = record_callbacks(&record);
    CHECK_OK(reactor_set_log(note, NULL, NULL, REACTOR_LOG_DEBUG));
    CHECK_OK(reactor_framing_line(4, &framing));
    reactor_listen_options options = {.size = sizeof options, .framing = framing};
    CHECK_OK(reactor_server_new(&callbacks, &one, &record.server));
    CHECK_OK(reactor_server_listen_with(record.server, "tcp://127.0.0.1:0", &options, NULL));
    CHECK_OK(reactor_framing_free(framing));
    CHECK_OK(reactor_server_start(record.server));
    int admin = client_open(&record);
    client_send(admin, "a\n", 2);
    record_wait(&record, &record.opens, 1);
    console = record.conn;
    int client = client_open(&record);
    client_send(client, "too long", 8);
    record_wait(&record, &record.closes, 1);
    CHECK(notes > 0);
    CHECK_EQUAL(written, REACTOR_OK);
    close(client);
    close(admin);
    CHECK_OK(reactor_server_free(record.server));
}

TESTS(TEST(it_may_write_to_a_connection))
