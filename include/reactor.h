/*
 * reactor: a multi-loop network engine; servers for protocols of your own, through callbacks.
 *
 * Generated from ffi/src by `UPDATE_HEADER=1 cargo test -p reactor-ffi --test header`. Do not edit.
 */

#ifndef REACTOR_H
#define REACTOR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

/*
 * Conventions
 *
 * - Receiver first, then inputs, then out_ parameters, which are written only on success. Bytes are a pointer
 *   and a length. Strings are UTF-8 and end with a zero byte.
 * - A function that can fail returns a reactor_status: REACTOR_OK, which is 0, or what was wrong; then
 *   reactor_last_error() says it in words. A NULL that a function does not allow is
 *   REACTOR_STATUS_INVALID_ARGUMENT.
 * - Functions may be called from any thread and from any callback, unless they say otherwise.
 * - Callbacks run on the server's own threads, but for on_start, which runs on the thread that starts the
 *   server, and those of a server that its host drives, which run on the host's thread.
 * - The threads that run callbacks have the signal mask of the thread that started the server. So what a callback
 *   starts, a program or a thread, has it as well, and raise() arrives. Linux gives a signal for the process to its
 *   main thread as long as that takes it; a program that wants its signals on another thread blocks them, with
 *   pthread_sigmask(), before reactor_server_start(). On the library's other threads all signals are blocked but
 *   the faults.
 * - A child that is forked in a callback and returns from it ends there: its thread, and the process if there is no
 *   other, with 0 and without what atexit(3) was given. reactor_server_turn() answers REACTOR_STATUS_WRONG_STATE
 *   in it.
 * - No callback and no completion runs inside of a call, whatever the call brings about: it comes later, on its loop. The
 *   calls that run the server are the exception: on_start comes inside of reactor_server_start() and _run(), and of
 *   reactor_serve(), and of a server that its host drives everything inside of reactor_server_turn(), and of reactor_server_free() what is
 *   left. A destroy function may be called inside of the call that gives up what it releases.
 * - Callbacks, and all functions that the program passes, must not block, and must be left by returning:
 *   neither by an exception nor by longjmp. A callback that ends the thread of its loop, by pthread_exit(), stops the
 *   server; it fails the start if it is on_start. The thread goes on, a host's in reactor_server_turn(), and what the
 *   library had allocated for that turn is not given back. A loop's thread cannot be cancelled.
 *   reactor_server_free(), _run(), _wait() and _turn(), and reactor_serve() are refused inside of them, with
 *   REACTOR_STATUS_WRONG_THREAD.
 * - Where user_data goes with a destroy function, the library calls destroy once, after everything else that it
 *   calls with that user_data. If the call that passes them fails, user_data remains the caller's, and destroy is
 *   not called.
 * - A struct begins with its size, which the program sets to sizeof; in options, a member that is zero has its
 *   default. Numbers in the range of an enumeration may grow: expect values that you do not know.
 */

/**
 * Callbacks return it: go on.
 */
#define REACTOR_ACTION_NONE 0

/**
 * Callbacks return it: close this connection. From now on writes answer closed; what is queued is sent
 * first.
 */
#define REACTOR_ACTION_CLOSE 1

/**
 * Callbacks return it: stop the server.
 */
#define REACTOR_ACTION_STOP 2

/**
 * Callbacks return it: hand this connection's descriptor out, to on_detach.
 */
#define REACTOR_ACTION_DETACH 3

/**
 * The queue of unsent output is at or below the high-water mark: go on writing.
 */
#define REACTOR_PRESSURE_LOW 0

/**
 * The queue of unsent output is above the high-water mark: better wait for on_drain. The bytes were
 * accepted.
 */
#define REACTOR_PRESSURE_HIGH 1

/**
 * A completion is told it: the kernel has taken the write's last byte. That the peer has it, only an answer
 * of the peer's can tell.
 */
#define REACTOR_COMPLETED_SENT 0

/**
 * A completion is told it: the connection ended, or was detached, before.
 */
#define REACTOR_COMPLETED_CANCELLED 1

/**
 * Why a connection ended: the peer closed its side, and everything was answered. The numbers are fixed for
 * ever; expect values that you do not know, more will come.
 */
#define REACTOR_CLOSE_EOF 1

/**
 * Why a connection ended: it broke; the peer reset it, or the network gave up. error_number says which.
 */
#define REACTOR_CLOSE_RESET 2

/**
 * Why a connection ended: this side closed it.
 */
#define REACTOR_CLOSE_LOCAL_CLOSE 3

/**
 * Why a connection ended: this side reset it, by reactor_conn_abort().
 */
#define REACTOR_CLOSE_ABORT 4

/**
 * Why a connection ended: nothing came or went for as long as the idle time-out.
 */
#define REACTOR_CLOSE_IDLE 5

/**
 * Why a connection ended: the server stopped.
 */
#define REACTOR_CLOSE_SHUTDOWN 6

/**
 * Why a connection ended: a write went beyond the hard limit of unsent output; or the server held more than its byte
 * budget, and this connection too much of it.
 */
#define REACTOR_CLOSE_OVERFLOW 7

/**
 * Why a connection ended: its input breaks the framing, by a frame above the maximum, a malformed one, or
 * half a frame at the end; or on_data has kept more than 16 MiB of it.
 */
#define REACTOR_CLOSE_PROTOCOL 8

/**
 * Why a connection ended: a callback failed, which in C is: returned a number that is no action. No other
 * callback reports it.
 */
#define REACTOR_CLOSE_HANDLER_ERROR 9

/**
 * Why a connection ended: it could not be made. error_number says why, where the system had a part in it.
 */
#define REACTOR_CLOSE_CONNECT_FAILED 10

/**
 * Why a connection ended: the connect, read or write time-out was over.
 */
#define REACTOR_CLOSE_TIMED_OUT 11

/**
 * For members where 0 is the default: on.
 */
#define REACTOR_ON 1

/**
 * For members where 0 is the default: off.
 */
#define REACTOR_OFF 2

/**
 * For times in milliseconds: never, for ever, without a limit.
 */
#define REACTOR_NEVER -1

/**
 * For linger_ms: a connection closed by this side does not wait for the peer.
 */
#define REACTOR_NO_LINGER -1

/**
 * For byte_budget: no budget.
 */
#define REACTOR_UNLIMITED (size_t)-1

/**
 * Bytes that hold every address that the library gives, the zero at the end included.
 */
#define REACTOR_ADDRESS_CAPACITY 512

/**
 * For reactor_server_close_listener_with(): connections that the kernel has made and nobody has taken in are served,
 * and datagrams that wait are answered.
 */
#define REACTOR_WAITING_SERVE 0

/**
 * For reactor_server_close_listener_with(): they are reset, or dropped.
 */
#define REACTOR_WAITING_REFUSE 1

/**
 * For functions that take a loop: all loops of the server together, and what accepts for them.
 */
#define REACTOR_ALL_LOOPS UINT32_MAX

/**
 * Reasons that struct reactor_metrics has room for, those to come included.
 */
#define REACTOR_METRICS_REASONS 32

/**
 * Magnitudes of a delay: one per bit of a number of nanoseconds.
 */
#define REACTOR_METRICS_DELAYS 64

/**
 * Whether small writes leave at once (TCP_NODELAY): 0 or 1. TCP.
 */
#define REACTOR_OPTION_NODELAY 1

/**
 * Bytes of the kernel's receive buffer, above 0; the kernel caps the number and then doubles it.
 */
#define REACTOR_OPTION_RCVBUF 2

/**
 * Bytes of the kernel's send buffer, likewise.
 */
#define REACTOR_OPTION_SNDBUF 3

/**
 * Hops that packets may go, 1 to 255. TCP and UDP.
 */
#define REACTOR_OPTION_TTL 4

/**
 * Whether datagrams may go to broadcast addresses: 0 or 1. UDP.
 */
#define REACTOR_OPTION_BROADCAST 5

/**
 * Hops that multicast datagrams may go, 0 to 255; the system's default is 1: the local network. UDP.
 */
#define REACTOR_OPTION_MULTICAST_TTL 6

/**
 * Whether this machine hears the multicast datagrams it sends: 0 or 1; the system's default is 1. UDP.
 */
#define REACTOR_OPTION_MULTICAST_LOOP 7

/**
 * How incoming connections are spread over the loops: each loop in its turn. The default.
 */
#define REACTOR_BALANCE_ROUND_ROBIN 0

/**
 * How incoming connections are spread over the loops: to the one with the fewest connections.
 */
#define REACTOR_BALANCE_LEAST_CONNECTIONS 1

/**
 * How incoming connections are spread over the loops: to any.
 */
#define REACTOR_BALANCE_RANDOM 2

/**
 * How incoming connections are spread over the loops: by the client's IP address; a client always meets the
 * same loop. Unix sockets go round-robin.
 */
#define REACTOR_BALANCE_SOURCE_HASH 3

/**
 * How incoming connections are spread over the loops: one listening socket per loop (SO_REUSEPORT), and the
 * kernel shards. Unix sockets go round-robin.
 */
#define REACTOR_BALANCE_REUSEPORT 4

/**
 * Whether a busy loop polls without waiting for a moment before it sleeps: where trials show that it brings the loop more
 * work. The default.
 */
#define REACTOR_LOOK_ADAPTIVE 0

/**
 * Whether a busy loop polls without waiting for a moment before it sleeps: never.
 */
#define REACTOR_LOOK_NEVER 1

/**
 * For unix_mode: the permission bits 0, so that nobody may connect but who may do everything.
 */
#define REACTOR_UNIX_MODE_NONE UINT32_MAX

/**
 * For the order of a length field's bytes: the highest first, network order. The default.
 */
#define REACTOR_BYTE_ORDER_BIG 1

/**
 * For the order of a length field's bytes: the lowest first.
 */
#define REACTOR_BYTE_ORDER_LITTLE 2

/**
 * For the width of a length field: an unsigned number of up to 64 bits in one to ten bytes, seven bits in
 * each and the lowest first; the highest bit says that another byte follows. Known as LEB128, and as
 * protobuf's varint. It has no byte order.
 */
#define REACTOR_WIDTH_VARINT 128

/**
 * For strip: the frame is delivered whole.
 */
#define REACTOR_STRIP_NOTHING (size_t)-1

