/* The kinds echo and frames: what is to be sent back moves from the input to the output buffer without a copy. */
#include "servers.h"

#include "frames.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>

/* Bytes that wait to be sent: above the first a connection is not read, at the second it is again. */
static const size_t HIGH = 1 << 20, LOW = 512 << 10;

static bool has_frames;

/* Moves whole frames. False if one is above the maximum. */
static bool move_frames(struct evbuffer *input, struct evbuffer *output) {
    uint8_t header[FRAME_HEADER];
    while (evbuffer_copyout(input, header, sizeof header) == FRAME_HEADER) {
        size_t size = frame_number(header);
        if (size > FRAME_MAX) return false;
        if (evbuffer_get_length(input) < FRAME_HEADER + size) break;
        evbuffer_remove_buffer(input, output, FRAME_HEADER + size);
    }
    return true;
}

static void on_read(struct bufferevent *buffer, void *unused) {
    (void)unused;
    struct evbuffer *input = bufferevent_get_input(buffer), *output = bufferevent_get_output(buffer);
    if (!has_frames) {
        evbuffer_add_buffer(output, input);
    } else if (!move_frames(input, output)) {
        bufferevent_free(buffer);
        return;
    }
    if (evbuffer_get_length(output) <= HIGH) return;
    bufferevent_setwatermark(buffer, EV_WRITE, LOW, 0);
    bufferevent_disable(buffer, EV_READ);
}

/* The output has fallen to its low-water mark. */
static void on_write(struct bufferevent *buffer, void *unused) {
    (void)unused;
    if (bufferevent_get_enabled(buffer) & EV_READ) return;
    bufferevent_setwatermark(buffer, EV_WRITE, 0, 0);
    bufferevent_enable(buffer, EV_READ);
}

static void on_last_write(struct bufferevent *buffer, void *unused) {
    (void)unused;
    bufferevent_free(buffer);
}

static void on_event(struct bufferevent *buffer, short events, void *unused) {
    bool is_unsent = evbuffer_get_length(bufferevent_get_output(buffer)) > 0;
    if ((events & BEV_EVENT_EOF) && is_unsent) {
        /* What waits is sent first. Reading is disabled by the library. */
        bufferevent_setwatermark(buffer, EV_WRITE, 0, 0);
        bufferevent_setcb(buffer, NULL, on_last_write, on_event, unused);
    } else if (events & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) {
        bufferevent_free(buffer);
    }
}

static void on_connection(struct evconnlistener *listener, evutil_socket_t descriptor, struct sockaddr *peer, int len,
                          void *unused) {
    (void)peer, (void)len, (void)unused;
    struct bufferevent *buffer = servers_buffer(listener, descriptor);
    if (buffer == NULL) return;
    bufferevent_setcb(buffer, on_read, on_write, on_event, NULL);
    bufferevent_enable(buffer, EV_READ | EV_WRITE);
}

int streams_serve(const struct address *address, bool cuts_frames) {
    has_frames = cuts_frames;
    struct evconnlistener *listener = servers_listen(address, on_connection);
    return listener == NULL ? -1 : servers_run(listener);
}
