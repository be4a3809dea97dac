#include "streams.h"

#include "frames.h"
#include "pieces.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* Bytes of pieces that a connection holds: above the first its receiving is cancelled, at the second it resumes. */
static const size_t HIGH = 1 << 20, LOW = 256 << 10;

enum operation { ACCEPT, RECEIVE, RECEIVE_ONCE, SEND, CANCEL };

enum receiving { NOTHING, FOR_EVER, ONCE };

struct connection {
    /* To be sent, in order; the first is being sent if is_sending. */
    struct piece *first, *last;
    /* What waits, by the capacities of the pieces. */
    size_t held;
    /* Half a frame; and where it receives while it receives once. */
    struct piece *half, *once;
    enum receiving receiving;
    bool is_sending, is_cancelling;
    /* The last time there was no buffer. */
    bool is_starved;
    /* The peer sends no more. */
    bool is_ended;
    /* Nothing can be sent any more. */
    bool is_broken;
};

static struct connection *connections; /* by descriptor */
static int listener;
static bool is_accepting, has_frames;

/* ---- asking ---- */

static void accept_all(void) {
    /* Not SOCK_NONBLOCK: it would have the ring answer EAGAIN rather than wait. */
    io_uring_prep_multishot_accept(ring_entry(listener, ACCEPT), listener, NULL, NULL, SOCK_CLOEXEC);
    is_accepting = true;
}

static void receive_once(int descriptor, struct connection *connection) {
    connection->once = piece_new(PIECE_SIZE);
    io_uring_prep_recv(ring_entry(descriptor, RECEIVE_ONCE), descriptor, connection->once->data, PIECE_SIZE, 0);
    connection->receiving = ONCE;
}

static void receive_for_ever(int descriptor, struct connection *connection) {
    struct io_uring_sqe *entry = ring_entry(descriptor, RECEIVE);
    io_uring_prep_recv_multishot(entry, descriptor, NULL, 0, 0);
    entry->flags |= IOSQE_BUFFER_SELECT;
    entry->buf_group = BUFFER_GROUP;
    connection->receiving = FOR_EVER;
}

/* Receives if it can: not while much waits, and without a buffer only when all that waited has left. */
static void receive(int descriptor, struct connection *connection) {
    bool is_over = connection->is_ended || connection->is_broken;
    if (connection->receiving != NOTHING || is_over || connection->held > LOW) return;
    if (!connection->is_starved) {
        receive_for_ever(descriptor, connection);
    } else if (connection->first == NULL) {
        receive_once(descriptor, connection);
    }
}

static void stop_receiving(int descriptor, struct connection *connection) {
    if (connection->receiving != FOR_EVER || connection->is_cancelling) return;
    io_uring_prep_cancel64(ring_entry(descriptor, CANCEL), ring_user_data(descriptor, RECEIVE), 0);
    connection->is_cancelling = true;
}

static void send_first(int descriptor, struct connection *connection) {
    const struct piece *piece = connection->first;
    io_uring_prep_send(ring_entry(descriptor, SEND), descriptor, piece->data + piece->at, piece->len - piece->at,
                       MSG_WAITALL | MSG_NOSIGNAL);
    connection->is_sending = true;
}

/* ---- the end ---- */

static void shift(struct connection *connection) {
    struct piece *piece = connection->first;
    connection->first = piece->next;
    connection->held -= piece->capacity;
    piece_free(piece);
}

/* Closes the connection if it is over and the ring is done with it; no event for its descriptor is under way then. */
static void end_if_over(int descriptor, struct connection *connection) {
    bool is_over = connection->is_ended || connection->is_broken;
    bool is_busy = connection->receiving != NOTHING || connection->is_sending || connection->is_cancelling;
    if (!is_over || is_busy || connection->first != NULL) return;
    piece_free(connection->half);
    *connection = (struct connection){0};
    close(descriptor);
    if (!is_accepting) accept_all();
}

/* Gives the connection up: drops what waits, and has the kernel end what is under way. */
static void give_up(int descriptor, struct connection *connection) {
    connection->is_broken = true;
    if (!connection->is_sending) {
        while (connection->first != NULL) shift(connection);
    }
    shutdown(descriptor, SHUT_RDWR);
}

/* ---- what came ---- */

static void push(int descriptor, struct connection *connection, struct piece *piece) {
    connection->held += piece->capacity;
    piece->next = NULL;
    if (connection->first == NULL) {
        connection->first = connection->last = piece;
        send_first(descriptor, connection);
    } else {
        connection->last = connection->last->next = piece;
    }
    if (connection->held > HIGH) stop_receiving(descriptor, connection);
}

