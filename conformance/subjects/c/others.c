/* Servers beside the subject's own. */
#include "subject.h"

#include <pthread.h>
#include <stdlib.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static reactor_server *other;

static const reactor_callbacks silent = {.size = sizeof silent};

reactor_server *other_server(void) {
    pthread_mutex_lock(&lock);
    if (other == NULL) {
        reactor_options options = {.size = sizeof options, .loops = 1};
        reactor_status status = reactor_server_new(&silent, &options, &other);
        if (status == REACTOR_OK) status = reactor_server_start(other);
        if (status != REACTOR_OK) complain("the other server:", reactor_last_error());
    }
    reactor_server *found = other;
    pthread_mutex_unlock(&lock);
    return found;
}

void other_end(void) {
    pthread_mutex_lock(&lock);
    reactor_server_free(other);
    other = NULL;
    pthread_mutex_unlock(&lock);
}

static reactor_status cycle(void) {
    reactor_server *server;
    reactor_status status = reactor_server_new(&silent, NULL, &server);
    if (status != REACTOR_OK) return status;
    status = reactor_server_listen(server, "tcp://127.0.0.1:0");
    if (status == REACTOR_OK) status = reactor_server_start(server);
    if (status == REACTOR_OK) status = reactor_server_stop(server);
    if (status == REACTOR_OK) status = reactor_server_wait(server);
    reactor_status freed = reactor_server_free(server);
    return status == REACTOR_OK ? freed : status;
}

reactor_status cycle_servers(size_t count) {
    reactor_status status = REACTOR_OK;
    while (status == REACTOR_OK && count-- > 0) status = cycle();
    return status;
}
