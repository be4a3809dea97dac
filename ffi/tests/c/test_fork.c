/* A child that is forked while threads of the parent wait for the server, or between the turns of a host. */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include <sys/wait.h>
#include <unistd.h>

/* Far beyond what the child takes, valgrind included. */
enum { CHILD_SECONDS = 60 };

/* What the child finds wrong ends it with 1, and a call that hangs with a signal. */
static void end_as_child(struct record *record, reactor_server *server) {
    alarm(CHILD_SECONDS);
    CHECK_FAILS(reactor_server_wait(server), REACTOR_STATUS_WRONG_STATE, "runs in the parent");
    CHECK_OK(reactor_server_stop(server));
    CHECK_OK(reactor_server_free(server));
    CHECK_EQUAL(record->destroys, 1);
    CHECK_EQUAL(record->stops, 0);
    _exit(0);
}

static void free_as_child(struct record *record, reactor_server *server) {
    alarm(CHILD_SECONDS);
    CHECK_OK(reactor_server_free(server));
    CHECK_EQUAL(record->destroys, 1);
    _exit(0);
}

static void fork_and_join(struct record *record, void (*child)(struct record *record, reactor_server *server)) {
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) child(record, record->server);
    int status;
    CHECK_EQUAL(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    CHECK_EQUAL(WEXITSTATUS(status), 0);
}

static void *run(void *server) {
    CHECK_OK(reactor_server_run(server));
    return NULL;
}

static atomic_int waiting;

static void *wait_for(void *server) {
    thread_is_mine(&waiting);
    CHECK_OK(reactor_server_wait(server));
    return NULL;
}

static void expect_echo(int client) {
    client_send(client, "hello", 5);
    client_expect(client, "hello", 5);
}

static void a_child_ends_its_copy_while_the_parent_serves(void) {
    struct record record;
    record_init(&record);
    record.echo = true;
    reactor_server *server = record_server(&record, NULL);
    pthread_t runner, waiter;
    CHECK_EQUAL(pthread_create(&runner, NULL, run, server), 0);
    int client = client_connect(server, 0);
    record_wait(&record, &record.opens, 1);
    CHECK_EQUAL(pthread_create(&waiter, NULL, wait_for, server), 0);
    thread_waits(&waiting);
    fork_and_join(&record, free_as_child);
    fork_and_join(&record, end_as_child);
    expect_echo(client);
    int later = client_connect(server, 0);
    expect_echo(later);
    CHECK_OK(reactor_server_free(server));
    CHECK_EQUAL(record.stops, 1);
    CHECK_EQUAL(record.destroys, 1);
    pthread_join(runner, NULL);
    pthread_join(waiter, NULL);
    close(client);
    close(later);
}

static pid_t returned;

/* The child is a copy of the loop, which it leaves by returning. */
static void fork_and_return(struct record *record, reactor_server *server, reactor_conn conn) {
    (void)record, (void)server, (void)conn;
    if (returned != 0) return;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        alarm(CHILD_SECONDS);
        returned = -1;
    } else {
        returned = pid;
    }
}

static void a_child_that_returns_from_a_callback_leaves_the_loop(void) {
    struct record record;
    record_init(&record);
    record.echo = true;
    record.in_data = fork_and_return;
    reactor_server *server = record_start(&record, NULL);
    int client = client_open(&record);
    expect_echo(client);
    int status;
    CHECK_EQUAL(waitpid(returned, &status, 0), returned);
    CHECK_EQUAL(status, 0);
    for (int i = 0; i < 12; i++) {
        int later = client_connect(server, 0);
        expect_echo(later);
        close(later);
    }
    expect_echo(client);
    CHECK_OK(reactor_server_free(server));
    CHECK_EQUAL(record.datas, 14);
    CHECK_EQUAL(record.destroys, 1);
    close(client);
}

static void end_hosted_as_child(struct record *record, reactor_server *server) {
    alarm(CHILD_SECONDS);
    uint32_t running = 7;
    CHECK_FAILS(reactor_server_turn(server, 0, &running), REACTOR_STATUS_WRONG_STATE, "runs in the parent");
    CHECK_OK(reactor_server_stop(server));
    CHECK_OK(reactor_server_free(server));
    CHECK_EQUAL(record->destroys, 1);
    CHECK_EQUAL(record->closes + record->stops, 0);
    _exit(0);
}

static void turn_until(struct record *record, const int *counter, int value) {
    uint32_t running = 1;
    while (*counter < value && running == 1) CHECK_OK(reactor_server_turn(record->server, REACTOR_NEVER, &running));
}

static void a_child_of_a_host_ends_its_copy(void) {
    struct record record;
    record_init(&record);
    record.echo = true;
    reactor_options one = {.size = sizeof one, .loops = 1};
    record_server(&record, &one);
    CHECK_OK(reactor_server_start_hosted(record.server));
    int client = client_connect(record.server, 0);
    turn_until(&record, &record.opens, 1);
    fork_and_join(&record, end_hosted_as_child);
    client_send(client, "hello", 5);
    turn_until(&record, &record.datas, 1);
    client_expect(client, "hello", 5);
    CHECK_OK(reactor_server_free(record.server));
    CHECK_EQUAL(record.closes, 1);
    close(client);
}

TESTS(TEST(a_child_ends_its_copy_while_the_parent_serves), TEST(a_child_that_returns_from_a_callback_leaves_the_loop),
      TEST(a_child_of_a_host_ends_its_copy))
