#include "datagrams.h"

#include "ring.h"

#include <netinet/in.h>

enum { COUNT = 512 };

/* The kernel puts a header and the sender's address in front of a datagram. */
static const size_t SIZE = 65535 + sizeof(struct io_uring_recvmsg_out) + sizeof(struct sockaddr_in);

enum operation { RECEIVE, SEND };

/* What a datagram's way back takes, by buffer. */
static struct answer {
    struct msghdr message;
    struct iovec slice;
} answers[COUNT];

static int endpoint;
static bool is_receiving;
/* What to receive: a sender's address of so many bytes. */
static struct msghdr received = {.msg_namelen = sizeof(struct sockaddr_in)};

static void receive(void) {
    struct io_uring_sqe *entry = ring_entry(endpoint, RECEIVE);
    io_uring_prep_recvmsg_multishot(entry, endpoint, &received, 0);
    entry->flags |= IOSQE_BUFFER_SELECT;
    entry->buf_group = BUFFER_GROUP;
    is_receiving = true;
}

static void send_back(unsigned buffer, int len) {
    struct io_uring_recvmsg_out *out = io_uring_recvmsg_validate(ring_bytes(buffer), len, &received);
    if (out == NULL) {
        ring_recycle(buffer);
        return;
    }
    struct answer *answer = &answers[buffer];
    answer->slice.iov_base = io_uring_recvmsg_payload(out, &received);
    answer->slice.iov_len = io_uring_recvmsg_payload_length(out, len, &received);
    answer->message = (struct msghdr){.msg_name = io_uring_recvmsg_name(out), .msg_namelen = out->namelen,
                                      .msg_iov = &answer->slice, .msg_iovlen = 1};
    /* In place of the descriptor, the entry carries the buffer's number. */
    io_uring_prep_sendmsg(ring_entry((int)buffer, SEND), endpoint, &answer->message, 0);
}

static void on_event(const struct io_uring_cqe *event) {
    if (ring_operation(event) == SEND) {
        /* One that the system refused is lost, as datagrams may be. */
        ring_recycle((unsigned)ring_descriptor(event));
        return;
    }
    if ((event->flags & IORING_CQE_F_MORE) == 0) is_receiving = false;
    if (event->flags & IORING_CQE_F_BUFFER) send_back(ring_buffer(event), event->res);
}

/* Receiving ends when no buffer is left, or with the error that an earlier answer met. */
static struct __kernel_timespec *on_turn(void) {
    if (!is_receiving) receive();
    return NULL;
}

int datagrams_serve(const struct address *address) {
    endpoint = program_bind(address, SOCK_DGRAM);
    if (endpoint < 0 || ring_begin(COUNT, SIZE) != 0 || program_announce(endpoint) != 0) return -1;
    return ring_run(on_event, on_turn);
}