/**
 * For reactor_framing_with(): lines and frames with a delimiter are delivered with what ends them, which tells them apart
 * if there are several. A frame that is written has it already, then.
 */
#define REACTOR_FRAMING_KEEP_DELIMITER 1

/**
 * For reactor_framing_with(): what comes between the last line or delimiter and the peer's end of file is a frame, too,
 * unless it is empty; of a line without a CR at its end. Otherwise it is a protocol error: nothing tells that such a frame is
 * whole.
 */
#define REACTOR_FRAMING_DELIVER_REST 2

/**
 * The level of a message: something failed.
 */
#define REACTOR_LOG_ERROR 1

/**
 * The level of a message: something is not as it should be, and the engine copes.
 */
#define REACTOR_LOG_WARN 2

/**
 * The level of a message: something happened.
 */
#define REACTOR_LOG_INFO 3

/**
 * The level of a message: for whoever looks for a defect.
 */
#define REACTOR_LOG_DEBUG 4

/**
 * The level of a message: for whoever looks for a defect, and has patience.
 */
#define REACTOR_LOG_TRACE 5

/**
 * A way to cut a byte stream into frames, before on_data sees it. Made by one of the constructors, which
 * give it to the caller; shared into the options and connections that use it, so that it may be freed at any
 * time by reactor_framing_free(). Never changes, and may be used by any thread.
 *
 * max_frame is the size of the largest frame in bytes; 0 means 16 MiB. It counts all that a frame takes in
 * the stream, whether delivered or not: the header, the delimiter, the line's CR and LF. A larger frame is a
 * protocol error as soon as it is known to be larger. A framing that contradicts itself is made all the
 * same, and refused with REACTOR_STATUS_INVALID_ARGUMENT where it is used.
 */
typedef struct reactor_framing reactor_framing;

/**
 * A server: its listeners, its event loops and their connections. Made by reactor_server_new(), used by any
 * thread, freed by reactor_server_free().
 */
typedef struct reactor_server reactor_server;

/**
 * What a call answers. The numbers are fixed for ever; expect values that you do not know, more will come.
 */
typedef int32_t reactor_status;

/**
 * The id of a connection or UDP endpoint: never 0, and never used again in this process. It may be kept,
 * copied and used by any thread; calls on the id of a dead connection answer REACTOR_STATUS_CLOSED and touch
 * nothing.
 */
typedef uint64_t reactor_conn;

/**
 * The id of a timer: never 0, and never used again in this process.
 */
typedef uint64_t reactor_timer;

/**
 * What a program wants to be called for. Set size to sizeof; a callback that is NULL is not called.
 *
 * Callbacks get the server that reactor_server_new() made and the id of the connection. The callbacks of one
 * connection come in order, never two at once, on its loop's thread; those of different loops run at the
 * same time. An action that is none of REACTOR_ACTION_... counts as a failure: it closes the connection,
 * on_close is told so by the reason REACTOR_CLOSE_HANDLER_ERROR, and the log, at REACTOR_LOG_ERROR, says which
 * number it was.
 */
typedef struct reactor_callbacks {
    /**
     * sizeof(struct reactor_callbacks), by which a later library knows the members that this program knows.
     */
    size_t size;
    /**
     * The program's own; given to every callback and used for nothing else. May be NULL.
     */
    void *user_data;
    /**
     * Called once by reactor_server_free(), on its thread, after everything else, to release user_data. It
     * must not use the server any more. Not called when reactor_server_new() fails: user_data is the
     * caller's then.
     */
    void (*destroy)(void *user_data);
    /**
     * The server starts: once per start, before any other callback, on the thread that starts it, and for a
     * server that its host drives in the first turn. Returning REACTOR_ACTION_STOP refuses the start
     * (REACTOR_STATUS_STOPPED), a number that is no action fails it (REACTOR_STATUS_HANDLER_FAILED).
     */
    int32_t (*on_start)(void *user_data, struct reactor_server *server);
    /**
     * A connection is open and takes writes. UDP endpoints have no such event.
     */
    int32_t (*on_open)(void *user_data, struct reactor_server *server, reactor_conn conn);
    /**
     * Bytes came in: whatever there is; with a framing, one whole frame; on UDP, one datagram, whose sender
     * reactor_conn_datagram() tells. They are valid until the callback returns, and count as consumed but
     * for what reactor_conn_keep() keeps. data is never NULL; len may be 0 for a frame or a datagram.
     */
    int32_t (*on_data)(void *user_data,
                       struct reactor_server *server,
                       reactor_conn conn,
                       const uint8_t *data,
                       size_t len);
    /**
     * The peer has shut its writing side down, and everything before was delivered. Only for connections
     * with half_open; others are closed then, and so are these if it is NULL. The connection goes on until
     * reactor_conn_end() or close.
     */
    int32_t (*on_eof)(void *user_data, struct reactor_server *server, reactor_conn conn);
    /**
     * The queue of unsent output, once above the high-water mark, has fallen to the low-water mark.
     */
    int32_t (*on_drain)(void *user_data, struct reactor_server *server, reactor_conn conn);
    /**
     * reactor_conn_wake() was called for the connection, once or several times.
     */
    int32_t (*on_wake)(void *user_data, struct reactor_server *server, reactor_conn conn);
    /**
     * A timer of the connection's is due: the one that reactor_conn_start_timer() gave.
     */
    int32_t (*on_timer)(void *user_data, struct reactor_server *server, reactor_conn conn, reactor_timer timer);
    /**
     * The connection was detached: the last of its callbacks, instead of on_close. descriptor is its socket,
     * non-blocking and close-on-exec; it is the program's from now on, to be closed by it. input was read
     * and not consumed, output was written and not taken by the kernel; both are valid until the callback
     * returns. If this is NULL, the descriptor is closed.
     */
    void (*on_detach)(void *user_data,
                      struct reactor_server *server,
                      reactor_conn conn,
                      int32_t descriptor,
                      const uint8_t *input,
                      size_t input_len,
                      const uint8_t *output,
                      size_t output_len);
    /**
     * The connection is gone: the last of its callbacks, exactly once after each on_open, and for an
     * outgoing connection that failed the only one. reason is one of REACTOR_CLOSE_..., or a number that
     * this program does not know; error_number is the system's for REACTOR_CLOSE_RESET and
     * REACTOR_CLOSE_CONNECT_FAILED, and 0 where there is none.
     */
    void (*on_close)(void *user_data,
                     struct reactor_server *server,
                     reactor_conn conn,
                     int32_t reason,
                     int32_t error_number);
    /**
     * Time passes: called on loop 0 as soon as the loops run, and again after as many milliseconds as it
     * returns; REACTOR_NEVER, or any negative number, ends it.
     */
    int64_t (*on_tick)(void *user_data, struct reactor_server *server);
    /**
     * A loop is about to send the first output of a turn: once a turn at most, on the loop's thread. What is
     * written here leaves along.
     */
    void (*on_pre_write)(void *user_data, struct reactor_server *server);
    /**
     * A graceful stop has begun: once, on loop 0. When it returns the listeners are closed, and connections may
     * finish until the deadline.
     */
    void (*on_stopping)(void *user_data, struct reactor_server *server);
    /**
     * The server has stopped: once, after the last callback of any connection, when all loops have ended.
     */
    void (*on_stop)(void *user_data, struct reactor_server *server);
} reactor_callbacks;

/**
 * Options of a server. Set size to sizeof; a member that is zero has its default.
 */
typedef struct reactor_options {
    /**
     * sizeof(struct reactor_options), by which a later library knows the members that this program knows.
     */
    size_t size;
    /**
     * Event loops, each on a thread of its own, at most 1024. Default: one per processor that this process
     * may use (affinity and cgroup limits counted).
     */
    size_t loops;
    /**
     * How incoming connections are spread over the loops: REACTOR_BALANCE_.... Default: round-robin.
     */
    uint32_t balance;
    /**
     * Whether each loop's thread is bound to one of the processors that this process may use: REACTOR_ON or
     * REACTOR_OFF. Default: off.
     */
    uint32_t pin;
    /**
     * Bytes of unsent output above which a connection is no longer read. Default: 1 MiB.
     */
    size_t high_water;
    /**
     * Bytes of unsent output at which on_drain is called and reading resumes. Default: half the high-water
     * mark.
     */
    size_t low_water;
    /**
     * Bytes of unsent output that a connection may hold at most. A write beyond it answers REACTOR_STATUS_FULL,
     * nothing of it is queued, and the connection is closed with REACTOR_CLOSE_OVERFLOW, on whatever thread it was
     * made; keep_on_overflow keeps it. A UDP socket is not closed. Default: 64 MiB.
     */
    size_t hard_limit;
    /**
     * Bytes of memory that the whole server may hold for unsent output, unfinished input, datagrams and completions
     * that wait. A write that would go beyond it answers REACTOR_STATUS_FULL and closes nothing, unless its connection holds no more than a share with
     * it: half of the budget divided by the number of connections that hold something. Above the budget, of those who
     * hold more than a share the one that moved the fewest bytes per byte held in the last 5 seconds is closed
     * with REACTOR_CLOSE_OVERFLOW, and so on. REACTOR_UNLIMITED for no budget. Default: a quarter of the memory that
     * this process may use.
     */
    size_t byte_budget;
    /**
     * Bytes read from one connection before the others of its loop have their turn. Default: 256 KiB.
     */
    size_t read_budget;
    /**
     * Incoming connections that may be open at once; further ones are closed without a callback. Default: no
     * limit.
     */
    size_t max_connections;
    /**
     * The same for each client address. Unix sockets do not count. Default: no limit.
     */
    size_t max_connections_per_address;
    /**
     * Milliseconds that a connection closed by this side waits for the peer to close too, at most 3,600,000,
     * an hour; REACTOR_NO_LINGER for not at all. Default: 2000.
     */
    int64_t linger_ms;
    /**
     * Milliseconds that a graceful stop waits for the connections to finish if it does not say itself, at
     * most 3,600,000. Default: 30,000.
     */
    int64_t stop_deadline_ms;
    /**
     * Whether a busy loop looks before it sleeps: REACTOR_LOOK_.... A loop that works at least two fifths of its time and
     * waits often and shortly may poll for ten microseconds before it sleeps, and its processor can look busier than its
     * work is then. Default: adaptive.
     */
    uint64_t look;
    /**
     * Milliseconds that a connection that is being closed, or whose peer has ended its side, waits for a peer that
     * takes nothing of what is queued, at most 3,600,000. Bytes that leave the kernel's queue count as taken. Then it
     * is reset, with REACTOR_CLOSE_TIMED_OUT. Default: 30,000.
     */
    int64_t stall_limit_ms;
    /**
     * Whether a connection goes on when a write beyond its hard_limit was refused: REACTOR_ON or REACTOR_OFF.
     * Default: off, it is closed.
     */
    uint64_t keep_on_overflow;
} reactor_options;

