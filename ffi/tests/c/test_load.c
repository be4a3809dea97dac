/* D1, R2: echo under load, with connections that reset at awkward moments, then a stop in the middle of it. */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENTS = 6, ROUNDS = 12, MOST = 64 << 10 };

static struct record record;
static atomic_bool stopping;

struct load {
    unsigned seed;
    size_t listener;
    bool disturbs;
};

static unsigned next_random(unsigned *seed) {
    *seed = *seed * 1103515245 + 12345;
    return *seed >> 8;
}

static void *echo_blocks(void *argument) {
    struct load *load = argument;
    uint8_t *bytes = malloc(MOST);
    int client = client_connect(record.server, load->listener);
    for (int round = 0; round < ROUNDS; round++) {
        size_t length = next_random(&load->seed) % MOST;
        for (size_t i = 0; i < length; i++) bytes[i] = (uint8_t)next_random(&load->seed);
        client_send(client, bytes, length);
        client_expect(client, bytes, length);
    }
    shutdown(client, SHUT_WR);
    client_expect_eof(client);
    close(client);
    free(bytes);
    return NULL;
}

/* Connects, sends, reads a little, and resets. */
static void *disturb(void *argument) {
    struct load *load = argument;
    static const uint8_t bytes[MOST];
    for (int round = 0; round < 4 * ROUNDS; round++) {
        int client = client_connect(record.server, load->listener);
        unsigned moment = next_random(&load->seed) % 4;
        if (moment > 0) send(client, bytes, moment * 5000, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (moment > 1) {
            uint8_t some[100];
            if (recv(client, some, sizeof some, 0) <= 0) failed(__FILE__, __LINE__, "no answer before the reset");
        }
        client_reset(client);
    }
    return NULL;
}

/* Sends and reads until the server goes away, which may come as an end or as a reset. */
static void *flood(void *argument) {
    int client = *(int *)argument;
    static const uint8_t bytes[MOST];
    uint8_t answer[4096];
    do {
        send(client, bytes, sizeof bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (recv(client, answer, sizeof answer, 0) > 0);
    CHECK(atomic_load(&stopping));
    close(client);
    return NULL;
}

static void listen_on_both(uint32_t loops) {
    record_init(&record);
    record.echo = true;
    reactor_options options = {.size = sizeof options, .loops = loops};
    record_server(&record, &options);
    char url[64];
    snprintf(url, sizeof url, "unix:///tmp/reactor-c-load-%d.sock", (int)getpid());
    CHECK_OK(reactor_server_listen(record.server, url));
    CHECK_OK(reactor_server_start(record.server));
}

static void echo_among_resets(void) {
    for (uint32_t loops = 1; loops <= 3; loops++) {
        listen_on_both(loops);
        pthread_t threads[2 * CLIENTS];
        struct load loads[2 * CLIENTS];
        for (int i = 0; i < 2 * CLIENTS; i++) {
            loads[i] = (struct load){.seed = (unsigned)i + loops, .listener = (size_t)i / 2 % 2,
                                     .disturbs = i % 2 == 1};
            CHECK_EQUAL(pthread_create(&threads[i], NULL, loads[i].disturbs ? disturb : echo_blocks, &loads[i]), 0);
        }
        for (int i = 0; i < 2 * CLIENTS; i++) pthread_join(threads[i], NULL);
        /* Some that reset may never have been accepted; what was opened is closed. */
        CHECK_OK(reactor_server_free(record.server));
        CHECK(record.opens >= CLIENTS);
        CHECK_EQUAL(record.closes, record.opens);
        CHECK_EQUAL(record.destroys, 1);
    }
}

static void stop_in_the_middle(void) {
    listen_on_both(2);
    atomic_store(&stopping, false);
    pthread_t threads[CLIENTS];
    int clients[CLIENTS];
    /* All connect before the first can cause the stop. */
    for (int i = 0; i < CLIENTS; i++) clients[i] = client_connect(record.server, 0);
    for (int i = 0; i < CLIENTS; i++) CHECK_EQUAL(pthread_create(&threads[i], NULL, flood, &clients[i]), 0);
    record_wait_received(&record, 8 * MOST);
    atomic_store(&stopping, true);
    CHECK_OK(reactor_server_stop(record.server));
    CHECK_OK(reactor_server_wait(record.server));
    size_t connections = 7, queued = 7;
    CHECK_OK(reactor_server_connections(record.server, &connections));
    CHECK_OK(reactor_server_queued_bytes(record.server, &queued));
    CHECK_EQUAL(connections, 0);
    CHECK_EQUAL(queued, 0);
    CHECK_OK(reactor_server_free(record.server));
    CHECK_EQUAL(record.closes, record.opens);
    for (int i = 0; i < CLIENTS; i++) pthread_join(threads[i], NULL);
}

TESTS(TEST(echo_among_resets), TEST(stop_in_the_middle))
