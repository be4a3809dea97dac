/* D2: frames cut by the engine, their errors, keep, and frames written. */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include <sys/socket.h>
#include <unistd.h>

static struct record record;
static int destroyed;

/* A server whose connections have the framing, which is freed as soon as it listens. NULL: none. */
static int set_up(reactor_framing *framing) {
    record_init(&record);
    reactor_options one = {.size = sizeof one, .loops = 1};
    reactor_callbacks callbacks = record_callbacks(&record);
    CHECK_OK(reactor_server_new(&callbacks, &one, &record.server));
    reactor_listen_options options = {.size = sizeof options, .framing = framing};
    CHECK_OK(reactor_server_listen_with(record.server, "tcp://127.0.0.1:0", &options, NULL));
    CHECK_OK(reactor_framing_free(framing));
    CHECK_OK(reactor_server_start(record.server));
    return client_open(&record);
}

static void tear_down(int client) {
    close(client);
    CHECK_OK(reactor_server_free(record.server));
    CHECK_EQUAL(record.closes, 1);
}

/* Sends byte by byte, so that frames come in pieces. */
static void send_slowly(int client, const char *bytes, size_t length) {
    for (size_t i = 0; i < length; i++) client_send(client, bytes + i, 1);
}

static void expect_frames(int count, const char *frames) {
    record_wait(&record, &record.datas, count);
    if (strcmp(record.frames, frames) != 0) failed(__FILE__, __LINE__, "the frames are %s, not %s", record.frames,
                                                   frames);
}

static void fixed(void) {
    reactor_framing *framing = NULL;
    CHECK_OK(reactor_framing_fixed(3, 0, &framing));
    int client = set_up(framing);
    send_slowly(client, "abcdefg", 7);
    expect_frames(2, "abc|def|");
    shutdown(client, SHUT_WR); /* in the middle of a frame */
    record_wait(&record, &record.closes, 1);
    CHECK_EQUAL(record.reason, REACTOR_CLOSE_PROTOCOL);
    tear_down(client);
}

static void lines_in_and_out(void) {
    reactor_framing *framing = NULL;
    CHECK_OK(reactor_framing_line(8, &framing));
    int client = set_up(framing);
    client_send(client, "one\r\n\ntwo\n", 10);
    expect_frames(3, "one||two|");
    CHECK_OK(reactor_conn_write_frame(record.server, record.conn, (const uint8_t *)"three", 5, NULL));
    client_expect(client, "three\n", 6);
    client_send(client, "too long for it", 15);
    record_wait(&record, &record.closes, 1);
    CHECK_EQUAL(record.reason, REACTOR_CLOSE_PROTOCOL);
    CHECK_EQUAL(record.datas, 3);
    tear_down(client);
}

static void several_delimiters_kept_and_a_rest(void) {
    struct iovec both[] = {{(void *)";", 1}, {(void *)"\r\n", 2}};
    reactor_framing *plain = NULL, *framing = NULL;
    CHECK_OK(reactor_framing_delimiters(both, 2, 0, &plain));
    CHECK_OK(reactor_framing_with(plain, REACTOR_FRAMING_KEEP_DELIMITER | REACTOR_FRAMING_DELIVER_REST, &framing));
    CHECK_OK(reactor_framing_free(plain));
    int client = set_up(framing);
    send_slowly(client, "1;2\r\n3", 6);
    expect_frames(2, "1;|2\r\n|");
    CHECK_OK(reactor_conn_write_frame(record.server, record.conn, (const uint8_t *)"4\r\n", 3, NULL));
    client_expect(client, "4\r\n", 3);
    shutdown(client, SHUT_WR);
    expect_frames(3, "1;|2\r\n|3|");
    record_wait(&record, &record.closes, 1);
    CHECK_EQUAL(record.reason, REACTOR_CLOSE_EOF);
    tear_down(client);
}

static void settings_of_framings_are_checked(void) {
    reactor_framing *framing = NULL, *other = NULL;
    CHECK_FAILS(reactor_framing_with(NULL, 0, &other), REACTOR_STATUS_INVALID_ARGUMENT, "framing is NULL");
    CHECK_OK(reactor_framing_fixed(3, 0, &framing));
    CHECK_FAILS(reactor_framing_with(framing, 4, &other), REACTOR_STATUS_INVALID_ARGUMENT, "settings is 4");
    CHECK_FAILS(reactor_framing_with(framing, 1, NULL), REACTOR_STATUS_INVALID_ARGUMENT, "out_framing is NULL");
    CHECK(other == NULL);
    CHECK_FAILS(reactor_framing_delimiters(NULL, 1, 0, &other), REACTOR_STATUS_INVALID_ARGUMENT, "slices is NULL");
    CHECK_OK(reactor_framing_free(framing));
}