/**
 * Options of a listener. Set size to sizeof; a member that is zero has its default. The same options can
 * stand in the query of the URL, where they win; reactor_server_listen_with() has their names. An option that means
 * nothing for the scheme is REACTOR_STATUS_INVALID_ARGUMENT. Strings and the framing are copied, or shared:
 * they need not outlive the call.
 */
typedef struct reactor_listen_options {
    /**
     * sizeof(struct reactor_listen_options).
     */
    size_t size;
    /**
     * Whether several sockets of this user may be bound to the address, among which the kernel deals out
     * what arrives (SO_REUSEPORT; TCP and UDP): REACTOR_ON or REACTOR_OFF. Default: off.
     */
    uint32_t reuseport;
    /**
     * Connections that the kernel queues before they are accepted; it caps the number at net.core.somaxconn
     * (TCP and Unix). Default: 4096.
     */
    uint32_t backlog;
    /**
     * Whether small writes leave at once (TCP_NODELAY): REACTOR_ON or REACTOR_OFF. Default: on.
     */
    uint32_t nodelay;
    /**
     * Whether the kernel probes silent TCP connections: REACTOR_ON or REACTOR_OFF. Default: on if one of the
     * next three is given, and off otherwise.
     */
    uint32_t keepalive;
    /**
     * Seconds of silence before the first probe, at most 32,767. Default: the system's, 2 hours.
     */
    uint32_t keepalive_idle_s;
    /**
     * Seconds between probes, at most 32,767. Default: the system's, 75.
     */
    uint32_t keepalive_interval_s;
    /**
     * Unanswered probes that end the connection, at most 127. Default: the system's, 9.
     */
    uint32_t keepalive_count;
    /**
     * Whether an IPv6 socket leaves IPv4 alone: REACTOR_ON or REACTOR_OFF. Default: on, unless the scheme is
     * tcp or udp and the host is left out.
     */
    uint32_t ipv6_only;
    /**
     * Bytes of the kernel's receive buffer (TCP and UDP). The kernel caps the number at net.core.rmem_max
     * and doubles it for its own needs. Default: the system's.
     */
    size_t rcvbuf;
    /**
     * Bytes of the kernel's send buffer, likewise, but of net.core.wmem_max. Default: the system's.
     */
    size_t sndbuf;
    /**
     * Bytes of a datagram that are received at most: a longer one comes truncated, and says so (UDP). Default:
     * 65,535, nothing is truncated. In the query: datagram=N.
     */
    size_t datagram_size;
    /**
     * The one network interface to be reached through (TCP and UDP). Default, by NULL: all.
     */
    const char *device;
    /**
     * Multicast groups to receive from, and from no others (UDP), as "GROUP[@INTERFACE]", with commas between. Default, by NULL:
     * none. In the query: join=GROUP[@INTERFACE], once per group.
     */
    const char *multicast;
    /**
     * The permission bits of a Unix socket's path, whatever the umask: up to 0777, or REACTOR_UNIX_MODE_NONE
     * for 0. Default: what the umask leaves of 0777. In the query: mode=OCTAL.
     */
    uint32_t unix_mode;
    /**
     * Whether on_eof is called at the peer's EOF, and the connection goes on until reactor_conn_end() or
     * close: REACTOR_ON or REACTOR_OFF. Default: off, a connection is closed then, once everything is
     * answered.
     */
    uint32_t half_open;
    /**
     * How input is cut into frames. Default, by NULL: on_data gets whatever there is.
     */
    const struct reactor_framing *framing;
    /**
     * Milliseconds without traffic after which a connection is closed, with REACTOR_CLOSE_IDLE. What the peer
     * takes of bytes that the kernel holds for it is traffic, too. Default: REACTOR_NEVER. In the query: idle=MS.
     */
    int64_t idle_ms;
    /**
     * Milliseconds in which nothing came while the connection was read, after which it is closed, with
     * REACTOR_CLOSE_TIMED_OUT. Default: REACTOR_NEVER. In the query: read=MS.
     */
    int64_t read_ms;
    /**
     * Milliseconds in which output waited without the kernel or the peer taking any, after which the connection is
     * reset, with REACTOR_CLOSE_TIMED_OUT; also while it is being closed. Default: REACTOR_NEVER. In the
     * query: write=MS.
     */
    int64_t write_ms;
    /**
     * Whether datagrams may go to broadcast addresses (SO_BROADCAST; UDP): REACTOR_ON or REACTOR_OFF. Default: off.
     */
    uint32_t broadcast;
    /**
     * Whether other processes accept from the socket, too: REACTOR_ON or REACTOR_OFF (TCP and Unix). If so, closing the
     * listener and stopping close this process's copy only, and the address goes on taking connections: the last process
     * that has the socket removes the path of a Unix one when it closes its copy. If not, they end the listening for
     * everybody who has a copy, such as a child that was forked for something else, and remove the path. Default: on for a
     * socket that was inherited, and for one that was opened before a fork and is started after it; otherwise off.
     */
    uint32_t shared;
} reactor_listen_options;

/**
 * The number of a listener, unique in its server; never 0.
 */
typedef uint32_t reactor_listener;

/**
 * Options of an outgoing connection, or of a descriptor taken over. Set size to sizeof; a member that is
 * zero has its default. The framing is shared: it may be freed after the call.
 */
typedef struct reactor_connect_options {
    /**
     * sizeof(struct reactor_connect_options).
     */
    size_t size;
    /**
     * Milliseconds that looking up the name and connecting may take together; REACTOR_NEVER: for ever.
     * Default: 30,000. Without a meaning for a descriptor taken over.
     */
    int64_t timeout_ms;
    /**
     * The loop that the connection lives on, counted from 1: the index of the loop plus one. Default: the
     * calling loop, or else each in its turn.
     */
    uint32_t loop_plus_one;
    /**
     * As in struct reactor_listen_options.
     */
    uint32_t half_open;
    /**
     * As in struct reactor_listen_options.
     */
    const struct reactor_framing *framing;
    /**
     * As in struct reactor_listen_options.
     */
    int64_t idle_ms;
    /**
     * As in struct reactor_listen_options.
     */
    int64_t read_ms;
    /**
     * As in struct reactor_listen_options.
     */
    int64_t write_ms;
    /**
     * The connection's context from the beginning, as reactor_conn_set_context() gives it.
     */
    void *context;
    /**
     * Called once, on the connection's loop, after its last callback, to release context. May be NULL. Not
     * called when the call fails: context is the caller's then.
     */
    void (*context_destroy)(void *context);
} reactor_connect_options;

/**
 * A function that runs on a loop.
 */
typedef void (*reactor_function)(void *user_data, struct reactor_server *server);

/**
 * Releases what a program handed over: called once, after everything else that is called with it. It may run
 * on any of the engine's threads, or inside the call that gives it up.
 */
typedef void (*reactor_destroy)(void *user_data);

/**
 * What a loop, or all loops of a server together, did since the start. Set size to sizeof before the call.
 * Counters only grow; connections and queued_bytes say how it is now. Numbers are read one after the other
 * while the loops go on, so two of them may be some events apart.
 */
typedef struct reactor_metrics {
    /**
     * sizeof(struct reactor_metrics).
     */
    size_t size;
    /**
     * Connections that are open now.
     */
    uint64_t connections;
    /**
     * Bytes of output that wait to be sent now.
     */
    uint64_t queued_bytes;
    /**
     * Connections that ended, by reason: the number at REACTOR_CLOSE_EOF, and so on. Failed outgoing
     * connections count.
     */
    uint64_t closed[REACTOR_METRICS_REASONS];
    /**
     * Delays from ready to handled, from the moment the poller reported a connection to the call of its
     * callback, in the turns that were sampled, by magnitude: the number at n counts those from 2^n to
     * 2^(n+1)-1 nanoseconds, and the first 0, too.
     */
    uint64_t delay[REACTOR_METRICS_DELAYS];
    /**
     * Connections accepted from listeners.
     */
    uint64_t accepted;
    /**
     * Outgoing connections established.
     */
    uint64_t connected;
    /**
     * Connections taken over by their descriptor.
     */
    uint64_t enrolled;
    /**
     * Connections refused because the server held max_connections.
     */
    uint64_t refused_by_total;
    /**
     * Connections refused because their address held as many as one address may.
     */
    uint64_t refused_by_address;
    /**
     * Calls to accept that failed, other than for want of a waiting connection.
     */
    uint64_t accept_errors;
    /**
     * Bytes received from streams and in datagrams.
     */
    uint64_t bytes_read;
    /**
     * Bytes that the kernel took, of streams and of datagrams.
     */
    uint64_t bytes_written;
    /**
     * Calls of on_data.
     */
    uint64_t messages_read;
    /**
     * Writes by the program that were accepted.
     */
    uint64_t messages_written;
    /**
     * Datagrams received.
     */
    uint64_t datagrams_read;
    /**
     * Datagrams that the kernel took.
     */
    uint64_t datagrams_written;
    /**
     * Datagrams given up unsent, because the queue was full or the kernel refused them.
     */
    uint64_t datagrams_dropped;
    /**
     * Datagrams received that did not fit the buffer and lost their end.
     */
    uint64_t datagrams_truncated;
    /**
     * System calls that waited for or asked after events. More than one in a turn: the loop looked before it slept.
     */
    uint64_t polls;
    /**
     * System calls that read, successful or not.
     */
    uint64_t reads;
    /**
     * System calls that wrote, successful or not.
     */
    uint64_t writes;
    /**
     * System calls that accepted, successful or not.
     */
    uint64_t accepts;
    /**
     * System calls of any other kind that the engine made while it ran.
     */
    uint64_t other_calls;
    /**
     * Times that another thread woke the loop: one, however many wakes came together.
     */
    uint64_t wakeups;
    /**
     * Turns of the loop.
     */
    uint64_t turns;
    /**
     * Timers that fired, time-outs included.
     */
    uint64_t timers_fired;
    /**
     * Nanoseconds spent in callbacks, in the turns that were sampled.
     */
    uint64_t callback_nanos_sampled;
    /**
     * Turns whose time in callbacks was measured.
     */
    uint64_t turns_sampled;
    /**
     * Closed connections that the linger limit ended, before the peer did.
     */
    uint64_t linger_expired;
    /**
     * Always 0, for programs that read it: nobody waits for the byte budget, as those who hold too much are closed.
     */
    uint64_t reads_paused_by_budget;
} reactor_metrics;

