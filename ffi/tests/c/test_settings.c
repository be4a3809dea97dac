/* L7, A3, A4, T3, D5: what can be read and set of a connection, and the options that it begins with. */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static struct record record;

/* A server of one loop that listens at url with options. */
static void listen_with(const char *url, reactor_listen_options options) {
    record_init(&record);
    reactor_options one = {.size = sizeof one, .loops = 1};
    reactor_callbacks callbacks = record_callbacks(&record);
    options.size = sizeof options;
    CHECK_OK(reactor_server_new(&callbacks, &one, &record.server));
    CHECK_OK(reactor_server_listen_with(record.server, url, &options, NULL));
    CHECK_OK(reactor_server_start(record.server));
}

static void tear_down(int client) {
    close(client);
    CHECK_OK(reactor_server_free(record.server));
    CHECK_EQUAL(record.closes, 1);
}

static void numbers_of_a_connection(void) {
    listen_with("tcp://127.0.0.1:0", (reactor_listen_options){0});
    int client = client_open(&record);
    client_send(client, "12345", 5);
    record_wait_received(&record, 5);
    CHECK_OK(reactor_conn_write(record.server, record.conn, (const uint8_t *)"123", 3, NULL));
    client_expect(client, "123", 3);
    reactor_info info = {.size = sizeof info};
    reactor_listener listener = 0;
    CHECK_OK(reactor_server_listeners(record.server, &listener, 1, NULL));
    do { /* what was sent is counted after the peer has it */
        CHECK_OK(reactor_conn_info(record.server, record.conn, &info));
    } while (info.sent < 3);
    CHECK_EQUAL(info.size, sizeof info);
    CHECK_EQUAL(info.listener, listener);
    CHECK_EQUAL(info.on_loop, 0);
    CHECK_EQUAL(info.received, 5);
    CHECK_EQUAL(info.sent, 3);
    CHECK_EQUAL(info.queued, 0);
    CHECK(info.age_ms < 3600000);
    tear_down(client);
}

static void look_in_close(struct record *of, reactor_server *server, reactor_conn conn) {
    reactor_info info = {.size = sizeof info};
    CHECK_OK(reactor_conn_info(server, conn, &info));
    CHECK_EQUAL(info.received, 2);
    char address[REACTOR_ADDRESS_CAPACITY];
    of->statuses[0] = reactor_conn_remote_address(server, conn, address, sizeof address, NULL);
    CHECK(strncmp(address, "127.0.0.1:", 10) == 0);
    char url[REACTOR_ADDRESS_CAPACITY];
    CHECK_OK(reactor_conn_local_address(server, conn, address, sizeof address, NULL));
    CHECK_OK(reactor_server_address(server, 0, url, sizeof url, NULL));
    CHECK(strcmp(url + strlen("tcp://"), address) == 0);
}

static void numbers_and_address_in_on_close(void) {
    listen_with("tcp://127.0.0.1:0", (reactor_listen_options){0});
    record.in_close = look_in_close;
    int client = client_open(&record);
    client_send(client, "xy", 2);
    record_wait_received(&record, 2);
    tear_down(client);
    CHECK_OK(record.statuses[0]);
}

static void addresses_of_both_ends(void) {
    listen_with("tcp://127.0.0.1:0", (reactor_listen_options){0});
    int client = client_open(&record);
    struct sockaddr_in own;
    socklen_t own_len = sizeof own;
    CHECK_EQUAL(getsockname(client, (struct sockaddr *)&own, &own_len), 0);
    char expected[32], remote[REACTOR_ADDRESS_CAPACITY], local[REACTOR_ADDRESS_CAPACITY], url[REACTOR_ADDRESS_CAPACITY];
    snprintf(expected, sizeof expected, "127.0.0.1:%d", ntohs(own.sin_port));
    size_t length = 0, needed = 0;
    CHECK_OK(reactor_conn_remote_address(record.server, record.conn, remote, sizeof remote, &length));
    CHECK(strcmp(remote, expected) == 0);
    CHECK_EQUAL(length, strlen(expected));
    CHECK_OK(reactor_conn_remote_address(record.server, record.conn, NULL, 0, &needed));
    CHECK_EQUAL(needed, length);
    CHECK_FAILS(reactor_conn_remote_address(record.server, record.conn, remote, length, NULL),
                REACTOR_STATUS_INVALID_ARGUMENT, "capacity is");
    CHECK_OK(reactor_conn_local_address(record.server, record.conn, local, sizeof local, NULL));
    CHECK_OK(reactor_server_address(record.server, 0, url, sizeof url, NULL));
    CHECK(strcmp(url + strlen("tcp://"), local) == 0);
    tear_down(client);
}

