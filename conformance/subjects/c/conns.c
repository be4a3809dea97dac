/* What is remembered of each connection, by id. */
#include "subject.h"

#include <pthread.h>
#include <stdlib.h>

enum { BUCKETS = 4096 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct conn *buckets[BUCKETS];

/* The link that points to a connection, or the empty one at the end of its bucket. */
static struct conn **find(reactor_conn id) {
    /* The low bits of an id are its slot. */
    struct conn **link = &buckets[id % BUCKETS];
    while (*link != NULL && (*link)->id != id) link = &(*link)->next;
    return link;
}

void conn_add(reactor_conn id) {
    struct conn *conn = calloc(1, sizeof *conn);
    if (conn == NULL) abort();
    conn->id = id;
    pthread_mutex_lock(&lock);
    *find(id) = conn;
    pthread_mutex_unlock(&lock);
}

struct conn *conn_find(reactor_conn id) {
    pthread_mutex_lock(&lock);
    struct conn *conn = *find(id);
    pthread_mutex_unlock(&lock);
    return conn;
}

void conn_remove(reactor_conn id) {
    pthread_mutex_lock(&lock);
    struct conn **link = find(id), *conn = *link;
    if (conn != NULL) *link = conn->next;
    pthread_mutex_unlock(&lock);
    if (conn == NULL) return;
    text_free(&conn->line);
    free(conn);
}
