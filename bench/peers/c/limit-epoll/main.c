/*
 * limit-epoll: what the kernel allows a server of one thread by epoll, and the yardstick for all others.
 *
 *     limit-epoll echo|frames|answers|http|kv|udp|broadcast URL
 *
 * It follows the manual pages epoll(7), "Edge-triggered and level-triggered", and recvmmsg(2). Set: TCP_NODELAY, a
 * backlog of 4096, reads of 64 KiB. See streams.h and datagrams.h.
 */
#include "datagrams.h"
#include "streams.h"

static int serve_echo(const struct address *address) { return streams_serve(address, &echo); }
static int serve_frames(const struct address *address) { return streams_serve(address, &frames); }
static int serve_answers(const struct address *address) { return streams_serve(address, &answers); }
static int serve_http(const struct address *address) { return streams_serve(address, &http); }
static int serve_kv(const struct address *address) { return streams_serve(address, &kv); }
static int serve_broadcast(const struct address *address) { return streams_serve(address, &broadcast); }

int main(int argc, char **argv) {
    const struct kind kinds[] = {
        {"echo", serve_echo}, {"frames", serve_frames}, {"answers", serve_answers},
        {"http", serve_http}, {"kv", serve_kv},         {"udp", datagrams_serve},
        {"broadcast", serve_broadcast}, {NULL, NULL},
    };
    return program_main(argc, argv, kinds, true);
}
