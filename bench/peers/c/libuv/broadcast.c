/* The kind broadcast: what comes from one goes to all. */
#include "servers.h"

#include <stdlib.h>

struct connection {
    uv_tcp_t tcp;
    struct connection *next, **link;
};

static struct connection *connections;

static void on_closed(uv_handle_t *handle) { free(handle); }

static void end(uv_stream_t *stream) {
    struct connection *connection = (struct connection *)stream;
    if (uv_is_closing((uv_handle_t *)stream)) return;
    *connection->link = connection->next;
    if (connection->next != NULL) connection->next->link = connection->link;
    uv_close((uv_handle_t *)stream, on_closed);
}

static void on_sent(uv_stream_t *stream, int status) {
    if (status != 0) end(stream);
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buffer) {
    if (len < 0) end(stream);
    if (len <= 0) return;
    for (struct connection *connection = connections, *next; connection != NULL; connection = next) {
        next = connection->next;
        uv_stream_t *to = (uv_stream_t *)&connection->tcp;
        bool is_full = uv_stream_get_write_queue_size(to) > OVERFLOW_BYTES;
        if (is_full || servers_write(to, (const uint8_t *)buffer->base, (size_t)len, on_sent) != 0) end(to);
    }
}

static void on_connection(uv_stream_t *server, int status) {
    if (status < 0) return;
    struct connection *connection = servers_memory(sizeof *connection);
    if (servers_accept(server, &connection->tcp) != 0) {
        uv_close((uv_handle_t *)&connection->tcp, on_closed);
        return;
    }
    connection->next = connections;
    connection->link = &connections;
    if (connections != NULL) connections->link = &connection->next;
    connections = connection;
    uv_read_start((uv_stream_t *)&connection->tcp, servers_allocate, on_read);
}

int broadcast_serve(const struct address *address) { return servers_listen(address, on_connection); }
