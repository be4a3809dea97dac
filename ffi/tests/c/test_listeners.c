/* A2, A6, B2, R3: listeners added, listed, inherited and closed; how many connections they let in, and where these go. */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct record record;

static void listed_in_order_with_their_addresses(void) {
    record_init(&record);
    record_server(&record, NULL);
    reactor_listener second = 0, listeners[3] = {0};
    size_t count = 7;
    CHECK_OK(reactor_server_listen_with(record.server, "tcp://127.0.0.1:0", NULL, &second));
    CHECK_OK(reactor_server_listeners(record.server, NULL, 0, &count));
    CHECK_EQUAL(count, 2);
    CHECK_FAILS(reactor_server_listeners(record.server, listeners, 1, &count), REACTOR_STATUS_INVALID_ARGUMENT,
                "needed are 2");
    CHECK_OK(reactor_server_listeners(record.server, listeners, 3, &count));
    CHECK(listeners[0] != 0 && listeners[0] != second);
    CHECK_EQUAL(listeners[1], second);
    CHECK_EQUAL(listeners[2], 0);
    char by_index[REACTOR_ADDRESS_CAPACITY], by_listener[REACTOR_ADDRESS_CAPACITY];
    CHECK_OK(reactor_server_address(record.server, 1, by_index, sizeof by_index, NULL));
    CHECK_OK(reactor_server_listener_address(record.server, second, by_listener, sizeof by_listener, NULL));
    CHECK(strcmp(by_index, by_listener) == 0);
    CHECK_FAILS(reactor_server_listener_address(record.server, 99, NULL, 0, NULL), REACTOR_STATUS_INVALID_ARGUMENT,
                "no listener 99");
    CHECK_OK(reactor_server_endpoints(record.server, second, NULL, 0, &count));
    CHECK_EQUAL(count, 0);
    CHECK_OK(reactor_server_free(record.server));
}

static void added_and_closed_while_the_server_runs(void) {
    record_init(&record);
    record.echo = true;
    reactor_options two = {.size = sizeof two, .loops = 2};
    record_start(&record, &two);
    reactor_listener added = 0;
    CHECK_OK(reactor_server_listen_with(record.server, "tcp://127.0.0.1:0", NULL, &added));
    int client = client_connect(record.server, 1);
    client_send(client, "hello", 5);
    client_expect(client, "hello", 5);
    reactor_info info = {.size = sizeof info};
    CHECK_OK(reactor_conn_info(record.server, record.conn, &info));
    CHECK_EQUAL(info.listener, added);
    char url[REACTOR_ADDRESS_CAPACITY];
    CHECK_OK(reactor_server_listener_address(record.server, added, url, sizeof url, NULL));
    CHECK_OK(reactor_server_close_listener(record.server, added));
    CHECK_FAILS(reactor_server_close_listener(record.server, added), REACTOR_STATUS_INVALID_ARGUMENT, "listener");
    CHECK_STATUS(reactor_server_close_listener(record.server, 0), REACTOR_STATUS_INVALID_ARGUMENT);
    /* The address is free again. */
    CHECK_OK(reactor_server_listen_with(record.server, url, NULL, &added));
    CHECK_FAILS(reactor_server_close_listener_with(record.server, added, 2), REACTOR_STATUS_INVALID_ARGUMENT,
                "waiting is 2");
    CHECK_OK(reactor_server_close_listener_with(record.server, added, REACTOR_WAITING_REFUSE));
    client_send(client, "still", 5); /* its connections go on */
    client_expect(client, "still", 5);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(strrchr(url, ':') + 1))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int late = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQUAL(connect(late, (struct sockaddr *)&address, sizeof address), -1);
    CHECK_EQUAL(errno, ECONNREFUSED);
    close(late);
    close(client);
    CHECK_OK(reactor_server_free(record.server));
}

/* Listens at a free port, with descriptor 3, which is where LISTEN_FDS begin. Gives what was there before, or -1. */
static int listen_at_three(void) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int saved = dup(3), listener = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQUAL(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    CHECK_EQUAL(listen(listener, 5), 0);
    if (listener == 3) return saved;
    CHECK_EQUAL(dup2(listener, 3), 3);
    close(listener);
    return saved;
}