/**
 * A function that runs on the loop of a connection; calls on conn answer REACTOR_STATUS_CLOSED if it has
 * gone meanwhile.
 */
typedef void (*reactor_conn_function)(void *user_data, struct reactor_server *server, reactor_conn conn);

/**
 * Called once for a write that was accepted, on the connection's loop and never from inside the write;
 * completed is REACTOR_COMPLETED_SENT, or REACTOR_COMPLETED_CANCELLED, which comes before on_close or
 * on_detach. It releases user_data if that is needed.
 */
typedef void (*reactor_completion)(void *user_data,
                                   struct reactor_server *server,
                                   reactor_conn conn,
                                   int32_t completed);

/**
 * What can be read of a connection at any time. Set size to sizeof before the call.
 */
typedef struct reactor_info {
    /**
     * sizeof(struct reactor_info).
     */
    size_t size;
    /**
     * The listener it came from; 0 for outgoing connections and descriptors taken over.
     */
    reactor_listener listener;
    /**
     * The index of its loop, from 0.
     */
    uint32_t on_loop;
    /**
     * Milliseconds since it was taken in.
     */
    uint64_t age_ms;
    /**
     * Bytes received.
     */
    uint64_t received;
    /**
     * Bytes that the kernel took.
     */
    uint64_t sent;
    /**
     * Bytes written and not taken by the kernel.
     */
    uint64_t queued;
} reactor_info;

/**
 * A datagram's circumstances. Set size to sizeof before the call.
 */
typedef struct reactor_datagram {
    /**
     * sizeof(struct reactor_datagram).
     */
    size_t size;
    /**
     * Who sent it: a struct sockaddr_in or sockaddr_in6, valid until the callback returns, and fit for
     * reactor_conn_send_to(). An IPv4 peer of a dual-stack socket appears as IPv4.
     */
    const struct sockaddr *sender;
    /**
     * The bytes of sender.
     */
    size_t sender_len;
    /**
     * 1 if the datagram was longer than the buffer, and its end is lost; otherwise 0.
     */
    uint64_t truncated;
    /**
     * The address that it was sent to, with port 0: one of this machine's, a multicast group, or everybody's. A struct
     * sockaddr_in or sockaddr_in6, valid as sender is. NULL where that is not known: of a socket that is connected. A
     * write answers from there, but for a group, or for all.
     */
    const struct sockaddr *destination;
    /**
     * The bytes of destination; 0 without one.
     */
    size_t destination_len;
    /**
     * The number of the network interface by which it came, as if_indextoname() takes it; 0 if that is not known.
     */
    uint64_t interface;
} reactor_datagram;

/**
 * Where a frame's length stands, and what it counts. Set size to sizeof. A frame has as many bytes as offset,
 * width, the field's value and adjustment say together; of them the first strip are not delivered. A frame
 * that would end before its field does, or that is shorter than strip, is malformed.
 */
typedef struct reactor_length_field {
    /**
     * sizeof(struct reactor_length_field).
     */
    size_t size;
    /**
     * Bytes in front of the field.
     */
    size_t offset;
    /**
     * The bytes of the field: 1, 2, 3, 4 or 8 of an unsigned number, or REACTOR_WIDTH_VARINT. Not 0.
     */
    uint32_t width;
    /**
     * The order of these bytes: REACTOR_BYTE_ORDER_.... Default: the highest first.
     */
    uint32_t order;
    /**
     * What to add to the value to get the number of bytes behind the field: 0 if the value counts just
     * these, -(offset + width) if it counts the whole frame, positive if more of the header follows the
     * field and the value does not count it.
     */
    int64_t adjustment;
    /**
     * Bytes not delivered, from the front of the frame; REACTOR_STRIP_NOTHING for none. Default: all up to
     * the end of the field. With a varint, that or at most offset.
     */
    size_t strip;
} reactor_length_field;

/**
 * Measures a frame, for reactor_framing_custom(): it is given the input from the beginning of a frame, at
 * least one byte, and answers how many bytes that frame has in all, those not yet there included. 0 means
 * that the input is too short to tell, and a negative number that it is malformed, which ends the connection
 * with REACTOR_CLOSE_PROTOCOL.
 */
typedef ptrdiff_t (*reactor_measure)(void *user_data, const uint8_t *data, size_t len);

/**
 * Where an argument of a command stands in the data of on_data.
 */
typedef struct reactor_place {
    /**
     * Of its first byte, counted from the data's.
     */
    size_t offset;
    /**
     * Its bytes.
     */
    size_t len;
} reactor_place;

/**
 * Called with each message: level is one of REACTOR_LOG_..., message a text on one line or more, valid until
 * the call returns. On whichever thread has something to say, on several at once. What the engine has to say
 * about calls made inside of it is dropped.
 */
typedef void (*reactor_log)(void *user_data, int32_t level, const char *message);

/**
 * It went well.
 */
#define REACTOR_OK 0

/**
 * An argument is outside what the call accepts: a NULL, say.
 */
#define REACTOR_STATUS_INVALID_ARGUMENT 1

/**
 * An address to listen at or connect to cannot be parsed, or carries an unknown or malformed option.
 */
#define REACTOR_STATUS_INVALID_ADDRESS 2

/**
 * The address of a listener is taken.
 */
#define REACTOR_STATUS_ADDRESS_IN_USE 3

/**
 * The operating system refused; reactor_last_errno() says why.
 */
#define REACTOR_STATUS_SYSTEM 4

/**
 * The connection is closed or closing, or the id belongs to another server.
 */
#define REACTOR_STATUS_CLOSED 5

/**
 * The connection's queue is at its hard limit, or the server at its byte budget; nothing was queued.
 */
#define REACTOR_STATUS_FULL 6

/**
 * The call does not fit the server's state, for example starting it twice.
 */
#define REACTOR_STATUS_WRONG_STATE 7

/**
 * The call is not allowed on this thread, for example waiting for a server inside a callback.
 */
#define REACTOR_STATUS_WRONG_THREAD 8

/**
 * The start was refused: on_start returned stop, or stop was called before.
 */
#define REACTOR_STATUS_STOPPED 9

/**
 * A callback failed where its failure ends the call: on_start.
 */
#define REACTOR_STATUS_HANDLER_FAILED 10

/**
 * A defect of the engine, caught at its border.
 */
#define REACTOR_STATUS_INTERNAL 11

/**
 * The call has no meaning for this kind of socket, for example closing a UDP endpoint.
 */
#define REACTOR_STATUS_UNSUPPORTED 12

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The name of a status in capitals, as "ADDRESS_IN_USE"; "UNKNOWN" for a number that is none. Static text:
 * never NULL, never freed.
 */
const char *reactor_status_name(reactor_status status);

/**
 * The name of a reason that on_close was given, in lower case, as "local close"; "unknown" for a number that
 * is none. Static text: never NULL, never freed.
 */
const char *reactor_close_reason_name(int32_t reason);

/**
 * Makes a server, listens at url_count URLs, and serves until it is told to stop: by SIGTERM or SIGINT (Ctrl-C), as
 * reactor_server_stop_on_signals() has it, or by reactor_server_stop() in a callback. It prints nothing. options may be
 * NULL; stop_deadline_ms is how long connections may go on after the first signal. When this returns the server is freed,
 * and what was done with the signals before is done again. A signal that comes before the start ends it well, too. The
 * calling thread is not cancelled meanwhile.
 *
 * Errors: as reactor_server_new(), reactor_server_listen(), whose message quotes the URL, and reactor_server_run(). Nothing
 * is left behind then.
 */
reactor_status reactor_serve(const struct reactor_callbacks *callbacks,
                             const char *const *urls,
                             size_t url_count,
                             const struct reactor_options *options);

/**
 * From now on, until the server is freed, SIGTERM and SIGINT (Ctrl-C) stop it: the first gracefully, within the server's
 * stop_deadline_ms, and any further one at once. One that comes before the start stops it as well; the start is then refused
 * with REACTOR_STATUS_STOPPED. Only this and reactor_serve() handle signals. With several servers a signal stops them all.
 *
 * What was done with the two signals before, ignoring them included, is done again once no server handles them; unless the
 * program has changed it meanwhile. No other signal is touched. A child that is forked after the call does with them what was
 * done before it: one that serves a copy of the server calls this itself.
 *
 * Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL; REACTOR_STATUS_SYSTEM if the system refuses.
 */
reactor_status reactor_server_stop_on_signals(struct reactor_server *server);

/**
 * Makes a server that is not started and listens nowhere.
 *
 * callbacks and options are copied: they need not outlive the call. options may be NULL: everything has its
 * default. The caller owns *out_server and ends it with reactor_server_free().
 *
 * Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL, a size that cannot be, members that this library does
 * not know, and options that contradict each other; REACTOR_STATUS_SYSTEM when descriptors have run out.
 * Then *out_server is untouched, and destroy is not called.
 */
reactor_status reactor_server_new(const struct reactor_callbacks *callbacks,
                                  const struct reactor_options *options,
                                  struct reactor_server **out_server);

/**
 * Calls on_start, then starts the event loops and returns. A server can be started once.
 *
 * Errors: REACTOR_STATUS_WRONG_STATE if it was started before; REACTOR_STATUS_STOPPED if on_start returned
 * REACTOR_ACTION_STOP or stop was called before; REACTOR_STATUS_HANDLER_FAILED if on_start returned a number
 * that is no action; REACTOR_STATUS_SYSTEM when threads, memory or descriptors have run out. After any but
 * the first the server is as before the call.
 */
