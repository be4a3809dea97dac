#include "streams.h"

#include "backlog.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
    EVENTS = 1024,
    /* Connections taken in before the others are served. */
    ACCEPTS = 256,
    /* Full buffers read from one connection before the others are served: 1 MiB. */
    READS = 16,
    /* Milliseconds until accepting is tried again after the descriptors ran out, if no connection ends. */
    RETRY_MS = 100
};

/* More may be there than a short read takes: the end, an error, urgent data. */
static const uint32_t READ_ON = EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI;

enum outcome { DONE, BLOCKED, BROKEN };

static const struct protocol *protocol;
static int poller, listener;
static bool is_out_of_descriptors;
static uint8_t buffer[READ_SIZE];
/* Whether connections are edge-triggered, and what they are registered for while their output flows, and waits. */
static bool is_edge;
static uint32_t flowing, blocked;
/* For a protocol that replies to everybody: all connections, and by descriptor where each stands there. */
static int *everybody;
static size_t *places, everybody_count;

static void watch(int operation, int descriptor, uint32_t events) {
    struct epoll_event event = {.events = events, .data.fd = descriptor};
    if (epoll_ctl(poller, operation, descriptor, &event) != 0) {
        program_fail("epoll_ctl");
        exit(EXIT_FAILURE);
    }
}

/* ---- sending ---- */

static enum outcome send_to(int descriptor, const uint8_t *data, size_t len) {
    ssize_t sent = send(descriptor, data, len, MSG_NOSIGNAL);
    if (sent == (ssize_t)len) return DONE;
    if (sent < 0 && errno != EAGAIN) return BROKEN;
    size_t taken = sent < 0 ? 0 : (size_t)sent;
    queue_append(&backlog_of(descriptor)->output, data + taken, len - taken);
    if (blocked != flowing) watch(EPOLL_CTL_MOD, descriptor, blocked);
    return BLOCKED;
}

