/* A1, A5: listening, and the addresses really bound. */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include <errno.h>
#include <unistd.h>

static reactor_server *server;

static void set_up(void) {
    reactor_callbacks callbacks = {.size = sizeof callbacks};
    CHECK_OK(reactor_server_new(&callbacks, NULL, &server));
}

static void bad_urls_are_quoted(void) {
    set_up();
    const char *urls[] = {"", "tcp://127.0.0.1", "gopher://:70", "tcp://:1?colour=red", "unix://"};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        char quoted[64];
        snprintf(quoted, sizeof quoted, "\"%s\"", urls[i]);
        CHECK_FAILS(reactor_server_listen(server, urls[i]), REACTOR_STATUS_INVALID_ADDRESS, quoted);
        CHECK_EQUAL(reactor_last_errno(), 0);
    }
    CHECK_STATUS(reactor_server_address(server, 0, NULL, 0, NULL), REACTOR_STATUS_INVALID_ARGUMENT);
    CHECK_OK(reactor_server_free(server));
}

static void a_port_in_use_leaves_the_server_usable(void) {
    set_up();
    char taken[REACTOR_ADDRESS_CAPACITY];
    CHECK_OK(reactor_server_listen(server, "tcp://127.0.0.1:0"));
    CHECK_OK(reactor_server_address(server, 0, taken, sizeof taken, NULL));
    CHECK_FAILS(reactor_server_listen(server, taken), REACTOR_STATUS_ADDRESS_IN_USE, taken);
    CHECK_EQUAL(reactor_last_errno(), EADDRINUSE);
    CHECK_OK(reactor_server_listen(server, "tcp://127.0.0.1:0"));
    CHECK_OK(reactor_server_address(server, 1, NULL, 0, NULL));
    CHECK_STATUS(reactor_server_address(server, 2, NULL, 0, NULL), REACTOR_STATUS_INVALID_ARGUMENT);
    CHECK_OK(reactor_server_free(server));
}

static void addresses_come_in_the_order_of_the_listeners(void) {
    set_up();
    char path[64], address[REACTOR_ADDRESS_CAPACITY];
    size_t length = 0;
    snprintf(path, sizeof path, "unix:///tmp/reactor-c-test-%d.sock", (int)getpid());
    CHECK_OK(reactor_server_listen(server, path));
    CHECK_OK(reactor_server_listen(server, "tcp://127.0.0.1:0?backlog=7"));
    CHECK_OK(reactor_server_address(server, 0, address, sizeof address, &length));
    CHECK(strcmp(address, path) == 0);
    CHECK_EQUAL(length, strlen(path));
    CHECK_OK(reactor_server_address(server, 1, address, sizeof address, &length));
    CHECK(strncmp(address, "tcp://127.0.0.1:", 16) == 0 && strcmp(address + 16, "0") != 0);
    CHECK(strchr(address, '?') == NULL);
    CHECK_OK(reactor_server_free(server));
    CHECK(access(path + 7, F_OK) != 0);
}

static void a_buffer_must_hold_the_whole_address(void) {
    set_up();
    CHECK_OK(reactor_server_listen(server, "tcp://127.0.0.1:0"));
    char address[REACTOR_ADDRESS_CAPACITY];
    size_t length = 0;
    CHECK_OK(reactor_server_address(server, 0, NULL, 0, &length));
    memset(address, 'x', sizeof address);
    size_t untouched = 7;
    CHECK_FAILS(reactor_server_address(server, 0, address, length, &untouched), REACTOR_STATUS_INVALID_ARGUMENT,
                "needed are");
    CHECK_EQUAL(untouched, 7);
    CHECK(address[0] == 'x');
    CHECK_OK(reactor_server_address(server, 0, address, length + 1, NULL));
    CHECK_EQUAL(strlen(address), length);
    CHECK_EQUAL(address[length + 1], 'x');
    CHECK_FAILS(reactor_server_address(server, 0, NULL, 1, NULL), REACTOR_STATUS_INVALID_ARGUMENT, "buffer is NULL");
    CHECK_FAILS(reactor_server_address(server, 1, NULL, 0, NULL), REACTOR_STATUS_INVALID_ARGUMENT, "index is 1");
    CHECK_OK(reactor_server_free(server));
}

static void the_longest_address_fits(void) {
    set_up();
    char url[7 + 107 + 1] = "unix://@", address[REACTOR_ADDRESS_CAPACITY];
    memset(url + 8, 'x', sizeof url - 9);
    snprintf(url + 8, 20, "reactor-%d-", (int)getpid());
    url[strlen(url)] = 'x';
    CHECK_OK(reactor_server_listen(server, url));
    CHECK_OK(reactor_server_address(server, 0, address, sizeof address, NULL));
    CHECK(strcmp(address, url) == 0);
    CHECK_OK(reactor_server_free(server));
}

TESTS(TEST(bad_urls_are_quoted), TEST(a_port_in_use_leaves_the_server_usable),
      TEST(addresses_come_in_the_order_of_the_listeners), TEST(a_buffer_must_hold_the_whole_address),
      TEST(the_longest_address_fits))