reactor_status reactor_server_start(struct reactor_server *server);

/**
 * Starts the server and waits until it has stopped: reactor_server_start(), then reactor_server_wait().
 *
 * Errors: theirs. Not inside a callback.
 */
reactor_status reactor_server_run(struct reactor_server *server);

/**
 * Blocks until the server has stopped, on_stop has returned and its threads have ended. Signals do not end
 * the wait; their handlers run meanwhile. A point where the thread may be cancelled, pthread_cancel(3): the server goes
 * on then.
 *
 * Errors: REACTOR_STATUS_WRONG_THREAD inside a callback, of whichever server; REACTOR_STATUS_WRONG_STATE if
 * the server was not started.
 */
reactor_status reactor_server_wait(struct reactor_server *server);

/**
 * Asks the server to stop; it does so at once: each connection gets one more attempt to send what is queued,
 * and is closed with REACTOR_CLOSE_SHUTDOWN; whoever has connected and had no callback yet is reset (TCP). Does not
 * wait; may be repeated, and may come before the start, which is then refused.
 *
 * Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
 */
reactor_status reactor_server_stop(struct reactor_server *server);

/**
 * The same as reactor_server_stop(), for signal handlers: async-signal-safe. Does nothing for NULL; leaves
 * errno and the thread's last error as they are. The signal must not come once the server is being freed.
 */
void reactor_server_stop_from_signal(struct reactor_server *server);

/**
 * Asks the server to stop when its connections have finished: on_stopping is called, whoever the kernel has connected
 * is taken in, datagrams that wait are delivered, the listeners are closed, and connections may go on until all have ended or deadline_ms milliseconds, counted from now, are
 * over; what is left is then closed as by reactor_server_stop(). 0 is the server's stop_deadline_ms. A
 * further call can only bring the deadline forward. Does not wait. Async-signal-safe where it does not fail.
 *
 * Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL and a negative time.
 */
reactor_status reactor_server_stop_gracefully(struct reactor_server *server,
                                              int64_t deadline_ms);

/**
 * Says whether the server was asked to stop, in whichever way: writes 1 or 0 to *out_stopping.
 *
 * Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
 */
reactor_status reactor_server_is_stopping(struct reactor_server *server, uint32_t *out_stopping);

/**
 * Gives the number of connections that are open, those being made or closed included.
 *
 * Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
 */
reactor_status reactor_server_connections(struct reactor_server *server, size_t *out_connections);

/**
 * Gives the number of bytes that were written to connections and not yet taken by the kernel. Walks over all
 * connections.
 *
 * Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
 */
reactor_status reactor_server_queued_bytes(struct reactor_server *server, size_t *out_bytes);

/**
 * Stops the server, waits until its threads have ended and other threads have left reactor_server_start(),
 * _run() and _wait(), releases everything, and calls destroy. NULL is fine. From then on the pointer is
 * dangling: no thread may be in another call with it, and none may come; free it once.
 *
 * In a forked child, a server that was started before the fork runs in the parent only: the child neither
 * stops it nor waits, and releases its copy.
 *
 * Errors: REACTOR_STATUS_WRONG_THREAD inside a callback, of whichever server, and for a server that its host
 * drives on another thread than the host's: then nothing was done. REACTOR_STATUS_SYSTEM if the system does
 * not let us wait: then the server is stopping, and not freed.
 */
reactor_status reactor_server_free(struct reactor_server *server);

/**
 * Binds and listens at url, as "tcp://127.0.0.1:5000", with default options: reactor_server_listen_with().
 *
 * Errors: its.
 */
reactor_status reactor_server_listen(struct reactor_server *server, const char *url);

/**
 * Binds and listens at url; before the start, when the kernel queues connections until the start, in
 * on_start, and while the server runs. Any number of times. A host name is looked up, which may block.
 * options and out_listener may be NULL.
 *
 * url is [scheme://]address[?option=value&...]. Schemes: tcp (also without a scheme; with no host or *, IPv4 and
 * IPv6), tcp4, tcp6, udp, udp4, udp6, unix (a path, or @name for Linux's abstract namespace), fd (the number
 * of an inherited descriptor). Port 0 picks a free one; reactor_server_address() tells which. An IPv6 address may
 * have a zone by name or by number: [fe80::1%eth0]:5000. In a path or name, any byte may stand as % and two
 * hexadecimal digits, and % and ? must.
 *
 * Options of the query, as struct reactor_listen_options explains them: reuseport=BOOL, backlog=N,
 * nodelay=BOOL, keepalive=BOOL|IDLE[,INTERVAL[,COUNT]], rcvbuf=N, sndbuf=N, device=NAME, ipv6only=BOOL,
 * mode=OCTAL, shared=BOOL, datagram=N, broadcast=BOOL, join=GROUP[@INTERFACE]; and what the connections begin with, not over UDP: idle=MS,
 * read=MS, write=MS, half_open=BOOL, framing=FRAMING. BOOL is true or false, OCTAL in octal digits, MS in
 * milliseconds, 0 for never.
 *
 * FRAMING is line, fixed:LENGTH, delimiter:BYTES (with %, & and , as %25, %26 and %2C, and any byte as % and two
 * hexadecimal digits: delimiter:%0D%0A), length:WIDTH (1, 2, 3, 4, 8 or varint), resp, or none. Settings follow behind
 * commas: max_frame=N; of lines and delimiters keep_delimiter=BOOL and deliver_rest=BOOL, as reactor_framing_with()
 * explains them, and of delimiters or=BYTES for each further one; of a length field order=big|little, offset=N, adjustment=N
 * and strip=N|header, as struct reactor_length_field explains them; of resp max_arguments=N, as reactor_framing_resp() does.
 *
 * Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL, a size that cannot be, members that this library does
 * not know, and options out of range; REACTOR_STATUS_INVALID_ADDRESS, whose message quotes url and says which
 * options there are, or the form of one that is malformed;
 * REACTOR_STATUS_ADDRESS_IN_USE or REACTOR_STATUS_SYSTEM with the system's reason;
 * REACTOR_STATUS_WRONG_STATE after a stop. Nothing is left behind then, and the server can listen again.
 */
reactor_status reactor_server_listen_with(struct reactor_server *server,
                                          const char *url,
                                          const struct reactor_listen_options *options,
                                          reactor_listener *out_listener);

/**
 * Listens at the descriptors that the process inherited by the LISTEN_FDS convention (sd_listen_fds(3)): none if
 * there are no such variables, or they are another process's. options and out_count, which is given their
 * number, may be NULL; the listeners are the last in reactor_server_listeners().
 *
 * Errors: as reactor_server_listen_with(); REACTOR_STATUS_INVALID_ARGUMENT also if the variables are malformed,
 * and REACTOR_STATUS_INVALID_ADDRESS if a descriptor is nothing to listen at, or was taken before. The
 * descriptors before the one that failed stay.
 */
reactor_status reactor_server_listen_inherited(struct reactor_server *server,
                                               const struct reactor_listen_options *options,
                                               size_t *out_count);

/**
 * Stops listening: when this returns, connects are refused and the address is free. Connections of the listener go
 * on, and whoever the kernel had connected before is taken in and served; but who does not find a descriptor any
 * more is reset. Before the start who waits is accepted and served by the start, in this process: a child that is forked
 * in between does not serve them. Who waits at a socket that other processes may accept from is left to them then.
 *
 * on_data of a UDP endpoint is given the datagrams that wait, and its answers are sent; the endpoint is closed then.
 * The calling thread waits for that: for the loop's callback to return, and five seconds at most. In a callback of its
 * own loop the endpoint is closed at once, after one attempt to send what is queued, and datagrams that wait are
 * lost. In a callback of another loop, and on another thread than the host's of a hosted server, nobody waits: the
 * address is free soon after.
 *
 * Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL, and if the server has no such listener any more.
 */
reactor_status reactor_server_close_listener(struct reactor_server *server,
                                             reactor_listener listener);

/**
 * As reactor_server_close_listener(), and says what becomes of those who wait: REACTOR_WAITING_SERVE or
 * REACTOR_WAITING_REFUSE.
 *
 * Errors: its; REACTOR_STATUS_INVALID_ARGUMENT also if waiting is neither.
 */
reactor_status reactor_server_close_listener_with(struct reactor_server *server,
                                                  reactor_listener listener,
                                                  uint32_t waiting);

/**
 * Gives the listeners that are open, in the order of the calls that made them.
 *
 * Writes them to listeners, which has room for capacity; out_count, which may be NULL, is given their
 * number. To learn only the number, pass NULL and 0.
 *
 * Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL server, and too little room; nothing is written then.
 */
reactor_status reactor_server_listeners(struct reactor_server *server,
                                        reactor_listener *listeners,
                                        size_t capacity,
                                        size_t *out_count);

/**
 * Gives the address really bound by the listener number index, counted from 0 among those that are open, in
 * the order of the calls that made them, as a URL without options.
 *
 * Writes the address and a zero byte to buffer, which has room for capacity bytes; REACTOR_ADDRESS_CAPACITY
 * are always enough. out_length, which may be NULL, is given the length without the zero byte. To learn only
 * the length, pass NULL and 0.
 *
 * Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL server, an index that no listener has, and a buffer
 * that is too small; nothing is written then.
 */
reactor_status reactor_server_address(struct reactor_server *server,
                                      size_t index,
                                      char *buffer,
                                      size_t capacity,
                                      size_t *out_length);

/**
 * Gives the address really bound by a listener; otherwise as reactor_server_address().
 *
 * Errors: as reactor_server_address().
 */
reactor_status reactor_server_listener_address(struct reactor_server *server,
                                               reactor_listener listener,
                                               char *buffer,
                                               size_t capacity,
                                               size_t *out_length);

/**
 * Gives the ids of a UDP listener's endpoints, from on_start on: one, or with reuseport one per loop; none
 * for other listeners. Otherwise as reactor_server_listeners().
 *
 * Errors: as reactor_server_listeners().
 */
reactor_status reactor_server_endpoints(struct reactor_server *server,
                                        reactor_listener listener,
                                        reactor_conn *endpoints,
                                        size_t capacity,
                                        size_t *out_count);

