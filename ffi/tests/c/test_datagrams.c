/* D6: UDP endpoints: senders, answers, datagrams to anyone, and what they refuse. */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static struct record record;
static reactor_listener listener;
static reactor_conn endpoint;
static struct sockaddr_in server_address, sender;
static uint64_t truncated;

static void set_up(void) {
    record_init(&record);
    reactor_options one = {.size = sizeof one, .loops = 1};
    reactor_callbacks callbacks = record_callbacks(&record);
    CHECK_OK(reactor_server_new(&callbacks, &one, &record.server));
    CHECK_OK(reactor_server_listen_with(record.server, "udp://127.0.0.1:0", NULL, &listener));
    CHECK_OK(reactor_server_start(record.server));
    char url[REACTOR_ADDRESS_CAPACITY];
    CHECK_OK(reactor_server_listener_address(record.server, listener, url, sizeof url, NULL));
    CHECK(strncmp(url, "udp://127.0.0.1:", 16) == 0);
    server_address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(url + 16))};
    server_address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    size_t count = 0;
    CHECK_OK(reactor_server_endpoints(record.server, listener, &endpoint, 1, &count));
    CHECK_EQUAL(count, 1);
}

static void tear_down(void) {
    CHECK_OK(reactor_server_free(record.server));
    CHECK_EQUAL(record.opens + record.closes, 0);
}

static int open_peer(struct sockaddr_in *address) {
    int peer = socket(AF_INET, SOCK_DGRAM, 0);
    socklen_t length = sizeof *address;
    *address = (struct sockaddr_in){.sin_family = AF_INET};
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK_EQUAL(bind(peer, (struct sockaddr *)address, sizeof *address), 0);
    CHECK_EQUAL(getsockname(peer, (struct sockaddr *)address, &length), 0);
    CHECK_EQUAL(connect(peer, (struct sockaddr *)&server_address, sizeof server_address), 0);
    struct timeval limit = {.tv_sec = 60};
    setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return peer;
}