/* Writes the arguments, each with a '|' behind it. */
static void write_arguments(struct record *told, reactor_server *server, reactor_conn conn) {
    static const char data[] = "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
    const reactor_place *places = NULL;
    size_t count = 0;
    told->statuses[0] = reactor_conn_arguments(server, conn, &places, &count);
    for (size_t i = 0; i < count; i++) {
        reactor_conn_write(server, conn, (const uint8_t *)data + places[i].offset, places[i].len, NULL);
        reactor_conn_write(server, conn, (const uint8_t *)"|", 1, NULL);
    }
    told->statuses[1] = reactor_conn_arguments(server, conn, NULL, &count);
    told->statuses[2] = reactor_conn_arguments(server, conn, &places, NULL);
    told->statuses[3] = reactor_conn_arguments(NULL, conn, &places, &count);
    told->statuses[4] = reactor_conn_arguments(server, conn + 1, &places, &count);
    reactor_conn_wake(server, conn);
}

static void ask_again(struct record *told, reactor_server *server, reactor_conn conn) {
    const reactor_place *places = NULL;
    size_t count = 0;
    told->statuses[5] = reactor_conn_arguments(server, conn, &places, &count);
}

static void commands(void) {
    reactor_framing *framing = NULL;
    CHECK_OK(reactor_framing_resp(2, 0, &framing));
    int client = set_up(framing);
    record.in_data = write_arguments;
    record.in_wake = ask_again;
    send_slowly(client, "*0\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", 24);
    client_expect(client, "GET|k|", 6);
    record_wait(&record, &record.wakes, 1);
    const reactor_place *places = NULL;
    size_t count = 7;
    CHECK_FAILS(reactor_conn_arguments(record.server, record.conn, &places, &count), REACTOR_STATUS_WRONG_THREAD, "loop");
    CHECK(places == NULL);
    CHECK_EQUAL(count, 7);
    client_send(client, "*3\r\n", 4);
    client_expect(client, "-ERR Protocol error: invalid multibulk length\r\n", 47);
    client_expect_eof(client);
    tear_down(client);
    CHECK_OK(record.statuses[0]);
    for (int i = 1; i <= 3; i++) CHECK_STATUS(record.statuses[i], REACTOR_STATUS_INVALID_ARGUMENT);
    CHECK_STATUS(record.statuses[4], REACTOR_STATUS_CLOSED);
    CHECK_STATUS(record.statuses[5], REACTOR_STATUS_WRONG_STATE);
    CHECK_EQUAL(record.reason, REACTOR_CLOSE_PROTOCOL);
}

static void delimiters(void) {
    reactor_framing *framing = NULL;
    char delimiter[] = "ab";
    CHECK_OK(reactor_framing_delimiter((const uint8_t *)delimiter, 2, 0, &framing));
    delimiter[0] = 'x'; /* it was copied */
    int client = set_up(framing);
    send_slowly(client, "1ab2aab3", 8);
    expect_frames(2, "1|2a|");
    CHECK_OK(reactor_conn_write_frame(record.server, record.conn, (const uint8_t *)"4", 1, NULL));
    client_expect(client, "4ab", 3);
    tear_down(client);
}

static void length_fields(void) {
    reactor_framing *framing = NULL;
    reactor_length_field field = {.size = sizeof field, .width = 2};
    CHECK_OK(reactor_framing_length_field(&field, 0, &framing));
    int client = set_up(framing);
    send_slowly(client, "\0\2ab\0\0\0\1c", 9);
    expect_frames(3, "ab||c|");
    CHECK_OK(reactor_conn_write_frame(record.server, record.conn, (const uint8_t *)"xyz", 3, NULL));
    client_expect(client, "\0\3xyz", 5);
    tear_down(client);
    /* A little-endian byte behind a tag, which counts the whole frame; all of it is delivered. */
    field = (reactor_length_field){.size = sizeof field, .offset = 1, .width = 1, .order = REACTOR_BYTE_ORDER_LITTLE,
                                   .adjustment = -2, .strip = REACTOR_STRIP_NOTHING};
    CHECK_OK(reactor_framing_length_field(&field, 100, &framing));
    client = set_up(framing);
    send_slowly(client, "T\5abcU\3d", 8);
    expect_frames(2, "T\5abc|U\3d|");
    tear_down(client);
    field.strip = 1;
    CHECK_OK(reactor_framing_length_field(&field, 100, &framing));
    client = set_up(framing);
    client_send(client, "T\5abc", 5);
    expect_frames(1, "\5abc|");
    tear_down(client);
    field.width = 5;
    CHECK_FAILS(reactor_framing_length_field(&field, 0, &framing), REACTOR_STATUS_INVALID_ARGUMENT,
                "field->width is 5");
    field.size = 3;
    CHECK_FAILS(reactor_framing_length_field(&field, 0, &framing), REACTOR_STATUS_INVALID_ARGUMENT, "field->size is 3");
}

static void destroy(void *user_data) {
    CHECK(user_data == &destroyed);
    CHECK_STATUS(reactor_server_free(record.server), REACTOR_STATUS_WRONG_THREAD);
    destroyed++;
}

static int asked_again;

