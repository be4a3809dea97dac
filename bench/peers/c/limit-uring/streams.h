/*
 * The bare loop over connections by io_uring: one request to accept all connections, one per connection to receive all
 * that comes, into buffers that the kernel picks; what is to be sent back leaves from these buffers, one send per
 * connection at a time, so that the order is kept. A turn costs one system call, however many requests it serves.
 *
 * A connection that reads less than it sends holds only so many bytes: then its receiving is cancelled until they have
 * left. One that finds no buffer, because others hold them all, receives into memory of its own for once.
 */
#ifndef STREAMS_H
#define STREAMS_H

#include "program.h"

/* Sends back every byte; or, with frames, every frame once it is whole. */
int streams_serve(const struct address *address, bool has_frames);

#endif
