/*
 * Every function of the library that names a connection, in one form, so that a test can make all of them with the same
 * server and id. A program that includes it uses all of it.
 */
#ifndef CALLS_H
#define CALLS_H

#include <netinet/in.h>
#include <reactor.h>

typedef reactor_status call_function(reactor_server *server, reactor_conn conn);

struct call {
    const char *name;
    call_function *call;
    reactor_status of_the_dead; /* what it answers where there is no such connection */
    reactor_status of_a_thread; /* what it answers about one that lives, on a thread that is no loop */
};

static void ignore_completion(void *user_data, reactor_server *server, reactor_conn conn, int32_t completed) {
    (void)user_data, (void)server, (void)conn, (void)completed;
}

static void ignore_function(void *user_data, reactor_server *server, reactor_conn conn) {
    (void)user_data, (void)server, (void)conn;
}

#define CALL(name, ...) \
    static reactor_status call_##name(reactor_server *server, reactor_conn conn) { return reactor_conn_##name(server, conn, __VA_ARGS__); }
#define CALL_BARE(name) \
    static reactor_status call_##name(reactor_server *server, reactor_conn conn) { return reactor_conn_##name(server, conn); }

static uint32_t out_number;
static void *out_context;
static reactor_info out_info = {.size = sizeof out_info};
static reactor_datagram out_datagram = {.size = sizeof out_datagram};
static const struct iovec one_slice = {.iov_base = "x", .iov_len = 1};
static const struct sockaddr_in any_address = {.sin_family = AF_INET};

CALL(write, (const uint8_t *)"x", 1, &out_number)
CALL(write_gathered, &one_slice, 1, &out_number)
CALL(write_then, &one_slice, 1, ignore_completion, NULL, &out_number)
CALL(write_frame, (const uint8_t *)"x", 1, &out_number)
CALL(send_to, (const struct sockaddr *)&any_address, sizeof any_address, (const uint8_t *)"x", 1, &out_number)
CALL_BARE(wake)
CALL_BARE(pause)
CALL_BARE(resume)
CALL_BARE(hold)
CALL_BARE(release)
CALL(keep, 0)
CALL(start_timer, 1, 0, NULL)
CALL(run_on_loop, ignore_function, NULL, NULL)
CALL(is_open, &out_number)
CALL(set_context, NULL, NULL)
CALL(context, &out_context)
CALL(set_option, REACTOR_OPTION_NODELAY, 1)
CALL(set_keepalive, REACTOR_ON, 1, 1, 1)
CALL(join_multicast, "239.1.2.3")
CALL(leave_multicast, "239.1.2.3")
CALL(set_timeouts, 0, 0, 0)
CALL(set_framing, NULL)
CALL(info, &out_info)
CALL(datagram, &out_datagram)
CALL(remote_address, NULL, 0, NULL)
CALL(local_address, NULL, 0, NULL)
CALL(peer_credentials, NULL, NULL, NULL)
CALL_BARE(end)
CALL_BARE(detach)
CALL_BARE(fail)
CALL_BARE(close)
CALL_BARE(abort)

#define ROW(name, of_the_dead, of_a_thread) {"reactor_conn_" #name, call_##name, REACTOR_##of_the_dead, REACTOR_##of_a_thread}

/* In an order in which they can be made one after the other on one TCP connection; the last of them ends it. */
static const struct call calls[] = {
    ROW(write, STATUS_CLOSED, OK),
    ROW(write_gathered, STATUS_CLOSED, OK),
    ROW(write_then, STATUS_CLOSED, OK),
    ROW(write_frame, STATUS_CLOSED, STATUS_INVALID_ARGUMENT),
    ROW(send_to, STATUS_CLOSED, STATUS_UNSUPPORTED),
    ROW(wake, STATUS_CLOSED, OK),
    ROW(pause, STATUS_CLOSED, OK),
    ROW(resume, STATUS_CLOSED, OK),
    ROW(hold, STATUS_CLOSED, OK),
    ROW(release, STATUS_CLOSED, OK),
    ROW(keep, STATUS_CLOSED, STATUS_WRONG_THREAD),
    ROW(start_timer, STATUS_CLOSED, STATUS_WRONG_THREAD),
    ROW(run_on_loop, STATUS_CLOSED, OK),
    ROW(is_open, OK, OK),
    ROW(set_context, STATUS_CLOSED, STATUS_WRONG_THREAD),
    ROW(context, STATUS_CLOSED, STATUS_WRONG_THREAD),
    ROW(set_option, STATUS_CLOSED, OK),
    ROW(set_keepalive, STATUS_CLOSED, OK),
    ROW(join_multicast, STATUS_CLOSED, STATUS_SYSTEM),
    ROW(leave_multicast, STATUS_CLOSED, STATUS_SYSTEM),
    ROW(set_timeouts, STATUS_CLOSED, OK),
    ROW(set_framing, STATUS_CLOSED, OK),
    ROW(info, STATUS_CLOSED, OK),
    ROW(datagram, STATUS_CLOSED, STATUS_WRONG_THREAD),
    ROW(remote_address, STATUS_CLOSED, OK),
    ROW(local_address, STATUS_CLOSED, OK),
    ROW(peer_credentials, STATUS_CLOSED, STATUS_SYSTEM),
    ROW(end, STATUS_CLOSED, OK),
    ROW(close, STATUS_CLOSED, OK),
    ROW(fail, STATUS_CLOSED, STATUS_CLOSED),
    ROW(detach, STATUS_CLOSED, STATUS_CLOSED),
    ROW(abort, STATUS_CLOSED, OK),
};

enum { CALLS = sizeof calls / sizeof *calls };

#endif
