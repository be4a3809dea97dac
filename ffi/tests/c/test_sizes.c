/* Structures of older and newer programs. */
#include "test.h"

static void options_of_an_older_program(void) {
    struct record record;
    record_init(&record);
    reactor_callbacks callbacks = record_callbacks(&record);
    /* Ends before high_water: what lies behind would be refused if it were read. */
    reactor_options options = {.size = offsetof(reactor_options, high_water), .loops = 1, .high_water = 1,
                               .low_water = 2};
    CHECK_OK(reactor_server_new(&callbacks, &options, &record.server));
    CHECK_OK(reactor_server_free(record.server));
    options.size = sizeof options;
    CHECK_FAILS(reactor_server_new(&callbacks, &options, &record.server), REACTOR_STATUS_INVALID_ARGUMENT, "2 <= 1");
}

static void callbacks_of_an_older_program(void) {
    struct record record;
    record_init(&record);
    reactor_callbacks callbacks = record_callbacks(&record);
    callbacks.size = offsetof(reactor_callbacks, on_close); /* knows on_close and what follows not */
    CHECK_OK(reactor_server_new(&callbacks, NULL, &record.server));
    CHECK_OK(reactor_server_start(record.server));
    CHECK_OK(reactor_server_free(record.server));
    CHECK_EQUAL(record.starts, 1);
    CHECK_EQUAL(record.stops, 0);
    CHECK_EQUAL(record.destroys, 1);
}

struct newer_options {
    reactor_options known;
    uint64_t unknown;
};

static void options_of_a_newer_program(void) {
    reactor_callbacks callbacks = {.size = sizeof callbacks};
    struct newer_options newer = {.known = {.size = sizeof newer, .loops = 1}};
    reactor_server *server = NULL;
    CHECK_OK(reactor_server_new(&callbacks, &newer.known, &server));
    CHECK_OK(reactor_server_free(server));
    server = NULL;
    newer.unknown = 1;
    CHECK_FAILS(reactor_server_new(&callbacks, &newer.known, &server), REACTOR_STATUS_INVALID_ARGUMENT,
                "options uses members that this version of the library does not know");
    CHECK(server == NULL);
}

static void sizes_that_cannot_be(void) {
    const size_t sizes[] = {0, 1, sizeof(size_t), 4097, SIZE_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        reactor_callbacks callbacks = {.size = sizes[i]};
        reactor_server *server = NULL;
        CHECK_FAILS(reactor_server_new(&callbacks, NULL, &server), REACTOR_STATUS_INVALID_ARGUMENT,
                    "callbacks->size is ");
        callbacks.size = sizeof callbacks;
        reactor_options options = {.size = sizes[i]};
        CHECK_FAILS(reactor_server_new(&callbacks, &options, &server), REACTOR_STATUS_INVALID_ARGUMENT,
                    "options->size is ");
        CHECK(server == NULL);
    }
}

static void sizes_that_cut_a_member(void) {
    struct record record;
    record_init(&record);
    reactor_server *server = NULL;
    for (size_t size = 0; size < sizeof(reactor_callbacks); size++) {
        reactor_callbacks callbacks = record_callbacks(&record);
        callbacks.size = size;
        if (size >= offsetof(reactor_callbacks, destroy) && size % sizeof(void *) == 0) {
            CHECK_OK(reactor_server_new(&callbacks, NULL, &server));
            CHECK_OK(reactor_server_free(server));
            server = NULL;
        } else {
            CHECK_FAILS(reactor_server_new(&callbacks, NULL, &server), REACTOR_STATUS_INVALID_ARGUMENT,
                        "at which no structure ends");
        }
    }
    reactor_callbacks callbacks = record_callbacks(&record);
    reactor_options options = {.size = offsetof(reactor_options, read_budget) + 4};
    CHECK_FAILS(reactor_server_new(&callbacks, &options, &server), REACTOR_STATUS_INVALID_ARGUMENT,
                "options->size is 60, at which no structure ends");
    CHECK(server == NULL);
}

static void options_take_effect(void) {
    reactor_callbacks callbacks = {.size = sizeof callbacks};
    reactor_options options = {.size = sizeof options, .loops = 5000};
    reactor_server *server = NULL;
    CHECK_FAILS(reactor_server_new(&callbacks, &options, &server), REACTOR_STATUS_INVALID_ARGUMENT, "loops is 5000");
    options = (reactor_options){.size = sizeof options, .linger_ms = 3600001};
    CHECK_FAILS(reactor_server_new(&callbacks, &options, &server), REACTOR_STATUS_INVALID_ARGUMENT, "3600 s");
    options.linger_ms = 3600000;
    CHECK_OK(reactor_server_new(&callbacks, &options, &server));
    CHECK_OK(reactor_server_free(server));
}

TESTS(TEST(options_of_an_older_program), TEST(callbacks_of_an_older_program), TEST(options_of_a_newer_program),
      TEST(sizes_that_cannot_be), TEST(sizes_that_cut_a_member), TEST(options_take_effect))
