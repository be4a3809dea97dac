/* The kind udp: received many at a time (UV_UDP_RECVMMSG), and sent back one by one, at once if possible. */
#include "servers.h"

#include <stdlib.h>
#include <string.h>

enum { DATAGRAMS = 16, DATAGRAM_SIZE = 64 << 10 };

/* One whose sending has to wait. */
struct late {
    uv_udp_send_t request;
    char data[];
};

static void allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
    static char memory[DATAGRAMS * DATAGRAM_SIZE];
    (void)handle, (void)suggested;
    *buffer = uv_buf_init(memory, sizeof memory);
}

static void on_sent(uv_udp_send_t *request, int status) {
    (void)status; /* what the system refuses is lost, as datagrams may be */
    free(request);
}

static void send_late(uv_udp_t *udp, const char *data, size_t len, const struct sockaddr *sender) {
    struct late *late = servers_memory(sizeof *late + len);
    memcpy(late->data, data, len);
    uv_buf_t buffer = uv_buf_init(late->data, (unsigned)len);
    if (uv_udp_send(&late->request, udp, &buffer, 1, sender, on_sent) != 0) free(late);
}

static void on_datagram(uv_udp_t *udp, ssize_t len, const uv_buf_t *data, const struct sockaddr *sender,
                        unsigned flags) {
    (void)flags;
    if (len < 0 || sender == NULL) return; /* nothing more to read */
    uv_buf_t buffer = uv_buf_init(data->base, (unsigned)len);
    if (uv_udp_try_send(udp, &buffer, 1, sender) == UV_EAGAIN) send_late(udp, data->base, (size_t)len, sender);
}

int datagrams_serve(const struct address *address) {
    static uv_udp_t udp;
    uv_os_fd_t descriptor;
    int status = uv_udp_init_ex(uv_default_loop(), &udp, AF_UNSPEC | UV_UDP_RECVMMSG);
    if (status == 0) status = uv_udp_bind(&udp, (const struct sockaddr *)&address->name, 0);
    if (status == 0) status = uv_udp_recv_start(&udp, allocate, on_datagram);
    if (status == 0) status = uv_fileno((uv_handle_t *)&udp, &descriptor);
    if (status != 0) return servers_fail("bind", status);
    if (program_announce(descriptor) != 0) return -1;
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
