#ifndef SERVERS_H
#define SERVERS_H

#include "program.h"

#include <stdint.h>
#include <uv.h>

/* Sends back every byte; or, with frames, every frame once it is whole. */
int streams_serve(const struct address *address, bool has_frames);

int broadcast_serve(const struct address *address);

int datagrams_serve(const struct address *address);

/* Listens on the default loop, says where, and runs the loop. Returns -1 if it cannot, after it has said so. */
int servers_listen(const struct address *address, uv_connection_cb on_connection);

/* Takes a connection that waits at the server into a handle that is initialized here. Not 0 if that is impossible. */
int servers_accept(uv_stream_t *server, uv_tcp_t *tcp);

/* Says what failed, and returns -1. */
int servers_fail(const char *what, int status);

/* Gives the one buffer that all reads share: what is in it is used up before the next one. */
void servers_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer);

/*
 * Writes at once what the kernel takes, and a copy of the rest later, after which on_sent is called.
 * Returns 0, or what was wrong with the connection.
 */
typedef void (*servers_sent)(uv_stream_t *stream, int status);
int servers_write(uv_stream_t *stream, const uint8_t *data, size_t len, servers_sent on_sent);

/* Ends the process if there is no memory. */
void *servers_memory(size_t size);

#endif
