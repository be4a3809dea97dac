/*
 * Answers that take time come from a pool of threads, while the loops go on: in order for each client.
 *
 *     work --listen URL [--listen URL]... [--loops N] [--threads N]
 *
 * Each line is a request: "sleep MILLISECONDS TEXT" is answered with the text, that much later, and "primes N" with how
 * many primes there are below N.
 */
#define _POSIX_C_SOURCE 200809L

#include "launch.h"
#include "work_pool.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MAX_LINE = 64 << 10, /* bytes of the longest request */
    /*
     * Requests of one client that may be outstanding; then it is read again when half of them are answered. How
     * many clients there may be is not limited here.
     */
    MAX_OUTSTANDING = 64,
    MAX_SLEEP = 60000,
    MAX_PRIMES = 10000000
};

/* The outstanding requests of one client: shared by its connection and its jobs, and freed by the last of them. */
struct client {
    pthread_mutex_t lock;
    size_t users;
    uint64_t first; /* the number of the first request that is outstanding */
    uint64_t next;  /* the number of the next request */
    /* An answer for each once it is there; that of request n is at n % MAX_OUTSTANDING. */
    char *answers[MAX_OUTSTANDING];
    bool is_paused, is_ended;
};

/* A request on its way to the pool. */
struct request {
    struct job job;
    reactor_server *server;
    reactor_conn conn;
    struct client *client;
    uint64_t number;
    char text[]; /* ends with a zero byte */
};

/* ---- clients ---- */

static struct client *client_new(void) {
    struct client *client = calloc(1, sizeof *client);
    if (client == NULL) return NULL;
    client->users = 1;
    if (pthread_mutex_init(&client->lock, NULL) == 0) return client;
    free(client);
    return NULL;
}

static void client_release(void *context) {
    struct client *client = context;
    pthread_mutex_lock(&client->lock);
    size_t users = --client->users;
    pthread_mutex_unlock(&client->lock);
    if (users > 0) return;
    for (size_t i = 0; i < MAX_OUTSTANDING; i++) free(client->answers[i]);
    pthread_mutex_destroy(&client->lock);
    free(client);
}

/* Sends an answer, which it frees, and its line's end. Does not block. */
static void send_line(reactor_server *server, reactor_conn conn, char *answer) {
    struct iovec slices[] = {{answer, strlen(answer)}, {"\n", 1}};
    /* The client is gone, or there is no room for the answer: what follows must not take its place. */
    if (reactor_conn_write_gathered(server, conn, slices, 2, NULL) != REACTOR_OK) reactor_conn_abort(server, conn);
    free(answer);
}

/* Takes the answer to a request, and sends it and what waited for it. On a thread of the pool. */
static void client_answer(const struct request *request, char *answer) {
    struct client *client = request->client;
    /* Under the lock, so that no other thread sends what comes later before. */
    pthread_mutex_lock(&client->lock);
    client->answers[request->number % MAX_OUTSTANDING] = answer;
    char **first;
    while (*(first = &client->answers[client->first % MAX_OUTSTANDING]) != NULL) {
        send_line(request->server, request->conn, *first);
        *first = NULL;
        client->first++;
    }
    uint64_t outstanding = client->next - client->first;
    if (client->is_paused && outstanding <= MAX_OUTSTANDING / 2) {
        client->is_paused = false;
        reactor_conn_resume(request->server, request->conn);
    }
    if (client->is_ended && outstanding == 0) reactor_conn_close(request->server, request->conn);
    pthread_mutex_unlock(&client->lock);
}

/* ---- requests ---- */

/* Formats an answer; NULL if memory has run out. */
static char *text_of(const char *format, ...) {
    va_list values, again;
    va_start(values, format);
    va_copy(again, values);
    int len = vsnprintf(NULL, 0, format, values);
    char *answer = len < 0 ? NULL : malloc((size_t)len + 1);
    if (answer != NULL) vsnprintf(answer, (size_t)len + 1, format, again);
    va_end(again);
    va_end(values);
    return answer;
}

static char *wrong_number(const char *text, uint64_t max) {
    return text_of("error: \"%s\" is not a number from 0 to %" PRIu64, text, max);
}

/* Nothing but digits, up to max. */
static bool parse(const char *text, uint64_t max, uint64_t *number) {
    uint64_t value = 0;
    for (const char *c = text; *c != '\0'; c++) {
        if (*c < '0' || *c > '9') return false;
        value = value * 10 + (uint64_t)(*c - '0');
        if (value > max) return false;
    }
    *number = value;
    return *text != '\0';
}

/* Cuts the text at its first space; returns what stands behind, which may be nothing. */
static char *cut(char *text) {
    char *rest = text + strcspn(text, " ");
    if (*rest != '\0') *rest++ = '\0';
    return rest;
}

/* The sieve of Eratosthenes. */
static char *count_primes(uint64_t end) {
    uint8_t *is_composite = calloc(end + 1, 1);
    uint64_t count = 0;
    if (is_composite == NULL) return NULL;
    for (uint64_t number = 2; number < end; number++) {
        if (is_composite[number]) continue;
        count++;
        for (uint64_t multiple = number * number; multiple < end; multiple += number) is_composite[multiple] = 1;
    }
    free(is_composite);
    return text_of("%" PRIu64, count);
}