/**
 * Connects to url, over TCP, UDP or a Unix socket; on_open follows. Never blocks: names are looked up on
 * threads of their own. Every address of a name is tried, as RFC 8305 says: the next is begun when one fails or
 * has been silent for 250 ms, and the first that connects wins. A Unix socket whose queue is full is tried until
 * the time-out. The id is good at once: writes are queued until the connection is made. If it fails on_close is
 * called alone, with REACTOR_CLOSE_CONNECT_FAILED or REACTOR_CLOSE_TIMED_OUT. options may be NULL.
 *
 * url is [scheme://]address[?option=value&...]; schemes as in reactor_server_listen_with(). Options of the
 * query: nodelay=BOOL, keepalive=BOOL|IDLE[,INTERVAL[,COUNT]], rcvbuf=N, sndbuf=N, broadcast=BOOL (UDP), device=NAME,
 * and the local address, bind=IP[:PORT]; and what the connection begins with, not over UDP, where the query wins over options:
 * idle=MS, read=MS, write=MS, half_open=BOOL, framing=FRAMING, as in reactor_server_listen_with().
 *
 * Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL, a size that cannot be, members that this library does
 * not know, a loop that there is not, and a framing that contradicts itself; REACTOR_STATUS_INVALID_ADDRESS,
 * whose message quotes url; REACTOR_STATUS_WRONG_STATE before the start and after a stop.
 */
reactor_status reactor_server_connect(struct reactor_server *server,
                                      const char *url,
                                      const struct reactor_connect_options *options,
                                      reactor_conn *out_conn);

/**
 * Gives a connected TCP or Unix stream to the engine, which owns the descriptor from then on and closes it
 * in the end; on_open follows. It becomes non-blocking. options may be NULL.
 *
 * Errors: as reactor_server_connect(); REACTOR_STATUS_INVALID_ARGUMENT also if descriptor is no connected
 * stream socket; REACTOR_STATUS_SYSTEM if it is none that is open, or descriptors have run out. It is the
 * caller's then, and open.
 */
reactor_status reactor_server_enroll(struct reactor_server *server,
                                     int32_t descriptor,
                                     const struct reactor_connect_options *options,
                                     reactor_conn *out_conn);

/**
 * Starts a server of one loop without a thread of its own: the calling thread drives it, by calling
 * reactor_server_turn() whenever the descriptor that reactor_server_poll_fd() gives is readable. on_start is
 * called in the first turn, on_stop in the last. Only looking up names uses a thread. Until the server has
 * ended, the calling thread alone may turn and free it; everything else may come from any thread.
 *
 * Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL, and if the options do not ask for one loop;
 * REACTOR_STATUS_WRONG_STATE if it was started before; REACTOR_STATUS_SYSTEM when memory or descriptors have
 * run out. After any but the second the server is as before the call.
 */
reactor_status reactor_server_start_hosted(struct reactor_server *server);

/**
 * Gives the descriptor that is readable whenever a turn with a timeout_ms of 0 has work, timers and postponed
 * work included. It is the server's: it may be polled, and nothing else. It stays the same, and good until the
 * server has ended. Only on the thread that started the server.
 *
 * Errors: REACTOR_STATUS_WRONG_THREAD elsewhere, and inside a callback; REACTOR_STATUS_WRONG_STATE if the
 * server is not driven by a host, or has ended; REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
 */
reactor_status reactor_server_poll_fd(struct reactor_server *server,
                                      int32_t *out_descriptor);

/**
 * Does what there is to do, and calls the callbacks; waits up to timeout_ms milliseconds if there is
 * nothing, with REACTOR_NEVER without a limit. Writes 1 to *out_running, or 0 if the server has ended: then
 * this was the last turn. Only on the thread that started the server.
 *
 * Errors: REACTOR_STATUS_WRONG_THREAD elsewhere, and inside a callback; REACTOR_STATUS_WRONG_STATE if the
 * server is not driven by a host, or has ended, and in a forked child; REACTOR_STATUS_INVALID_ARGUMENT for a
 * NULL and another negative time. In the first turn also, and the server has ended then, without on_stop:
 * REACTOR_STATUS_STOPPED if on_start returned REACTOR_ACTION_STOP or stop was called before, and
 * REACTOR_STATUS_HANDLER_FAILED if on_start returned a number that is no action.
 */
reactor_status reactor_server_turn(struct reactor_server *server, int64_t timeout_ms, uint32_t *out_running);

/**
 * Runs a function on a loop, counted from 0. Never blocks. destroy, which may be NULL, is called after the
 * function, or alone if the loop ends before.
 *
 * Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL and a loop that there is not;
 * REACTOR_STATUS_WRONG_STATE before the start and after the loop's end. user_data is the caller's then, and
 * destroy is not called.
 */
reactor_status reactor_server_run_on_loop(struct reactor_server *server,
                                          uint32_t on_loop,
                                          reactor_function function,
                                          void *user_data,
                                          reactor_destroy destroy);

/**
 * Calls a function on the calling loop after delay_ms milliseconds, and again after each repeat_ms if that
 * is not 0. destroy, which may be NULL, is called on the loop when the timer has ended: after its last call,
 * when it was cancelled, or with the loop. out_timer may be NULL.
 *
 * Errors: REACTOR_STATUS_WRONG_THREAD on a thread that is no loop of this server, from where
 * reactor_server_run_on_loop() leads to one; REACTOR_STATUS_INVALID_ARGUMENT for a NULL, a negative time,
 * and beyond 16,777,216 timers on one loop. user_data is the caller's then, and destroy is not called.
 */
reactor_status reactor_server_start_timer(struct reactor_server *server,
                                          int64_t delay_ms,
                                          int64_t repeat_ms,
                                          reactor_function function,
                                          void *user_data,
                                          reactor_destroy destroy,
                                          reactor_timer *out_timer);

/**
 * Ends a timer of the calling loop's: its own, or a connection's. out_cancelled, which may be NULL, is given
 * 1 if there was one to end, and 0 if it had ended before.
 *
 * Errors: REACTOR_STATUS_WRONG_THREAD on a thread that is no loop of this server;
 * REACTOR_STATUS_INVALID_ARGUMENT for a NULL server.
 */
reactor_status reactor_server_cancel_timer(struct reactor_server *server,
                                           reactor_timer timer,
                                           uint32_t *out_cancelled);

/**
 * Gives the index of the loop that runs on the calling thread.
 *
 * Errors: REACTOR_STATUS_WRONG_THREAD on a thread that is no loop of this server;
 * REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
 */
reactor_status reactor_server_current_loop(struct reactor_server *server, uint32_t *out_loop);

/**
 * Gives the number of event loops; 0 before the start.
 *
 * Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
 */
reactor_status reactor_server_loops(struct reactor_server *server, uint32_t *out_loops);

/**
 * Gives what happened so far, on one loop, counted from 0, or with REACTOR_ALL_LOOPS on the whole server;
 * after the stop, too. It walks over all connections, for queued_bytes: cheap enough to take every second.
 * Refused connections and failures to accept are counted where they happen: with several loops, on the
 * accepting thread, which is in the whole only.
 *
 * Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL, a loop that there is not, and a size that cannot be.
 */
reactor_status reactor_server_metrics(struct reactor_server *server,
                                      uint32_t on_loop,
                                      struct reactor_metrics *out_metrics);

/**
 * Gives a delay from ready to handled, in nanoseconds, that at least the fraction of all did not exceed:
 * 0.99, say, of the same loops as reactor_server_metrics(). It is the upper bound of a magnitude, so up to
 * twice the true one; 0 if nothing was counted. A fraction outside 0 to 1 counts as the nearer of the two.
 *
 * Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL and a loop that there is not.
 */
reactor_status reactor_server_delay_percentile(struct reactor_server *server,
                                               uint32_t on_loop,
                                               double fraction,
                                               uint64_t *out_nanoseconds);

/**
 * Shuts the writing side of a connection down, behind what is queued: the peer sees EOF. Reading goes on;
 * the connection is closed when the peer's side has ended, too. Never blocks.
 *
 * Errors: REACTOR_STATUS_CLOSED if the connection is closed or closing, was ended before, or belongs to
 * another server; REACTOR_STATUS_UNSUPPORTED for a UDP endpoint; REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
 */
reactor_status reactor_conn_end(struct reactor_server *server, reactor_conn conn);

/**
 * Closes a connection: from now on writes answer REACTOR_STATUS_CLOSED; what is queued is sent, then writing
 * is shut down; input is discarded until the peer closes too or the linger limit is over; then comes
 * on_close. Never blocks.
 *
 * Errors: REACTOR_STATUS_CLOSED if the connection is closed or closing, or belongs to another server;
 * REACTOR_STATUS_UNSUPPORTED for a UDP endpoint; REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
 */
reactor_status reactor_conn_close(struct reactor_server *server, reactor_conn conn);

/**
 * Closes a connection as if a callback of its had failed: the same as reactor_conn_close(), with the reason
 * REACTOR_CLOSE_HANDLER_ERROR.
 *
 * Errors: as reactor_conn_close().
 */
reactor_status reactor_conn_fail(struct reactor_server *server, reactor_conn conn);

/**
 * Resets a connection at once: what is queued is dropped. Also one that is being closed. Never blocks.
 *
 * Errors: REACTOR_STATUS_CLOSED if the connection is gone, or belongs to another server;
 * REACTOR_STATUS_UNSUPPORTED for a UDP endpoint; REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
 */
reactor_status reactor_conn_abort(struct reactor_server *server, reactor_conn conn);

/**
 * Takes a connection out of the engine: its completions are cancelled, one attempt is made to send what is
 * queued, then on_detach gets the descriptor. Never blocks.
 *
 * Errors: as reactor_conn_close().
 */
reactor_status reactor_conn_detach(struct reactor_server *server, reactor_conn conn);

/**
 * Has on_wake called. Several calls before it comes are one. Never blocks.
 *
 * Errors: REACTOR_STATUS_CLOSED if the connection is closed or closing, or belongs to another server;
 * REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
 */
reactor_status reactor_conn_wake(struct reactor_server *server, reactor_conn conn);

/**
 * Stops reading a connection, until reactor_conn_resume(): the peer feels it as backpressure. Frames that
 * were read already wait, too. So does the peer's EOF; but a reset ends the connection at once, with what was
 * not read. Never blocks.
 *
 * Errors: as reactor_conn_wake().
 */
reactor_status reactor_conn_pause(struct reactor_server *server, reactor_conn conn);

