#include "servers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { READ_SIZE = 64 << 10 };

void *servers_memory(size_t size) {
    void *memory = malloc(size);
    if (memory == NULL) abort();
    return memory;
}

int servers_fail(const char *what, int status) {
    errno = -status;
    return program_fail(what);
}

void servers_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
    static char memory[READ_SIZE];
    (void)handle, (void)suggested;
    *buffer = uv_buf_init(memory, sizeof memory);
}

int servers_accept(uv_stream_t *server, uv_tcp_t *tcp) {
    int status = uv_tcp_init(server->loop, tcp);
    if (status != 0) return status;
    status = uv_accept(server, (uv_stream_t *)tcp);
    if (status == 0) uv_tcp_nodelay(tcp, 1);
    return status;
}

int servers_listen(const struct address *address, uv_connection_cb on_connection) {
    static uv_tcp_t server;
    uv_os_fd_t descriptor;
    int status = uv_tcp_init(uv_default_loop(), &server);
    if (status == 0) status = uv_tcp_bind(&server, (const struct sockaddr *)&address->name, 0);
    if (status == 0) status = uv_listen((uv_stream_t *)&server, BACKLOG, on_connection);
    if (status == 0) status = uv_fileno((uv_handle_t *)&server, &descriptor);
    if (status != 0) return servers_fail("listen", status);
    if (program_announce(descriptor) != 0) return -1;
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

/* ---- writing ---- */

struct late {
    uv_write_t request;
    servers_sent on_sent;
    char data[];
};

static void on_written(uv_write_t *request, int status) {
    struct late *late = (struct late *)request;
    late->on_sent(request->handle, status);
    free(late);
}

static int write_late(uv_stream_t *stream, const uint8_t *data, size_t len, servers_sent on_sent) {
    struct late *late = servers_memory(sizeof *late + len);
    uv_buf_t buffer = uv_buf_init(late->data, (unsigned)len);
    late->on_sent = on_sent;
    memcpy(late->data, data, len);
    int status = uv_write(&late->request, stream, &buffer, 1, on_written);
    if (status != 0) free(late);
    return status;
}

int servers_write(uv_stream_t *stream, const uint8_t *data, size_t len, servers_sent on_sent) {
    uv_buf_t buffer = uv_buf_init((char *)(uintptr_t)data, (unsigned)len);
    /* Answers UV_EAGAIN also while something waits. */
    int written = uv_try_write(stream, &buffer, 1);
    if (written == (int)len) return 0;
    if (written < 0 && written != UV_EAGAIN) return written;
    size_t taken = written < 0 ? 0 : (size_t)written;
    return write_late(stream, data + taken, len - taken, on_sent);
}