static void look(struct record *of, reactor_server *server, reactor_conn conn) {
    (void)of;
    CHECK(conn == endpoint);
    reactor_datagram datagram = {.size = sizeof datagram, .truncated = 7};
    CHECK_OK(reactor_conn_datagram(server, conn, &datagram));
    CHECK_EQUAL(datagram.sender_len, sizeof sender);
    memcpy(&sender, datagram.sender, sizeof sender);
    const struct sockaddr_in *destination = (const void *)datagram.destination;
    CHECK_EQUAL(datagram.destination_len, sizeof *destination);
    CHECK_EQUAL(destination->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    CHECK_EQUAL(destination->sin_port, 0);
    CHECK_EQUAL(datagram.interface, if_nametoindex("lo"));
    /* As a program of before has it. */
    reactor_datagram shorter = {.size = offsetof(reactor_datagram, destination)};
    CHECK_OK(reactor_conn_datagram(server, conn, &shorter));
    CHECK(shorter.destination == NULL);
    truncated = datagram.truncated;
    CHECK_STATUS(reactor_conn_keep(server, conn, 0), REACTOR_STATUS_WRONG_STATE);
}

static void echo_to_the_sender(void) {
    set_up();
    record.in_data = look;
    record.echo = true;
    for (int i = 0; i < 2; i++) {
        struct sockaddr_in address;
        int peer = open_peer(&address);
        char buffer[64];
        CHECK_EQUAL(send(peer, "ping", 4, 0), 4);
        CHECK_EQUAL(recv(peer, buffer, sizeof buffer, 0), 4);
        CHECK(memcmp(buffer, "ping", 4) == 0);
        CHECK_EQUAL(sender.sin_family, AF_INET);
        CHECK_EQUAL(sender.sin_port, address.sin_port);
        CHECK_EQUAL(sender.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
        CHECK_EQUAL(truncated, 0);
        close(peer);
    }
    tear_down();
}

static void empty_datagrams_count(void) {
    set_up();
    record.in_data = look;
    record.echo = true;
    struct sockaddr_in address;
    int peer = open_peer(&address);
    char buffer[64];
    CHECK_EQUAL(send(peer, "", 0, 0), 0);
    CHECK_EQUAL(recv(peer, buffer, sizeof buffer, 0), 0);
    CHECK_EQUAL(record.datas, 1);
    CHECK_EQUAL(record.received, 0);
    close(peer);
    tear_down();
}

static void sending_to_anyone(void) {
    set_up();
    struct sockaddr_in address;
    int peer = open_peer(&address);
    char buffer[64];
    uint32_t pressure = 7;
    CHECK_OK(reactor_conn_send_to(record.server, endpoint, (struct sockaddr *)&address, sizeof address,
                                  (const uint8_t *)"unasked", 7, &pressure));
    CHECK_EQUAL(pressure, REACTOR_PRESSURE_LOW);
    CHECK_EQUAL(recv(peer, buffer, sizeof buffer, 0), 7);
    CHECK(memcmp(buffer, "unasked", 7) == 0);
    close(peer);
    tear_down();
}

static void addresses_that_are_none(void) {
    set_up();
    const reactor_status wrong = REACTOR_STATUS_INVALID_ARGUMENT;
    const uint8_t *bytes = (const uint8_t *)"x";
    struct sockaddr_in address = server_address;
    const struct sockaddr *to = (struct sockaddr *)&address;
    CHECK_FAILS(reactor_conn_send_to(record.server, endpoint, to, 3, bytes, 1, NULL), wrong, "to_len is 3");
    address.sin_family = AF_UNIX;
    CHECK_FAILS(reactor_conn_send_to(record.server, endpoint, to, sizeof address, bytes, 1, NULL), wrong,
                "the family 1");
    address.sin_family = AF_INET;
    address.sin_port = 0;
    CHECK_FAILS(reactor_conn_send_to(record.server, endpoint, to, sizeof address, bytes, 1, NULL), wrong, "port 0");
    address.sin_port = htons(9);
    static const uint8_t too_many[70000];
    CHECK_STATUS(reactor_conn_send_to(record.server, endpoint, to, sizeof address, too_many, sizeof too_many, NULL),
                 wrong);
    tear_down();
}

static void what_endpoints_refuse(void) {
    set_up();
    const reactor_status no = REACTOR_STATUS_UNSUPPORTED;
    CHECK_STATUS(reactor_conn_close(record.server, endpoint), no);
    CHECK_STATUS(reactor_conn_abort(record.server, endpoint), no);
    CHECK_STATUS(reactor_conn_detach(record.server, endpoint), no);
    CHECK_STATUS(reactor_conn_end(record.server, endpoint), no);
    CHECK_STATUS(reactor_conn_write(record.server, endpoint, (const uint8_t *)"x", 1, NULL), no);
    CHECK_STATUS(reactor_server_endpoints(record.server, 0, NULL, 0, NULL), REACTOR_STATUS_INVALID_ARGUMENT);
    tear_down();
}

static void closing_the_listener_closes_the_endpoint(void) {
    set_up();
    CHECK_OK(reactor_server_close_listener(record.server, listener));
    struct sockaddr_in address;
    int peer = open_peer(&address);
    /* The endpoint may take a moment to go. */
    while (send(peer, "x", 1, MSG_NOSIGNAL) >= 0) sleep_ms(1);
    close(peer);
    tear_down();
}

static void multicast_groups(void) {
    set_up();
    while (reactor_conn_set_option(record.server, endpoint, REACTOR_OPTION_BROADCAST, 1) != REACTOR_OK) sleep_ms(1);
    CHECK_FAILS(reactor_conn_join_multicast(record.server, endpoint, "everyone"), REACTOR_STATUS_INVALID_ARGUMENT,
                "\"everyone\" is not GROUP");
    CHECK_FAILS(reactor_conn_join_multicast(record.server, endpoint, "127.0.0.1"), REACTOR_STATUS_INVALID_ARGUMENT,
                "not a multicast address");
    CHECK_OK(reactor_conn_join_multicast(record.server, endpoint, "239.1.2.3@127.0.0.1"));
    CHECK_OK(reactor_conn_leave_multicast(record.server, endpoint, "239.1.2.3@127.0.0.1"));
    CHECK_STATUS(reactor_conn_leave_multicast(record.server, endpoint, "239.1.2.3@127.0.0.1"), REACTOR_STATUS_SYSTEM);
    CHECK_OK(reactor_conn_set_option(record.server, endpoint, REACTOR_OPTION_MULTICAST_LOOP, 0));
    tear_down();
}

TESTS(TEST(echo_to_the_sender), TEST(empty_datagrams_count), TEST(sending_to_anyone), TEST(addresses_that_are_none),
      TEST(what_endpoints_refuse), TEST(closing_the_listener_closes_the_endpoint), TEST(multicast_groups))