/**
 * Reads a connection again. Never blocks.
 *
 * Errors: as reactor_conn_wake().
 */
reactor_status reactor_conn_resume(struct reactor_server *server, reactor_conn conn);

/**
 * Holds a connection while an answer is made elsewhere, by a pool of threads, say. Until reactor_conn_release() it is
 * not read, frames that were read already wait, and the peer's EOF does not close it. Its idle and read time-outs do
 * not run. Writes, timers and wakes go on. Holds are counted: it goes on when it was released as often as it was
 * held. A reset, a close, the write time-out and the server's stop end it all the same. Any thread. Never blocks.
 *
 * Errors: as reactor_conn_wake(); REACTOR_STATUS_UNSUPPORTED for a UDP socket; REACTOR_STATUS_WRONG_STATE beyond
 * 2,147,483,647 holds.
 */
reactor_status reactor_conn_hold(struct reactor_server *server,
                                 reactor_conn conn);

/**
 * Takes one reactor_conn_hold() back. What the calling thread has written before comes before the end that the peer's
 * EOF may have been waiting for. The idle and the read time-out begin anew with the last release. Any thread. Never
 * blocks.
 *
 * Errors: as reactor_conn_hold(); REACTOR_STATUS_WRONG_STATE if the connection is not held.
 */
reactor_status reactor_conn_release(struct reactor_server *server,
                                    reactor_conn conn);

/**
 * In on_data: the last count bytes of the input do not count as consumed; they come again in front of the
 * next. Only without a framing, and not on UDP. The last call counts. More than 16 MiB closes the connection,
 * with REACTOR_CLOSE_PROTOCOL: a program that waits for more than that takes the bytes itself.
 *
 * Errors: REACTOR_STATUS_INVALID_ARGUMENT if the input has fewer bytes, and for a NULL;
 * REACTOR_STATUS_WRONG_STATE outside on_data of this connection, or with a framing;
 * REACTOR_STATUS_WRONG_THREAD elsewhere than on its loop; REACTOR_STATUS_CLOSED if the connection is gone,
 * or belongs to another server.
 */
reactor_status reactor_conn_keep(struct reactor_server *server, reactor_conn conn, size_t count);

/**
 * Calls on_timer after delay_ms milliseconds, and again after each repeat_ms if that is not 0. It ends with
 * the connection, or by reactor_server_cancel_timer(). out_timer may be NULL.
 *
 * Errors: REACTOR_STATUS_WRONG_THREAD elsewhere than on the connection's loop, where
 * reactor_conn_run_on_loop() leads; REACTOR_STATUS_CLOSED if it is closed or closing, or belongs to another
 * server; REACTOR_STATUS_INVALID_ARGUMENT for a NULL, a negative time, and beyond 16,777,216 timers on one
 * loop.
 */
reactor_status reactor_conn_start_timer(struct reactor_server *server,
                                        reactor_conn conn,
                                        int64_t delay_ms,
                                        int64_t repeat_ms,
                                        reactor_timer *out_timer);

/**
 * Runs a function on the loop of a connection. Never blocks. destroy, which may be NULL, is called after the
 * function, or alone if the loop ends before.
 *
 * Errors: REACTOR_STATUS_CLOSED if the connection is closed or closing, or belongs to another server;
 * REACTOR_STATUS_INVALID_ARGUMENT for a NULL. user_data is the caller's then, and destroy is not called.
 */
reactor_status reactor_conn_run_on_loop(struct reactor_server *server,
                                        reactor_conn conn,
                                        reactor_conn_function function,
                                        void *user_data,
                                        reactor_destroy destroy);

/**
 * Says whether a connection takes writes: writes 1 or 0 to *out_open. Not an error for the id of a dead
 * connection, or of another server's.
 *
 * Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
 */
reactor_status reactor_conn_is_open(struct reactor_server *server, reactor_conn conn, uint32_t *out_open);

/**
 * Queues a copy of len bytes for a connection; they leave at the end of its loop's turn. Inside a callback of
 * that loop's, 16 KiB or more leave at once, with what was queued before, as far as the kernel takes them,
 * unless there is an on_pre_write. Never blocks. The
 * order of the calls of one thread is kept. data may be NULL if len is 0. On a UDP endpoint, in on_data, it
 * is one datagram that answers the sender.
 *
 * out_pressure, which may be NULL, is given REACTOR_PRESSURE_LOW or REACTOR_PRESSURE_HIGH.
 *
 * Errors: REACTOR_STATUS_CLOSED if the connection is closed or closing, its writing side was ended, or it
 * belongs to another server; REACTOR_STATUS_FULL if the queue would exceed the hard limit, and the connection is
 * closed then with REACTOR_CLOSE_OVERFLOW unless options->keep_on_overflow is on, or if the server would exceed its
 * byte budget, which closes nothing; REACTOR_STATUS_SYSTEM from another thread without memory for the copy;
 * REACTOR_STATUS_UNSUPPORTED for a UDP endpoint outside its on_data;
 * REACTOR_STATUS_INVALID_ARGUMENT for a NULL. Nothing is queued then.
 */
reactor_status reactor_conn_write(struct reactor_server *server,
                                  reactor_conn conn,
                                  const uint8_t *data,
                                  size_t len,
                                  uint32_t *out_pressure);

/**
 * Queues a copy of several runs of bytes, in order, as one write: what other threads write does not come
 * between. Otherwise as reactor_conn_write(). slices may be NULL if count is 0, and the base of a slice if
 * its length is 0.
 *
 * Errors: as reactor_conn_write().
 */
reactor_status reactor_conn_write_gathered(struct reactor_server *server,
                                           reactor_conn conn,
                                           const struct iovec *slices,
                                           size_t count,
                                           uint32_t *out_pressure);

/**
 * As reactor_conn_write_gathered(); completion is called once if the write is accepted, and never if it is
 * not.
 *
 * Errors: as reactor_conn_write(). completion is not called then, and user_data is the caller's.
 */
reactor_status reactor_conn_write_then(struct reactor_server *server,
                                       reactor_conn conn,
                                       const struct iovec *slices,
                                       size_t count,
                                       reactor_completion completion,
                                       void *user_data,
                                       uint32_t *out_pressure);

/**
 * Writes one frame, as the connection's framing cuts them: with its length in front, or its delimiter
 * behind. Otherwise as reactor_conn_write().
 *
 * Errors: as reactor_conn_write(); REACTOR_STATUS_INVALID_ARGUMENT also if the connection has no framing, or
 * one of the program's own, or the payload does not fit it.
 */
reactor_status reactor_conn_write_frame(struct reactor_server *server,
                                        reactor_conn conn,
                                        const uint8_t *data,
                                        size_t len,
                                        uint32_t *out_pressure);

/**
 * Sends a datagram from a UDP endpoint to any address: to is a struct sockaddr_in or sockaddr_in6 of to_len
 * bytes. Otherwise as reactor_conn_write().
 *
 * Errors: as reactor_conn_write(); REACTOR_STATUS_INVALID_ARGUMENT also for another family, port 0, a to_len that is
 * too short, and more bytes than a datagram can have; REACTOR_STATUS_UNSUPPORTED for a connection.
 */
reactor_status reactor_conn_send_to(struct reactor_server *server,
                                    reactor_conn conn,
                                    const struct sockaddr *to,
                                    size_t to_len,
                                    const uint8_t *data,
                                    size_t len,
                                    uint32_t *out_pressure);

/**
 * Gives a connection a value of the program's own, in place of the one before, whose destroy is called.
 * destroy, which may be NULL, is called once, on the connection's loop, after its last callback.
 *
 * Errors: REACTOR_STATUS_WRONG_THREAD elsewhere than on the connection's loop; REACTOR_STATUS_CLOSED if it
 * is gone, or belongs to another server; REACTOR_STATUS_INVALID_ARGUMENT for a NULL server. context is the
 * caller's then, and destroy is not called.
 */
reactor_status reactor_conn_set_context(struct reactor_server *server,
                                        reactor_conn conn,
                                        void *context,
                                        reactor_destroy destroy);

/**
 * Gives the value that reactor_conn_set_context(), or the options of the connect, gave the connection; NULL
 * if it has none. In on_close and on_detach, too.
 *
 * Errors: REACTOR_STATUS_WRONG_THREAD elsewhere than on the connection's loop; REACTOR_STATUS_CLOSED if it
 * is gone, or belongs to another server; REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
 */
reactor_status reactor_conn_context(struct reactor_server *server, reactor_conn conn, void **out_context);

/**
 * Sets an option of a connection's socket, at once: one of REACTOR_OPTION_....
 *
 * Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL, an option that is none, and a value out of range;
 * REACTOR_STATUS_SYSTEM with the system's reason, which is EOPNOTSUPP where such a socket does not have the
 * option; REACTOR_STATUS_CLOSED if the connection is gone, or belongs to another server.
 */
reactor_status reactor_conn_set_option(struct reactor_server *server,
                                       reactor_conn conn,
                                       int32_t option,
                                       int64_t value);

/**
 * Sets whether and when the kernel probes a silent TCP connection: on is REACTOR_ON or REACTOR_OFF. idle_s
 * are the seconds of silence before the first probe, interval_s those between probes, at most 32,767; count
 * is the number of unanswered probes that end the connection, at most 127. 0 means the system's default.
 *
 * Errors: as reactor_conn_set_option(); REACTOR_STATUS_INVALID_ARGUMENT also for numbers beside REACTOR_OFF.
 */
reactor_status reactor_conn_set_keepalive(struct reactor_server *server,
                                          reactor_conn conn,
                                          uint32_t on,
                                          uint32_t idle_s,
                                          uint32_t interval_s,
                                          uint32_t count);

/**
 * Receives from a multicast group, too: group is "ADDRESS" or "ADDRESS@INTERFACE", the interface by name, or
 * for IPv4 also by one of its addresses. UDP.
 *
 * Errors: as reactor_conn_set_option().
 */
reactor_status reactor_conn_join_multicast(struct reactor_server *server,
                                           reactor_conn conn,
                                           const char *group);

/**
 * No longer receives from a multicast group that was joined in the same words.
 *
 * Errors: as reactor_conn_set_option().
 */
reactor_status reactor_conn_leave_multicast(struct reactor_server *server,
                                            reactor_conn conn,
                                            const char *group);