static void push_frames(int descriptor, struct connection *connection, struct piece *piece) {
    size_t need = 0;
    if (connection->half != NULL) {
        const struct piece *half = connection->half;
        if (half->len >= FRAME_HEADER) need = FRAME_HEADER + frame_number(half->data);
        struct piece *joined = piece_append(connection->half, piece->data, piece->len, need);
        piece_free(piece);
        piece = joined;
        connection->half = NULL;
    }
    size_t len = piece->len, whole = frames_whole(piece->data, len, &need);
    if (whole == FRAMES_WRONG) {
        piece_free(piece);
        give_up(descriptor, connection);
        return;
    }
    if (whole < len) {
        struct piece *half = piece_new(len - whole);
        connection->half = piece_append(half, piece->data + whole, len - whole, need);
    }
    piece->len = whole;
    if (whole > 0) {
        push(descriptor, connection, piece);
    } else {
        piece_free(piece);
    }
}

static void on_piece(int descriptor, struct connection *connection, struct piece *piece) {
    if (connection->is_broken) {
        piece_free(piece);
    } else if (has_frames) {
        push_frames(descriptor, connection, piece);
    } else {
        push(descriptor, connection, piece);
    }
}

/* ---- events ---- */

static void on_accept(const struct io_uring_cqe *event) {
    if ((event->flags & IORING_CQE_F_MORE) == 0) is_accepting = false;
    if (event->res >= 0) receive_for_ever(event->res, &connections[event->res]);
    bool is_exhausted = event->res == -EMFILE || event->res == -ENFILE || event->res == -ENOMEM;
    if (!is_accepting && !is_exhausted) accept_all();
}

static void on_receive(int descriptor, struct connection *connection, const struct io_uring_cqe *event) {
    if ((event->flags & IORING_CQE_F_MORE) == 0) connection->receiving = NOTHING;
    if (event->res > 0) {
        on_piece(descriptor, connection, piece_of_buffer(ring_buffer(event), (size_t)event->res));
    } else if (event->flags & IORING_CQE_F_BUFFER) {
        ring_recycle(ring_buffer(event));
    }
    if (event->res == -ENOBUFS) {
        connection->is_starved = true;
    } else if (event->res <= 0 && event->res != -ECANCELED) {
        connection->is_ended = true;
    }
    receive(descriptor, connection);
}

static void on_receive_once(int descriptor, struct connection *connection, const struct io_uring_cqe *event) {
    struct piece *piece = connection->once;
    connection->receiving = NOTHING;
    connection->once = NULL;
    connection->is_starved = false;
    if (event->res > 0) {
        piece->len = (size_t)event->res;
        on_piece(descriptor, connection, piece);
    } else {
        piece_free(piece);
        connection->is_ended = true;
    }
    receive(descriptor, connection);
}

static void on_send(int descriptor, struct connection *connection, const struct io_uring_cqe *event) {
    struct piece *piece = connection->first;
    connection->is_sending = false;
    if (event->res <= 0 || connection->is_broken) {
        give_up(descriptor, connection);
        return;
    }
    /* Short only if it was interrupted. */
    piece->at += (size_t)event->res;
    if (piece->at == piece->len) shift(connection);
    if (connection->first != NULL) send_first(descriptor, connection);
    receive(descriptor, connection);
}

static void on_event(const struct io_uring_cqe *event) {
    int descriptor = ring_descriptor(event);
    struct connection *connection = &connections[descriptor];
    switch ((enum operation)ring_operation(event)) {
        case ACCEPT: on_accept(event); return;
        case RECEIVE: on_receive(descriptor, connection, event); break;
        case RECEIVE_ONCE: on_receive_once(descriptor, connection, event); break;
        case SEND: on_send(descriptor, connection, event); break;
        case CANCEL: connection->is_cancelling = false; break;
    }
    end_if_over(descriptor, connection);
}

static struct __kernel_timespec *on_turn(void) {
    static bool was_accepting = true;
    static struct __kernel_timespec retry = {.tv_nsec = 100000000};
    /* Out of descriptors: it is tried again after a pause, or as soon as a connection ends. */
    if (!is_accepting && !was_accepting) accept_all();
    was_accepting = is_accepting;
    return is_accepting ? NULL : &retry;
}

int streams_serve(const struct address *address, bool cuts_frames) {
    has_frames = cuts_frames;
    connections = calloc(program_descriptors(), sizeof *connections);
    if (connections == NULL) return program_fail("memory");
    listener = program_bind(address, SOCK_STREAM);
    if (listener < 0 || ring_begin(PIECE_COUNT, PIECE_SIZE) != 0) return -1;
    accept_all();
    if (program_announce(listener) != 0) return -1;
    return ring_run(on_event, on_turn);
}