/* Sends what waits, of a connection whose output does. */
static enum outcome flush(int descriptor) {
    struct queue *output = &backlogs[descriptor]->output;
    ssize_t sent = send(descriptor, output->data + output->at, output->len - output->at, MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN ? BLOCKED : BROKEN;
    queue_consume(output, (size_t)sent);
    if (output->len > 0) return BLOCKED;
    if (blocked != flowing) watch(EPOLL_CTL_MOD, descriptor, flowing);
    backlog_trim(descriptor);
    return DONE;
}

/* Puts bytes behind those that wait. No sender can be stopped for them: too many end the connection. */
static void send_later(int descriptor, const uint8_t *data, size_t len) {
    struct queue *output = &backlogs[descriptor]->output;
    if (output->len - output->at + len <= OVERFLOW_BYTES) {
        queue_append(output, data, len);
    } else {
        queue_consume(output, output->len - output->at);
        shutdown(descriptor, SHUT_RDWR); /* which it is told by an event */
    }
}

static enum outcome send_to_everybody(int sender, const uint8_t *data, size_t len) {
    for (size_t i = 0; i < everybody_count; i++) {
        if (backlog_has_output(everybody[i])) {
            send_later(everybody[i], data, len);
        } else {
            (void)send_to(everybody[i], data, len); /* one that broke is told so by its own event */
        }
    }
    return backlog_has_output(sender) ? BLOCKED : DONE;
}

/* ---- receiving ---- */

/* Serves input until it is used up, or output has to wait. *need is as in struct reply. */
static enum outcome serve(int descriptor, const uint8_t *data, size_t len, size_t *taken, size_t *need) {
    enum outcome outcome = DONE;
    *taken = *need = 0;
    while (outcome == DONE && *taken < len) {
        struct reply reply = {0};
        size_t took = protocol->take(data + *taken, len - *taken, &reply);
        if (reply.len > 0) {
            outcome = protocol->to_everybody ? send_to_everybody(descriptor, reply.data, reply.len)
                                             : send_to(descriptor, reply.data, reply.len);
        }
        if (took == TAKE_WRONG) return BROKEN;
        *taken += took;
        *need = reply.need;
        if (took == 0) break;
    }
    return outcome;
}

static void reserve_input(struct queue *input, size_t need) {
    queue_reserve(input, need < READ_SIZE ? READ_SIZE : need);
}

/* Serves what lies in the shared buffer, and keeps what is left. */
static enum outcome serve_buffer(int descriptor, size_t len) {
    size_t taken, need;
    enum outcome outcome = serve(descriptor, buffer, len, &taken, &need);
    if (outcome != BROKEN && taken < len) {
        struct queue *input = &backlog_of(descriptor)->input;
        reserve_input(input, need);
        queue_append(input, buffer + taken, len - taken);
    }
    return outcome;
}

/* Serves what was kept, with what has come behind it. */
static enum outcome serve_kept(int descriptor) {
    struct queue *input = &backlogs[descriptor]->input;
    size_t taken, need;
    enum outcome outcome = serve(descriptor, input->data + input->at, input->len - input->at, &taken, &need);
    if (outcome == BROKEN) return BROKEN;
    queue_consume(input, taken);
    if (input->len > 0) {
        reserve_input(input, need);
    } else {
        backlog_trim(descriptor);
    }
    return outcome;
}

/* One read, and what follows from it. *is_short if it did not fill its room. */
static enum outcome receive_once(int descriptor, bool *is_short) {
    struct backlog *backlog = backlogs[descriptor];
    struct queue *input = backlog == NULL || backlog->input.len == 0 ? NULL : &backlog->input;
    uint8_t *room = buffer;
    size_t capacity = READ_SIZE;
    if (input != NULL) {
        if (input->len == input->capacity) queue_reserve(input, 2 * input->capacity);
        room = input->data + input->len;
        capacity = input->capacity - input->len;
    }
    ssize_t got = recv(descriptor, room, capacity, 0);
    *is_short = got < (ssize_t)capacity;
    if (got <= 0) return got < 0 && errno == EAGAIN ? BLOCKED : BROKEN;
    if (input == NULL) return serve_buffer(descriptor, (size_t)got);
    input->len += (size_t)got;
    return serve_kept(descriptor);
}

static enum outcome receive(int descriptor, bool must_drain) {
    for (int reads = 0; reads < READS; reads++) {
        bool is_short;
        enum outcome outcome = receive_once(descriptor, &is_short);
        if (outcome != DONE) return outcome;
        if (!is_edge || (is_short && !must_drain)) return DONE;
    }
    /* The others' turn; this makes what is still there an event again. */
    watch(EPOLL_CTL_MOD, descriptor, flowing);
    return DONE;
}

/* ---- connections ---- */

static void begin(int descriptor) {
    watch(EPOLL_CTL_ADD, descriptor, flowing);
    if (!protocol->to_everybody) return;
    places[descriptor] = everybody_count;
    everybody[everybody_count++] = descriptor;
}

static void end(int descriptor) {
    backlog_drop(descriptor);
    if (protocol->to_everybody) {
        int last = everybody[--everybody_count];
        everybody[places[descriptor]] = last;
        places[last] = places[descriptor];
    }
    close(descriptor);
}

static void set_out_of_descriptors(bool is_out) {
    if (is_out_of_descriptors == is_out) return;
    watch(EPOLL_CTL_MOD, listener, is_out ? 0 : EPOLLIN);
    is_out_of_descriptors = is_out;
}

static void accept_some(void) {
    for (int accepts = 0; accepts < ACCEPTS; accepts++) {
        int descriptor = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (descriptor >= 0) {
            begin(descriptor);
        } else if (errno == EAGAIN) {
            return;
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            set_out_of_descriptors(true);
            return;
        }
        /* Any other error is that of one connection, which is gone. */
    }
}

static void on_event(int descriptor, uint32_t events) {
    bool must_drain = (events & READ_ON) != 0;
    enum outcome outcome = DONE;
    if (backlog_has_output(descriptor)) {
        if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) == 0) return;
        outcome = flush(descriptor);
        if (outcome == DONE && backlogs[descriptor] != NULL) outcome = serve_kept(descriptor);
        must_drain = true; /* what came in the meantime was an event then */
    } else if (events == EPOLLOUT) {
        return; /* a new connection */
    }
    if (outcome == DONE) outcome = receive(descriptor, must_drain);
    if (outcome != BROKEN) return;
    end(descriptor);
    set_out_of_descriptors(false);
}

static void run(void) {
    static struct epoll_event events[EVENTS];
    for (;;) {
        int count = epoll_wait(poller, events, EVENTS, is_out_of_descriptors ? RETRY_MS : -1);
        if (count == 0) set_out_of_descriptors(false);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener) {
                accept_some();
            } else {
                on_event(events[i].data.fd, events[i].events);
            }
        }
    }
}

int streams_serve(const struct address *address, const struct protocol *served) {
    size_t descriptors = program_descriptors();
    protocol = served;
    is_edge = address->name.ss_family != AF_UNIX;
    flowing = is_edge ? EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET : EPOLLIN;
    blocked = is_edge ? flowing : EPOLLOUT;
    backlogs_begin(descriptors);
    everybody = calloc(descriptors, sizeof *everybody);
    places = calloc(descriptors, sizeof *places);
    if (everybody == NULL || places == NULL) return program_fail("memory");
    listener = program_bind(address, SOCK_STREAM | SOCK_NONBLOCK);
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (listener < 0 || poller < 0) return -1;
    watch(EPOLL_CTL_ADD, listener, EPOLLIN);
    if (program_announce(listener) != 0) return -1;
    run();
    return 0;
}