/**
 * Changes a connection's time-outs, which begin anew: in milliseconds, 0 or REACTOR_NEVER for none. What
 * they mean is said at struct reactor_listen_options.
 *
 * Errors: REACTOR_STATUS_CLOSED if the connection is closed or closing, or belongs to another server;
 * REACTOR_STATUS_INVALID_ARGUMENT for a NULL and a negative time.
 */
reactor_status reactor_conn_set_timeouts(struct reactor_server *server,
                                         reactor_conn conn,
                                         int64_t idle_ms,
                                         int64_t read_ms,
                                         int64_t write_ms);

/**
 * Changes how a connection's input is cut into frames, from the next byte that on_data has not had. NULL:
 * not at all, on_data gets whatever there is. The framing may be freed after the call.
 *
 * Errors: REACTOR_STATUS_CLOSED if the connection is closed or closing, or belongs to another server;
 * REACTOR_STATUS_INVALID_ARGUMENT for a NULL server and a framing that contradicts itself;
 * REACTOR_STATUS_UNSUPPORTED for a UDP endpoint.
 */
reactor_status reactor_conn_set_framing(struct reactor_server *server,
                                        reactor_conn conn,
                                        const struct reactor_framing *framing);

/**
 * Tells what can be read of a connection; on its loop, in on_close and on_detach, too.
 *
 * Errors: REACTOR_STATUS_CLOSED if the connection is gone, or belongs to another server;
 * REACTOR_STATUS_INVALID_ARGUMENT for a NULL and a size that cannot be.
 */
reactor_status reactor_conn_info(struct reactor_server *server,
                                 reactor_conn conn,
                                 struct reactor_info *out_info);

/**
 * In on_data of a UDP endpoint: tells who sent the datagram, and to which address of this machine.
 *
 * Errors: REACTOR_STATUS_WRONG_STATE outside on_data of this endpoint, and so for connections;
 * REACTOR_STATUS_WRONG_THREAD elsewhere than on its loop; REACTOR_STATUS_CLOSED if it is closed, or belongs
 * to another server; REACTOR_STATUS_INVALID_ARGUMENT for a NULL and a size that cannot be.
 */
reactor_status reactor_conn_datagram(struct reactor_server *server,
                                     reactor_conn conn,
                                     struct reactor_datagram *out_datagram);

/**
 * Gives the peer's address as text: "127.0.0.1:5000", "[::1]:5000", "[fe80::1%2]:5000", "/run/x.sock", "@name", and
 * nothing for an unnamed one: what can stand in a URL behind its scheme. In a path or name, %, ?, control characters
 * and bytes that are not UTF-8 stand as % and two hexadecimal digits. On the connection's loop, in on_close, too: that
 * of an outgoing connection which could not be made is the last that was tried.
 *
 * Writes the address and a zero byte to buffer, which has room for capacity bytes; REACTOR_ADDRESS_CAPACITY
 * are always enough. out_length, which may be NULL, is given the length without the zero byte. To learn only
 * the length, pass NULL and 0.
 *
 * Errors: REACTOR_STATUS_CLOSED if the connection is gone, or belongs to another server;
 * REACTOR_STATUS_INVALID_ARGUMENT for a NULL server, and a buffer that is too small; REACTOR_STATUS_SYSTEM
 * if the socket has no peer.
 */
reactor_status reactor_conn_remote_address(struct reactor_server *server,
                                           reactor_conn conn,
                                           char *buffer,
                                           size_t capacity,
                                           size_t *out_length);

/**
 * Gives the address of this side as text; otherwise as reactor_conn_remote_address(). An outgoing connection which
 * could not be made may have none in on_close.
 *
 * Errors: as reactor_conn_remote_address().
 */
reactor_status reactor_conn_local_address(struct reactor_server *server,
                                          reactor_conn conn,
                                          char *buffer,
                                          size_t capacity,
                                          size_t *out_length);

/**
 * Tells who is at the other end of a Unix connection, as it was when it connected: the process, 0 where it
 * has no number here, and the effective user and group. Each of the out_ parameters may be NULL.
 *
 * Errors: REACTOR_STATUS_CLOSED if the connection is gone, or belongs to another server;
 * REACTOR_STATUS_SYSTEM if it is no Unix socket; REACTOR_STATUS_INVALID_ARGUMENT for a NULL server.
 */
reactor_status reactor_conn_peer_credentials(struct reactor_server *server,
                                             reactor_conn conn,
                                             int32_t *out_pid,
                                             uint32_t *out_uid,
                                             uint32_t *out_gid);

/**
 * Every frame has len bytes, at least one.
 *
 * Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
 */
reactor_status reactor_framing_fixed(size_t len, size_t max_frame, struct reactor_framing **out_framing);

/**
 * A frame ends before the next delimiter, of delimiter_len bytes, at least one, and is delivered without it.
 * The delimiter is copied.
 *
 * Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
 */
reactor_status reactor_framing_delimiter(const uint8_t *delimiter,
                                         size_t delimiter_len,
                                         size_t max_frame,
                                         struct reactor_framing **out_framing);

/**
 * A frame ends before the next of count delimiters, each of one or more bytes: before whichever is whole first, and of those
 * that end with the same byte before the longest. So LF beside CR LF takes both, and a delimiter that begins with
 * another one is refused where the framing is used: it would never be found. The first is the one that is written.
 * They are copied.
 *
 * Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
 */
reactor_status reactor_framing_delimiters(const struct iovec *delimiters,
                                          size_t count,
                                          size_t max_frame,
                                          struct reactor_framing **out_framing);

/**
 * Another framing like this one, with settings: the sum of REACTOR_FRAMING_... bits. What this one has it has, too. Both
 * are the caller's.
 *
 * Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL, and for a bit that is none.
 */
reactor_status reactor_framing_with(const struct reactor_framing *framing,
                                    uint32_t settings,
                                    struct reactor_framing **out_framing);

/**
 * A frame ends before the next LF, and is delivered without it and without the CR that may stand in front of
 * it.
 *
 * Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
 */
reactor_status reactor_framing_line(size_t max_frame, struct reactor_framing **out_framing);

/**
 * A frame has a header that says how long it is. field is copied.
 *
 * Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL, a size that cannot be, and members out of range.
 */
reactor_status reactor_framing_length_field(const struct reactor_length_field *field,
                                            size_t max_frame,
                                            struct reactor_framing **out_framing);

/**
 * A frame is a command as the clients of Redis send them (RESP): an array of bulk strings, or words on a line. It is
 * delivered as it came, and reactor_conn_arguments() tells where its arguments stand, of which it has at least one; what asks
 * for nothing (an empty line, an empty array) is left out. Of a line with quotes, which are those of redis-cli, the
 * arguments are delivered instead, one behind the other.
 *
 * max_arguments is the number of arguments that a command has at most, its name included, up to 2,147,483,647; 0 means
 * 1,048,576. An argument has at most 512 MiB, a line 64 KiB; but max_frame counts the whole command. What is malformed or
 * too large is answered in Redis's words (-ERR Protocol error: ...), behind what was written before, and ends the
 * connection with REACTOR_CLOSE_PROTOCOL. Half a command at the end of file is not answered. Frames cannot be written with
 * it.
 *
 * Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
 */
reactor_status reactor_framing_resp(size_t max_arguments,
                                    size_t max_frame,
                                    struct reactor_framing **out_framing);

/**
 * A frame is as long as measure says, and is delivered whole. measure is called on the threads of the loops,
 * on several at once, and must be able to tell from no more than max_frame bytes. While the input is too
 * short it is asked again from the beginning, so a frame that comes in small pieces costs the square of what
 * it takes to tell.
 *
 * destroy, which may be NULL, is called once, when the framing was freed and no option and no connection
 * uses it any more; on any thread.
 *
 * Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL. user_data is the caller's then.
 */
reactor_status reactor_framing_custom(reactor_measure measure,
                                      void *user_data,
                                      reactor_destroy destroy,
                                      size_t max_frame,
                                      struct reactor_framing **out_framing);

/**
 * Gives a framing up; options and connections that use it go on using it. NULL is fine. Free it once.
 */
reactor_status reactor_framing_free(struct reactor_framing *framing);

/**
 * In on_data, with a framing of reactor_framing_resp(): gives where the arguments of the command stand in the data, and how
 * many there are, at least one: the command's name. They are valid until on_data returns.
 *
 * Errors: REACTOR_STATUS_WRONG_STATE outside on_data of this connection, and with another framing or none;
 * REACTOR_STATUS_WRONG_THREAD elsewhere than on its loop; REACTOR_STATUS_CLOSED if the connection is gone, or belongs
 * to another server; REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
 */
reactor_status reactor_conn_arguments(struct reactor_server *server,
                                      reactor_conn conn,
                                      const struct reactor_place **out_places,
                                      size_t *out_count);

/**
 * Sends what the engine logs to a function, for the whole process, in place of the one before: messages up
 * to max_level, one of REACTOR_LOG_.... NULL turns the log off; user_data, destroy and max_level are ignored then.
 *
 * Until this is called, messages of REACTOR_LOG_ERROR go to standard error, a line each: that descriptors or memory have
 * run out, that a listener does not work, that a callback failed, that the engine cannot go on. Each of these kinds is told
 * at most once a second, to a function, too.
 *
 * destroy, which may be NULL, is called once, when another call has replaced the function and the last of
 * its calls on other threads has returned.
 *
 * Errors: REACTOR_STATUS_INVALID_ARGUMENT for a max_level that is none; REACTOR_STATUS_WRONG_STATE if the
 * program has set another logger for the log crate of Rust. user_data is the caller's then.
 */
reactor_status reactor_set_log(reactor_log function,
                               void *user_data,
                               reactor_destroy destroy,
                               int32_t max_level);

/**
 * The message of the last call that failed on the calling thread: what was done and what was wrong with it.
 * Empty if none has failed; never NULL. Valid until the next call of this library on this thread; never
 * freed.
 */
const char *reactor_last_error(void);

/**
 * The system's error number for the last call that failed on the calling thread, or 0 if the system had no
 * part in it.
 */
int reactor_last_errno(void);

/**
 * The version of the library, as "0.1.0". Static text: never NULL, never freed.
 */
const char *reactor_version(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* REACTOR_H */