static void inherited_by_listen_fds(void) {
    int saved = listen_at_three(); /* before the server can have a descriptor there */
    record_init(&record);
    reactor_callbacks callbacks = record_callbacks(&record);
    CHECK_OK(reactor_server_new(&callbacks, NULL, &record.server));
    size_t count = 7;
    CHECK_OK(reactor_server_listen_inherited(record.server, NULL, &count));
    CHECK_EQUAL(count, 0);
    char pid[16];
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "1", 1);
    CHECK_OK(reactor_server_listen_inherited(record.server, NULL, &count));
    unsetenv("LISTEN_PID");
    CHECK_EQUAL(count, 1);
    CHECK_OK(reactor_server_start(record.server));
    close(client_open(&record));
    CHECK_OK(reactor_server_free(record.server));
    if (saved >= 0) CHECK_EQUAL(dup2(saved, 3), 3);
    if (saved >= 0) close(saved);
}

static void options_that_are_none(void) {
    record_init(&record);
    record_server(&record, NULL);
    const reactor_status wrong = REACTOR_STATUS_INVALID_ARGUMENT;
    reactor_listener listener = 7;
    reactor_listen_options options = {.size = sizeof options, .nodelay = 3};
    CHECK_FAILS(reactor_server_listen_with(record.server, "tcp://127.0.0.1:0", &options, &listener), wrong,
                "options->nodelay is 3");
    options = (reactor_listen_options){.size = sizeof options, .multicast = "239.1.2.3,"};
    CHECK_FAILS(reactor_server_listen_with(record.server, "udp://127.0.0.1:0", &options, &listener), wrong,
                "options->multicast");
    options = (reactor_listen_options){.size = sizeof options, .device = "\xff"};
    CHECK_FAILS(reactor_server_listen_with(record.server, "tcp://127.0.0.1:0", &options, &listener), wrong,
                "not UTF-8");
    options = (reactor_listen_options){.size = 7};
    CHECK_FAILS(reactor_server_listen_with(record.server, "tcp://127.0.0.1:0", &options, &listener), wrong,
                "options->size is 7");
    CHECK_FAILS(reactor_server_listen_inherited(record.server, &options, NULL), wrong, "options->size is 7");
    CHECK_EQUAL(listener, 7);
    size_t count = 0;
    CHECK_OK(reactor_server_listeners(record.server, NULL, 0, &count));
    CHECK_EQUAL(count, 1);
    CHECK_OK(reactor_server_free(record.server));
}

static void refuses_beyond(reactor_options options) {
    options.size = sizeof options;
    options.loops = 1;
    record_init(&record);
    record_start(&record, &options);
    int first = client_open(&record), second = client_connect(record.server, 0);
    char byte;
    CHECK(recv(second, &byte, 1, 0) <= 0);
    CHECK_EQUAL(record_look(&record, &record.opens), 1);
    close(second);
    close(first);
    record_wait(&record, &record.closes, 1);
    close(client_open(&record)); /* there is room again */
    CHECK_OK(reactor_server_free(record.server));
}

static void the_excess_is_refused(void) {
    refuses_beyond((reactor_options){.max_connections = 1});
    refuses_beyond((reactor_options){.max_connections_per_address = 1});
}

/* On which of three loops four connections of one address are. */
static void spread(uint32_t balance, int *per_loop) {
    reactor_options options = {.size = sizeof options, .loops = 3, .balance = balance, .pin = REACTOR_ON};
    int clients[4];
    memset(per_loop, 0, 3 * sizeof *per_loop);
    record_init(&record);
    record_start(&record, &options);
    for (int i = 0; i < 4; i++) {
        clients[i] = client_open(&record);
        reactor_info info = {.size = sizeof info};
        CHECK_OK(reactor_conn_info(record.server, record.conn, &info));
        per_loop[info.on_loop]++;
    }
    for (int i = 0; i < 4; i++) close(clients[i]);
    CHECK_OK(reactor_server_free(record.server));
}

static void connections_are_spread_as_asked(void) {
    int per_loop[3];
    spread(REACTOR_BALANCE_ROUND_ROBIN, per_loop);
    CHECK_EQUAL(per_loop[0] * 100 + per_loop[1] * 10 + per_loop[2], 211);
    spread(REACTOR_BALANCE_SOURCE_HASH, per_loop);
    CHECK(per_loop[0] == 4 || per_loop[1] == 4 || per_loop[2] == 4);
    spread(REACTOR_BALANCE_LEAST_CONNECTIONS, per_loop);
    CHECK(per_loop[0] > 0 && per_loop[1] > 0 && per_loop[2] > 0);
    spread(REACTOR_BALANCE_REUSEPORT, per_loop);
    spread(REACTOR_BALANCE_RANDOM, per_loop);
    CHECK_EQUAL(per_loop[0] + per_loop[1] + per_loop[2], 4);
}

TESTS(TEST(listed_in_order_with_their_addresses), TEST(added_and_closed_while_the_server_runs),
      TEST(inherited_by_listen_fds),
      TEST(options_that_are_none), TEST(the_excess_is_refused), TEST(connections_are_spread_as_asked))
