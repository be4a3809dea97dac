/*
 * The one io_uring of the process, and the buffers that the kernel picks from as bytes come in. What is asked of the
 * ring leaves together, in the call that waits for what it has done.
 */
#ifndef RING_H
#define RING_H

#include <liburing.h>
#include <stddef.h>
#include <stdint.h>

enum { BUFFER_GROUP = 0 };

extern struct io_uring ring;

/* Makes the ring, and count buffers, a power of two up to 32,768, of size bytes each. 0, or -1 after saying why. */
int ring_begin(unsigned count, size_t size);

/* The next entry, to be filled in; user_data is put into it. Submits those before if there is no room. */
struct io_uring_sqe *ring_entry(int descriptor, unsigned operation);

/* The parts of an entry's user_data. */
static inline int ring_descriptor(const struct io_uring_cqe *event) { return (int)(event->user_data >> 8); }
static inline unsigned ring_operation(const struct io_uring_cqe *event) { return event->user_data & 0xff; }

static inline uint64_t ring_user_data(int descriptor, unsigned operation) {
    return (uint64_t)(unsigned)descriptor << 8 | operation;
}

/* The number of the buffer that the kernel has picked for an event, which has IORING_CQE_F_BUFFER. */
static inline unsigned ring_buffer(const struct io_uring_cqe *event) { return event->flags >> IORING_CQE_BUFFER_SHIFT; }

uint8_t *ring_bytes(unsigned buffer);

/* Gives a buffer back to the kernel. */
void ring_recycle(unsigned buffer);

/*
 * Submits, and serves what is done, for ever. on_turn is called before each wait; timeout says how long that may last
 * then, NULL for as long as it takes. Returns -1 when the ring fails, after it has said so.
 */
int ring_run(void (*on_event)(const struct io_uring_cqe *event), struct __kernel_timespec *(*on_turn)(void));

#endif