/* Works the answer out, from a request that it cuts; NULL if memory has run out. */
static char *answer_to(struct pool *pool, char *request) {
    uint64_t number;
    char *rest = cut(request);
    if (strcmp(request, "sleep") == 0) {
        char *text = cut(rest);
        if (!parse(rest, MAX_SLEEP, &number)) return wrong_number(rest, MAX_SLEEP);
        pool_sleep(pool, number);
        return strdup(text);
    }
    if (strcmp(request, "primes") == 0) {
        return parse(rest, MAX_PRIMES, &number) ? count_primes(number) : wrong_number(rest, MAX_PRIMES);
    }
    return strdup("error: unknown request: there are sleep MILLISECONDS TEXT and primes N");
}

/* On a thread of the pool. */
static void request_run(struct pool *pool, struct job *job) {
    struct request *request = (struct request *)job;
    uint32_t is_open = 0;
    if (reactor_conn_is_open(request->server, request->conn, &is_open) != REACTOR_OK || !is_open) {
        return; /* nobody waits for the answer */
    }
    char *answer = answer_to(pool, request->text);
    if (answer == NULL) {
        reactor_conn_abort(request->server, request->conn);
    } else {
        client_answer(request, answer);
    }
}

static void request_free(struct job *job) {
    client_release(((struct request *)job)->client);
    free(job);
}

/* The client's next request; NULL if memory has run out. Under the client's lock. */
static struct request *request_new(struct client *client, const uint8_t *data, size_t len) {
    struct request *request = malloc(sizeof *request + len + 1);
    if (request == NULL) return NULL;
    request->job = (struct job){.run = request_run, .destroy = request_free};
    request->client = client;
    request->number = client->next++;
    client->users++;
    memcpy(request->text, data, len);
    request->text[len] = '\0';
    return request;
}

/* ---- the callbacks ---- */

static struct client *client_of(reactor_server *server, reactor_conn conn) {
    void *client = NULL;
    return reactor_conn_context(server, conn, &client) == REACTOR_OK ? client : NULL;
}

static int32_t on_open(void *user_data, reactor_server *server, reactor_conn conn) {
    (void)user_data;
    struct client *client = client_new();
    if (client == NULL) return REACTOR_ACTION_CLOSE;
    if (reactor_conn_set_context(server, conn, client, client_release) == REACTOR_OK) return REACTOR_ACTION_NONE;
    client_release(client);
    return REACTOR_ACTION_CLOSE;
}

/* One line. */
static int32_t on_data(void *user_data, reactor_server *server, reactor_conn conn, const uint8_t *data, size_t len) {
    struct client *client = client_of(server, conn);
    if (client == NULL) return REACTOR_ACTION_CLOSE;
    pthread_mutex_lock(&client->lock);
    struct request *request = request_new(client, data, len);
    if (client->next - client->first >= MAX_OUTSTANDING && !client->is_paused) {
        client->is_paused = reactor_conn_pause(server, conn) == REACTOR_OK;
    }
    pthread_mutex_unlock(&client->lock);
    if (request == NULL) return REACTOR_ACTION_CLOSE;
    request->server = server;
    request->conn = conn;
    pool_put(user_data, &request->job);
    return REACTOR_ACTION_NONE;
}

/* The client asks no more, but it waits for answers. */
static int32_t on_eof(void *user_data, reactor_server *server, reactor_conn conn) {
    (void)user_data;
    struct client *client = client_of(server, conn);
    if (client == NULL) return REACTOR_ACTION_CLOSE;
    pthread_mutex_lock(&client->lock);
    client->is_ended = true;
    bool is_done = client->next == client->first;
    pthread_mutex_unlock(&client->lock);
    return is_done ? REACTOR_ACTION_CLOSE : REACTOR_ACTION_NONE;
}

/* The pool uses the server: it has to end before the server is freed. */
static void on_stop(void *user_data, reactor_server *server) {
    (void)server;
    pool_end(user_data);
}

static int serve(struct launch *launch, size_t threads) {
    int code = EXIT_FAILURE;
    reactor_framing *framing = NULL;
    struct pool *pool = pool_new(threads);
    if (pool == NULL) {
        launch_fail("--threads: cannot start %zu", threads);
    } else if (reactor_framing_line(MAX_LINE, &framing) != REACTOR_OK) {
        launch_fail("%s", reactor_last_error());
    } else {
        launch->callbacks.user_data = pool;
        launch->callbacks.on_open = on_open;
        launch->callbacks.on_data = on_data;
        launch->callbacks.on_eof = on_eof;
        launch->callbacks.on_stop = on_stop;
        launch->listen.framing = framing;
        launch->listen.half_open = REACTOR_ON;
        code = launch_serve(launch);
    }
    reactor_framing_free(framing);
    pool_free(pool);
    return code;
}

int main(int argc, char **argv) {
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    size_t threads = processors > 0 ? (size_t)processors : 1;
    const struct launch_flag flags[] = {{"threads", NULL, &threads}, {NULL, NULL, NULL}};
    struct launch launch;
    int code = EXIT_FAILURE;
    if (launch_parse(&launch, argc, argv, flags) == 0 && launch_streams_only(&launch) == 0) {
        if (threads == 0) {
            launch_fail("--threads: there must be at least one");
        } else {
            code = serve(&launch, threads);
        }
    }
    launch_free(&launch);
    return code;
}