/* "3abc": a digit and as many bytes, also behind a dot; "?" is malformed. */
static ptrdiff_t measure(void *user_data, const uint8_t *data, size_t len) {
    CHECK(user_data == &destroyed && len > 0);
    if (data[0] == '?') return -1;
    if (data[0] == '.' && len < 2) {
        record_count(&record, &asked_again);
        return 0;
    }
    if (data[0] == '.') return data[1] - '0' + 2;
    return data[0] - '0' + 1;
}

static void functions_of_the_programs_own(void) {
    reactor_framing *framing = NULL;
    destroyed = asked_again = 0;
    CHECK_OK(reactor_framing_custom(measure, &destroyed, destroy, 0, &framing));
    int client = set_up(framing);
    CHECK_EQUAL(destroyed, 0);
    send_slowly(client, "3abc0.", 6);
    record_wait(&record, &asked_again, 1);
    send_slowly(client, "2xy1", 4);
    expect_frames(3, "3abc|0|.2xy|");
    CHECK_FAILS(reactor_conn_write_frame(record.server, record.conn, (const uint8_t *)"x", 1, NULL),
                REACTOR_STATUS_INVALID_ARGUMENT, "");
    client_send(client, "z?", 2);
    record_wait(&record, &record.closes, 1);
    CHECK_EQUAL(record.reason, REACTOR_CLOSE_PROTOCOL);
    CHECK_EQUAL(record.datas, 4);
    tear_down(client);
    CHECK_EQUAL(destroyed, 1);
}

static void a_framing_nobody_uses(void) {
    reactor_framing *framing = NULL;
    destroyed = 0;
    CHECK_OK(reactor_framing_custom(measure, &destroyed, destroy, 0, &framing));
    CHECK_OK(reactor_framing_free(framing));
    CHECK_EQUAL(destroyed, 1);
}

static void contradictions_are_refused_where_they_are_used(void) {
    reactor_framing *framing = NULL;
    CHECK_OK(reactor_framing_fixed(0, 0, &framing));
    record_init(&record);
    record_start(&record, NULL);
    reactor_listen_options options = {.size = sizeof options, .framing = framing};
    CHECK_FAILS(reactor_server_listen_with(record.server, "tcp://127.0.0.1:0", &options, NULL),
                REACTOR_STATUS_INVALID_ARGUMENT, "at least one byte");
    int client = client_open(&record);
    CHECK_FAILS(reactor_conn_set_framing(record.server, record.conn, framing), REACTOR_STATUS_INVALID_ARGUMENT,
                "at least one byte");
    CHECK_FAILS(reactor_conn_write_frame(record.server, record.conn, (const uint8_t *)"x", 1, NULL),
                REACTOR_STATUS_INVALID_ARGUMENT, "has no framing");
    CHECK_OK(reactor_framing_free(framing));
    tear_down(client);
}

static void begin_lines(struct record *of, reactor_server *server, reactor_conn conn) {
    reactor_framing *framing = NULL;
    CHECK_OK(reactor_framing_line(0, &framing));
    CHECK_OK(reactor_conn_set_framing(server, conn, of->datas == 0 ? framing : NULL));
    CHECK_OK(reactor_framing_free(framing));
}

static void changed_from_a_callback(void) {
    int client = set_up(NULL);
    record.in_data = begin_lines;
    client_send(client, "raw", 3);
    expect_frames(1, "raw|");
    send_slowly(client, "line\n", 5);
    expect_frames(2, "raw|line|");
    client_send(client, "raw again", 9);
    expect_frames(3, "raw|line|raw again|");
    tear_down(client);
}

static void keep_two(struct record *of, reactor_server *server, reactor_conn conn) {
    CHECK_FAILS(reactor_conn_keep(server, conn, 100), REACTOR_STATUS_INVALID_ARGUMENT, "cannot keep 100 of ");
    if (of->datas == 0) of->statuses[0] = reactor_conn_keep(server, conn, 2);
}

static void keep_outside(struct record *of, reactor_server *server, reactor_conn conn) {
    of->statuses[1] = reactor_conn_keep(server, conn, 0);
}

static void what_is_kept_comes_again(void) {
    record_init(&record);
    record.in_data = keep_two;
    record.in_open = keep_outside;
    record_start(&record, NULL);
    int client = client_open(&record);
    client_send(client, "abcd", 4);
    expect_frames(1, "abcd|");
    client_send(client, "ef", 2);
    expect_frames(2, "abcd|cdef|");
    CHECK_OK(record.statuses[0]);
    CHECK_STATUS(record.statuses[1], REACTOR_STATUS_WRONG_STATE);
    tear_down(client);
}

TESTS(TEST(fixed), TEST(lines_in_and_out), TEST(commands), TEST(delimiters), TEST(several_delimiters_kept_and_a_rest),
      TEST(settings_of_framings_are_checked), TEST(length_fields), TEST(functions_of_the_programs_own), TEST(a_framing_nobody_uses),
      TEST(contradictions_are_refused_where_they_are_used), TEST(changed_from_a_callback),
      TEST(what_is_kept_comes_again))
