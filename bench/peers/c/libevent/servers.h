#ifndef SERVERS_H
#define SERVERS_H

#include "program.h"

#include <event2/event.h>
#include <event2/listener.h>

/* Sends back every byte; or, with frames, every frame once it is whole. */
int streams_serve(const struct address *address, bool has_frames);

int broadcast_serve(const struct address *address);

int http_serve(const struct address *address);

/* Listens, for on_connection, which may be NULL. Returns NULL if it cannot, after it has said so. */
struct evconnlistener *servers_listen(const struct address *address, evconnlistener_cb on_connection);

/* Says where the listener listens, and runs its loop. Returns -1 if it cannot, after it has said so. */
int servers_run(struct evconnlistener *listener);

/* A buffered connection over a descriptor, which is closed with it; NULL, and closed, if there is no memory. */
struct bufferevent *servers_buffer(struct evconnlistener *listener, evutil_socket_t descriptor);

#endif
