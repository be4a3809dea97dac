/* A6: what a callback starts has the signals of the program; and who handles the program's own. */
#define _DEFAULT_SOURCE
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static char *const SLEEP[] = {"sleep", "60", NULL};

static pid_t by_spawn(void) {
    pid_t child;
    CHECK_EQUAL(posix_spawnp(&child, "sleep", NULL, NULL, SLEEP, environ), 0);
    return child;
}

/* Returns when the program runs: until then the child has our handlers. */
static pid_t by_fork(void) {
    int ends[2];
    CHECK_EQUAL(pipe(ends), 0);
    CHECK_EQUAL(fcntl(ends[1], F_SETFD, FD_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0) {
        execvp("sleep", SLEEP);
        _exit(127);
    }
    close(ends[1]);
    char none;
    CHECK_EQUAL(read(ends[0], &none, 1), 0);
    close(ends[0]);
    return child;
}

static pid_t by_vfork(void) {
    pid_t child = vfork();
    if (child == 0) {
        execvp("sleep", SLEEP);
        _exit(127);
    }
    return child;
}

static pid_t (*const WAYS[])(void) = {by_spawn, by_fork, by_vfork};
enum { WAY_COUNT = sizeof WAYS / sizeof *WAYS };

static void *mask_of_a_thread(void *mask) {
    CHECK_EQUAL(pthread_sigmask(SIG_BLOCK, NULL, mask), 0);
    return NULL;
}

static void expect_same_mask(const sigset_t *mask, const sigset_t *expected) {
    for (int number = 1; number < NSIG; number++) {
        CHECK_EQUAL(sigismember(mask, number), sigismember(expected, number));
    }
}

static sigset_t programs; /* the program's mask */

static void start_all(struct record *record, reactor_server *server, reactor_conn conn) {
    (void)server, (void)conn;
    for (int way = 0; way < WAY_COUNT; way++) {
        pid_t child = WAYS[way]();
        CHECK(child > 0);
        int status;
        CHECK_EQUAL(kill(child, SIGTERM), 0);
        CHECK_EQUAL(waitpid(child, &status, 0), child);
        CHECK(WIFSIGNALED(status));
        CHECK_EQUAL(WTERMSIG(status), SIGTERM);
    }
    sigset_t own, threads;
    mask_of_a_thread(&own);
    expect_same_mask(&own, &programs);
    pthread_t thread;
    CHECK_EQUAL(pthread_create(&thread, NULL, mask_of_a_thread, &threads), 0);
    CHECK_EQUAL(pthread_join(thread, NULL), 0);
    expect_same_mask(&threads, &programs);
    record_count(record, &record->others);
}

static void ignore(int number) {
    (void)number;
}

static void handle(int number, void (*handler)(int)) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART | SA_NODEFER};
    sigemptyset(&action.sa_mask);
    CHECK_EQUAL(sigaction(number, &action, NULL), 0);
}

static void start_from_a_callback(void) {
    mask_of_a_thread(&programs);
    struct record record;
    record_init(&record);
    record.in_data = start_all;
    record_start(&record, NULL);
    int client = client_open(&record);
    client_send(client, "x", 1);
    record_wait(&record, &record.others, 1);
    CHECK_OK(reactor_server_free(record.server));
    close(client);
}

static void a_program_that_a_callback_starts_has_our_mask(void) {
    start_from_a_callback();
    /* Also if the signal has a handler here, and another is blocked. */
    handle(SIGTERM, ignore);
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR2);
    CHECK_EQUAL(pthread_sigmask(SIG_BLOCK, &one, NULL), 0);
    start_from_a_callback();
    CHECK_EQUAL(pthread_sigmask(SIG_UNBLOCK, &one, NULL), 0);
    handle(SIGTERM, SIG_DFL);
}

static atomic_int handled, on_main;
static pthread_t main_thread;

static void count(int number) {
    (void)number;
    if (pthread_equal(pthread_self(), main_thread)) on_main++;
    handled++;
}

static void raise_it(struct record *record, reactor_server *server, reactor_conn conn) {
    (void)server, (void)conn;
    int before = handled;
    CHECK_EQUAL(raise(SIGUSR1), 0);
    CHECK_EQUAL(handled, before + 1);
    record_count(record, &record->others);
}

static void a_signal_that_a_callback_raises_arrives(void) {
    struct record record;
    record_init(&record);
    record.in_data = raise_it;
    handle(SIGUSR1, count);
    record_start(&record, NULL);
    int client = client_open(&record);
    client_send(client, "x", 1);
    record_wait(&record, &record.others, 1);
    CHECK_OK(reactor_server_free(record.server));
    close(client);
}

enum { SIGNALS = 300, LOADS = 2 };
static atomic_int takes_signals, over, loads_over;

static void *load(void *data) {
    struct record *record = data;
    int client = client_connect(record->server, 0);
    while (!over) {
        client_send(client, "hello", 5);
        client_expect(client, "hello", 5);
    }
    loads_over++;
    close(client);
    return NULL;
}

static void *signal_the_process(void *data) {
    struct record *record = data;
    handled = on_main = 0;
    while (!takes_signals) sleep_ms(1);
    for (int i = 0; i < SIGNALS; i++) {
        CHECK_EQUAL(kill(getpid(), SIGUSR1), 0);
        while (handled == i) sleep_ms(1);
    }
    over = 1;
    while (loads_over < LOADS) sleep_ms(1);
    CHECK_OK(reactor_server_stop(record->server));
    return NULL;
}

/* Linux gives a signal for the process to its main thread, as long as that takes it. */
static void a_signal_for_the_process_is_the_main_thread_s(void) {
    struct record record;
    record_init(&record);
    record.echo = true;
    main_thread = pthread_self();
    handle(SIGUSR1, count);
    reactor_options two = {.size = sizeof two, .loops = 2};
    record_start(&record, &two);
    sigset_t all, before;
    sigfillset(&all);
    CHECK_EQUAL(pthread_sigmask(SIG_SETMASK, &all, &before), 0);
    pthread_t threads[LOADS + 1];
    for (int i = 0; i <= LOADS; i++) {
        CHECK_EQUAL(pthread_create(&threads[i], NULL, i < LOADS ? load : signal_the_process, &record), 0);
    }
    CHECK_EQUAL(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
    takes_signals = 1;
    CHECK_OK(reactor_server_wait(record.server));
    for (int i = 0; i <= LOADS; i++) CHECK_EQUAL(pthread_join(threads[i], NULL), 0);
    CHECK_EQUAL(on_main, SIGNALS);
    CHECK_OK(reactor_server_free(record.server));
}

TESTS(TEST(a_program_that_a_callback_starts_has_our_mask), TEST(a_signal_that_a_callback_raises_arrives),
      TEST(a_signal_for_the_process_is_the_main_thread_s))
