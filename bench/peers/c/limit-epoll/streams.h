/*
 * The bare loop over connections: what a careful C programmer writes without a library, and as few system calls as
 * epoll allows. A request and its reply cost one recv, one send, and their share of an epoll_wait.
 *
 * TCP connections are registered once, edge-triggered, for both directions: no epoll_ctl when output has to wait.
 * A read that does not fill the buffer proves the socket empty, unless the end or urgent data was reported with it.
 * Unix sockets are level-triggered, and wait for room only on demand: they are reported writable whenever the peer
 * reads.
 *
 * While output of a connection waits, its input stays in the kernel: a peer that does not read stops itself.
 */
#ifndef STREAMS_H
#define STREAMS_H

#include "program.h"
#include "protocol.h"

int streams_serve(const struct address *address, const struct protocol *protocol);

#endif
