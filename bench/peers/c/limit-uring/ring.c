#include "ring.h"

#include "program.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

enum {
    ENTRIES = 4096,
    COMPLETIONS = 32768,
    /* Buffers begin at one, and not at distances of pages: they would share the same few lines of the cache. */
    CACHE_LINE = 64
};

struct io_uring ring;
static struct io_uring_buf_ring *buffers;
static uint8_t *memory;
static size_t buffer_size, stride;
static int mask;

static int make_ring(unsigned flags) {
    struct io_uring_params params = {.flags = flags | IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL,
                                     .cq_entries = COMPLETIONS};
    errno = -io_uring_queue_init_params(ENTRIES, &ring, &params);
    return errno == 0 ? 0 : -1;
}

static void *map(size_t size) {
    void *mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) abort();
    return mapped;
}

static int make_buffers(unsigned count, size_t size) {
    buffer_size = size;
    stride = (size / CACHE_LINE + 2) * CACHE_LINE;
    memory = map(count * stride);
    buffers = map(count * sizeof(struct io_uring_buf));
    mask = io_uring_buf_ring_mask(count);
    io_uring_buf_ring_init(buffers);
    struct io_uring_buf_reg group = {
        .ring_addr = (uintptr_t)buffers, .ring_entries = count, .bgid = BUFFER_GROUP};
    errno = -io_uring_register_buf_ring(&ring, &group, 0);
    if (errno != 0) return program_fail("io_uring_register_buf_ring");
    for (unsigned i = 0; i < count; i++) ring_recycle(i);
    return 0;
}

int ring_begin(unsigned count, size_t size) {
    /* What Linux 6.1 has; before, work of the kernel's own is done whenever it likes. */
    unsigned flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN;
    if (make_ring(flags) != 0 && make_ring(IORING_SETUP_COOP_TASKRUN) != 0) return program_fail("io_uring");
    io_uring_register_ring_fd(&ring); /* saves a look-up per call, where it works */
    return make_buffers(count, size);
}

struct io_uring_sqe *ring_entry(int descriptor, unsigned operation) {
    struct io_uring_sqe *entry;
    while ((entry = io_uring_get_sqe(&ring)) == NULL) io_uring_submit(&ring);
    /* What prepares an entry leaves this member alone from liburing 2.2 on. */
    entry->user_data = ring_user_data(descriptor, operation);
    return entry;
}

uint8_t *ring_bytes(unsigned buffer) { return memory + buffer * stride; }

void ring_recycle(unsigned buffer) {
    io_uring_buf_ring_add(buffers, ring_bytes(buffer), (unsigned)buffer_size, (unsigned short)buffer, mask, 0);
    io_uring_buf_ring_advance(buffers, 1);
}

int ring_run(void (*on_event)(const struct io_uring_cqe *event), struct __kernel_timespec *(*on_turn)(void)) {
    for (;;) {
        struct __kernel_timespec *timeout = on_turn();
        struct io_uring_cqe *event;
        int submitted = timeout == NULL ? io_uring_submit_and_wait(&ring, 1)
                                        : io_uring_submit_and_wait_timeout(&ring, &event, 1, timeout, NULL);
        bool may_pass = submitted == -EINTR || submitted == -ETIME || submitted == -EBUSY || submitted == -EAGAIN;
        if (submitted < 0 && !may_pass) {
            errno = -submitted;
            return program_fail("io_uring_enter");
        }
        unsigned head, count = 0;
        io_uring_for_each_cqe(&ring, head, event) {
            on_event(event);
            count++;
        }
        io_uring_cq_advance(&ring, count);
    }
}
