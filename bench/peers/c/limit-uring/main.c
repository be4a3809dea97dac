/*
 * limit-uring: what the kernel allows a server of one thread by io_uring.
 *
 *     limit-uring echo|frames|udp URL
 *
 * It follows the manual pages io_uring(7), io_uring_setup(2), "IORING_SETUP_DEFER_TASKRUN", and
 * io_uring_register_buf_ring(3), "io_uring networking" (liburing's wiki, "io_uring and networking in 2023"). Set:
 * TCP_NODELAY, a backlog of 4096, buffers of 32 KiB. See streams.h and datagrams.h.
 */
#include "datagrams.h"
#include "streams.h"

static int serve_echo(const struct address *address) { return streams_serve(address, false); }
static int serve_frames(const struct address *address) { return streams_serve(address, true); }

int main(int argc, char **argv) {
    const struct kind kinds[] = {
        {"echo", serve_echo}, {"frames", serve_frames}, {"udp", datagrams_serve}, {NULL, NULL}};
    return program_main(argc, argv, kinds, true);
}
