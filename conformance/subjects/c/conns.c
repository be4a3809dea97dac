/* What is remembered of each connection and listener, by id. */
#include "subject.h"

#include <pthread.h>
#include <stdlib.h>

enum { BUCKETS = 4096, LISTENERS = 4096 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct conn *buckets[BUCKETS];
static enum frames of_listeners[LISTENERS];

/* The link that points to a connection, or the empty one at the end of its bucket. */
static struct conn **find(reactor_conn id) {
    /* The low bits of an id are its slot. */
    struct conn **link = &buckets[id % BUCKETS];
    while (*link != NULL && (*link)->id != id) link = &(*link)->next;
    return link;
}

struct conn *conn_add(reactor_conn id, enum mode mode, enum frames frames) {
    struct conn *conn = allocate(sizeof *conn);
    *conn = (struct conn){.id = id, .mode = mode, .frames = frames};
    pthread_mutex_lock(&lock);
    *find(id) = conn;
    pthread_mutex_unlock(&lock);
    return conn;
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

enum frames conn_frames(reactor_conn id) {
    pthread_mutex_lock(&lock);
    struct conn *conn = *find(id);
    enum frames frames = conn == NULL ? STREAM : conn->frames;
    pthread_mutex_unlock(&lock);
    return frames;
}

void conn_set_frames(reactor_conn id, enum frames frames) {
    pthread_mutex_lock(&lock);
    struct conn *conn = *find(id);
    if (conn != NULL) conn->frames = frames;
    pthread_mutex_unlock(&lock);
}

enum frames listener_frames(reactor_listener listener) {
    pthread_mutex_lock(&lock);
    enum frames frames = of_listeners[listener % LISTENERS];
    pthread_mutex_unlock(&lock);
    return frames;
}

void listener_set_frames(reactor_listener listener, enum frames frames) {
    pthread_mutex_lock(&lock);
    of_listeners[listener % LISTENERS] = frames;
    pthread_mutex_unlock(&lock);
}
