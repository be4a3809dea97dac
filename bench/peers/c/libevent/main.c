/*
 * libevent: an event loop in C with buffered connections and an HTTP server.
 *
 *     libevent echo|frames|http|broadcast URL
 *
 * It follows "Fast portable non-blocking network programming with Libevent" (the book), chapters "Connection
 * listeners" (whose example is an echo server) and "Bufferevents", and evhttp as in libevent's sample/http-server.c.
 * Set: TCP_NODELAY on the listener, which Linux hands down; a backlog of 4096; EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST;
 * reading stops while a MiB waits to be sent, as the book advises. Of its own, libevent 2.1 reads at most 4 KiB at a
 * time, after an ioctl (FIONREAD), and writes only when the poller has said that it can: no option changes that.
 */
#include "servers.h"

#include <event2/bufferevent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

/* With the change list, which the book recommends unless descriptors are duplicated. */
static struct event_base *make_base(void) {
    struct event_config *config = event_config_new();
    if (config == NULL || event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST) != 0) return NULL;
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

struct evconnlistener *servers_listen(const struct address *address, evconnlistener_cb on_connection) {
    const int on = 1;
    const unsigned options = LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE;
    const struct sockaddr *name = (const struct sockaddr *)&address->name;
    struct event_base *base = make_base();
    struct evconnlistener *listener = NULL;
    if (base != NULL) {
        listener = evconnlistener_new_bind(base, on_connection, NULL, options, BACKLOG, name, (int)address->len);
    }
    if (listener == NULL) {
        program_fail("listen");
        return NULL;
    }
    setsockopt(evconnlistener_get_fd(listener), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return listener;
}

/* Out of descriptors, most likely: the others' turn, before it is tried again. */
static void on_accept_error(struct evconnlistener *listener, void *unused) {
    (void)listener, (void)unused;
    usleep(1000);
}

int servers_run(struct evconnlistener *listener) {
    evconnlistener_set_error_cb(listener, on_accept_error);
    if (program_announce(evconnlistener_get_fd(listener)) != 0) return -1;
    return event_base_dispatch(evconnlistener_get_base(listener)) == 0 ? 0 : program_fail("event_base_dispatch");
}

struct bufferevent *servers_buffer(struct evconnlistener *listener, evutil_socket_t descriptor) {
    struct event_base *base = evconnlistener_get_base(listener);
    struct bufferevent *buffer = bufferevent_socket_new(base, descriptor, BEV_OPT_CLOSE_ON_FREE);
    if (buffer == NULL) evutil_closesocket(descriptor);
    return buffer;
}

static int serve_echo(const struct address *address) { return streams_serve(address, false); }
static int serve_frames(const struct address *address) { return streams_serve(address, true); }

int main(int argc, char **argv) {
    const struct kind kinds[] = {{"echo", serve_echo},
                                 {"frames", serve_frames},
                                 {"http", http_serve},
                                 {"broadcast", broadcast_serve},
                                 {NULL, NULL}};
    return program_main(argc, argv, kinds, false);
}
