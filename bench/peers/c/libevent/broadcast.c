/* The kind broadcast: what comes from one is copied to the output of all. */
#include "servers.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdlib.h>

struct connection {
    struct bufferevent *buffer;
    struct connection *next, **link;
};

static struct connection *connections;

static void end(struct connection *connection) {
    *connection->link = connection->next;
    if (connection->next != NULL) connection->next->link = connection->link;
    bufferevent_free(connection->buffer);
    free(connection);
}

static void on_event(struct bufferevent *buffer, short events, void *connection) {
    (void)buffer;
    if (events & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) end(connection);
}

static void send_to_all(const void *data, size_t len) {
    for (struct connection *connection = connections, *next; connection != NULL; connection = next) {
        next = connection->next;
        if (evbuffer_get_length(bufferevent_get_output(connection->buffer)) > OVERFLOW_BYTES) {
            end(connection);
        } else {
            bufferevent_write(connection->buffer, data, len);
        }
    }
}

static void on_read(struct bufferevent *buffer, void *unused) {
    (void)unused;
    static char data[64 << 10];
    /* Its owner may be one of those that are ended: what it sent is taken out first. */
    size_t len = bufferevent_read(buffer, data, sizeof data);
    send_to_all(data, len);
}

static void on_connection(struct evconnlistener *listener, evutil_socket_t descriptor, struct sockaddr *peer, int len,
                          void *unused) {
    (void)peer, (void)len, (void)unused;
    struct bufferevent *buffer = servers_buffer(listener, descriptor);
    struct connection *connection = buffer == NULL ? NULL : malloc(sizeof *connection);
    if (connection == NULL) {
        if (buffer != NULL) bufferevent_free(buffer);
        return;
    }
    *connection = (struct connection){.buffer = buffer, .next = connections, .link = &connections};
    if (connections != NULL) connections->link = &connection->next;
    connections = connection;
    bufferevent_setcb(buffer, on_read, NULL, on_event, connection);
    bufferevent_enable(buffer, EV_READ | EV_WRITE);
}

int broadcast_serve(const struct address *address) {
    struct evconnlistener *listener = servers_listen(address, on_connection);
    return listener == NULL ? -1 : servers_run(listener);
}