static void credentials_of_a_unix_peer(void) {
    char url[64];
    snprintf(url, sizeof url, "unix:///tmp/reactor-c-settings-%d.sock", (int)getpid());
    listen_with(url, (reactor_listen_options){.unix_mode = 0600});
    struct stat status;
    CHECK_EQUAL(stat(url + 7, &status), 0);
    CHECK_EQUAL(status.st_mode & 0777, 0600);
    int client = client_open(&record);
    int32_t pid = 0;
    uint32_t uid = 7, gid = 7;
    CHECK_OK(reactor_conn_peer_credentials(record.server, record.conn, &pid, &uid, &gid));
    CHECK_EQUAL(pid, getpid());
    CHECK_EQUAL(uid, geteuid());
    CHECK_EQUAL(gid, getegid());
    char local[REACTOR_ADDRESS_CAPACITY];
    CHECK_OK(reactor_conn_local_address(record.server, record.conn, local, sizeof local, NULL));
    CHECK(strcmp(local, url + 7) == 0);
    tear_down(client);
}

static void options_of_a_socket(void) {
    listen_with("tcp://127.0.0.1:0", (reactor_listen_options){0});
    int client = client_open(&record);
    const reactor_status wrong = REACTOR_STATUS_INVALID_ARGUMENT;
    CHECK_OK(reactor_conn_set_option(record.server, record.conn, REACTOR_OPTION_RCVBUF, 100000));
    CHECK_FAILS(reactor_conn_set_option(record.server, record.conn, 99, 1), wrong, "option is 99");
    CHECK_FAILS(reactor_conn_set_option(record.server, record.conn, REACTOR_OPTION_NODELAY, 2), wrong, "value is 2");
    CHECK_STATUS(reactor_conn_set_option(record.server, record.conn, REACTOR_OPTION_TTL, 256), wrong);
    CHECK_STATUS(reactor_conn_set_option(record.server, record.conn, REACTOR_OPTION_BROADCAST, 1),
                 REACTOR_STATUS_SYSTEM);
    CHECK_EQUAL(reactor_last_errno(), EOPNOTSUPP);
    CHECK_OK(reactor_conn_set_keepalive(record.server, record.conn, REACTOR_ON, 100, 10, 3));
    CHECK_OK(reactor_conn_set_keepalive(record.server, record.conn, REACTOR_OFF, 0, 0, 0));
    CHECK_FAILS(reactor_conn_set_keepalive(record.server, record.conn, 0, 0, 0, 0), wrong, "on is 0");
    CHECK_FAILS(reactor_conn_set_keepalive(record.server, record.conn, REACTOR_OFF, 1, 0, 0), wrong, "REACTOR_OFF");
    CHECK_STATUS(reactor_conn_set_keepalive(record.server, record.conn, REACTOR_ON, 40000, 0, 0), wrong);
    tear_down(client);
}

/* The socket's own options, as the kernel has them, of a connection that is detached for it. */
static void options_of_a_listener_reach_the_socket(void) {
    listen_with("tcp://127.0.0.1:0", (reactor_listen_options){.nodelay = REACTOR_OFF, .keepalive_idle_s = 77,
                .backlog = 5});
    int client = client_open(&record);
    CHECK_OK(reactor_conn_detach(record.server, record.conn));
    record_wait(&record, &record.detaches, 1);
    int on = 7, idle = 7;
    socklen_t length = sizeof on;
    CHECK_EQUAL(getsockopt(record.descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, &length), 0);
    CHECK_EQUAL(getsockopt(record.descriptor, IPPROTO_TCP, 4 /* TCP_KEEPIDLE */, &idle, &length), 0);
    CHECK_EQUAL(on, 1);
    CHECK_EQUAL(idle, 77);
    CHECK_EQUAL(getsockopt(record.descriptor, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, &length), 0);
    CHECK_EQUAL(on, 0);
    close(record.descriptor);
    close(client);
    CHECK_OK(reactor_server_free(record.server));
}

static void an_idle_connection_is_closed(void) {
    listen_with("tcp://127.0.0.1:0", (reactor_listen_options){.idle_ms = 20});
    int client = client_open(&record);
    client_expect_eof(client);
    close(client);
    record_wait(&record, &record.closes, 1);
    CHECK_EQUAL(record.reason, REACTOR_CLOSE_IDLE);
    CHECK_OK(reactor_server_free(record.server));
}

static void time_outs_set_by_hand(void) {
    listen_with("tcp://127.0.0.1:0", (reactor_listen_options){.idle_ms = REACTOR_NEVER});
    int client = client_open(&record);
    CHECK_FAILS(reactor_conn_set_timeouts(record.server, record.conn, 0, -2, 0), REACTOR_STATUS_INVALID_ARGUMENT,
                "read_ms is -2");
    CHECK_OK(reactor_conn_set_timeouts(record.server, record.conn, REACTOR_NEVER, 20, 0));
    client_expect_eof(client);
    close(client);
    record_wait(&record, &record.closes, 1);
    CHECK_EQUAL(record.reason, REACTOR_CLOSE_TIMED_OUT);
    CHECK_OK(reactor_server_free(record.server));
}

TESTS(TEST(numbers_of_a_connection), TEST(numbers_and_address_in_on_close), TEST(addresses_of_both_ends),
      TEST(credentials_of_a_unix_peer), TEST(options_of_a_socket), TEST(options_of_a_listener_reach_the_socket),
      TEST(an_idle_connection_is_closed), TEST(time_outs_set_by_hand))
