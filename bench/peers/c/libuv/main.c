/*
 * libuv: an event loop in C, the one of Node.
 *
 *     libuv echo|frames|udp|broadcast URL
 *
 * It follows "An Introduction to libuv" (the user guide), chapter Networking; for the end of a connection, the echo
 * server among libuv's own tests; for reading and writing, what Node does with it: uv_try_write() first, uv_write() for
 * what is left. (As the guide does it, with uv_write() alone, a request costs one epoll_ctl more, and with 64 KiB from
 * malloc for each read a third of a brk.) Set: uv_tcp_nodelay(), a backlog of 4096, UV_UDP_RECVMMSG; reading
 * stops while a MiB waits to be sent, which the guide leaves to its readers. libuv has no HTTP.
 */
#include "servers.h"

static int serve_echo(const struct address *address) { return streams_serve(address, false); }
static int serve_frames(const struct address *address) { return streams_serve(address, true); }

int main(int argc, char **argv) {
    const struct kind kinds[] = {{"echo", serve_echo},
                                 {"frames", serve_frames},
                                 {"udp", datagrams_serve},
                                 {"broadcast", broadcast_serve},
                                 {NULL, NULL}};
    return program_main(argc, argv, kinds, false);
}
