/* The kinds echo and frames. */
#include "servers.h"

#include "frames.h"

#include <stdlib.h>
#include <string.h>

/* Bytes that wait to be sent: above the first a connection is not read, at the second it is again. */
static const size_t HIGH = 1 << 20, LOW = 512 << 10;

struct connection {
    uv_tcp_t tcp;
    uv_shutdown_t shutdown;
    /* Half a frame. */
    uint8_t *half;
    size_t half_len, half_capacity;
    bool is_paused;
};

static bool has_frames;

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buffer);

static void on_closed(uv_handle_t *handle) {
    struct connection *connection = (struct connection *)handle;
    free(connection->half);
    free(connection);
}

static void end(uv_stream_t *stream) {
    if (!uv_is_closing((uv_handle_t *)stream)) uv_close((uv_handle_t *)stream, on_closed);
}

static void on_sent(uv_stream_t *stream, int status) {
    struct connection *connection = (struct connection *)stream;
    if (status != 0) {
        end(stream);
    } else if (connection->is_paused && uv_stream_get_write_queue_size(stream) <= LOW) {
        connection->is_paused = false;
        uv_read_start(stream, servers_allocate, on_read);
    }
}

static void write_back(uv_stream_t *stream, const uint8_t *data, size_t len) {
    struct connection *connection = (struct connection *)stream;
    if (servers_write(stream, data, len, on_sent) != 0) {
        end(stream);
    } else if (!connection->is_paused && uv_stream_get_write_queue_size(stream) > HIGH) {
        connection->is_paused = true;
        uv_read_stop(stream);
    }
}

/* Makes half a frame of bytes and, if it is known, room for the rest. */
static void keep(struct connection *connection, const uint8_t *data, size_t len, size_t need) {
    size_t capacity = connection->half_len + len > need ? connection->half_len + len : need;
    if (capacity > connection->half_capacity) {
        connection->half = realloc(connection->half, capacity);
        if (connection->half == NULL) abort();
        connection->half_capacity = capacity;
    }
    memcpy(connection->half + connection->half_len, data, len);
    connection->half_len += len;
}

/* Writes the whole frames of what was read, or of what it completes, and keeps the rest. */
static void take_frames(uv_stream_t *stream, const uint8_t *data, size_t len) {
    struct connection *connection = (struct connection *)stream;
    uint8_t *completed = NULL;
    if (connection->half_len > 0) {
        keep(connection, data, len, 0);
        data = completed = connection->half;
        len = connection->half_len;
        connection->half = NULL;
        connection->half_len = connection->half_capacity = 0;
    }
    size_t need, whole = frames_whole(data, len, &need);
    if (whole == FRAMES_WRONG) {
        end(stream);
    } else {
        if (whole < len) keep(connection, data + whole, len - whole, need);
        if (whole > 0) write_back(stream, data, whole);
    }
    free(completed);
}

static void on_shut_down(uv_shutdown_t *request, int status) {
    (void)status;
    end(request->handle);
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buffer) {
    struct connection *connection = (struct connection *)stream;
    const uint8_t *data = (const uint8_t *)buffer->base;
    if (len > 0 && has_frames) {
        take_frames(stream, data, (size_t)len);
    } else if (len > 0) {
        write_back(stream, data, (size_t)len);
    } else if (len < 0) {
        /* At the end what waits is sent first. */
        if (len == UV_EOF && uv_shutdown(&connection->shutdown, stream, on_shut_down) == 0) return;
        end(stream);
    }
}

static void on_connection(uv_stream_t *server, int status) {
    if (status < 0) return;
    struct connection *connection = servers_memory(sizeof *connection);
    memset(connection, 0, sizeof *connection);
    uv_stream_t *stream = (uv_stream_t *)&connection->tcp;
    if (servers_accept(server, &connection->tcp) == 0) {
        uv_read_start(stream, servers_allocate, on_read);
    } else {
        end(stream);
    }
}

int streams_serve(const struct address *address, bool cuts_frames) {
    has_frames = cuts_frames;
    return servers_listen(address, on_connection);
}
