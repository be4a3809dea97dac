/*
 * reactor: a multi-loop network engine; servers for protocols of your own, through callbacks.
 *
 * Generated from ffi/src by `UPDATE_HEADER=1 cargo test -p reactor-ffi --test header`. Do not edit.
 */

#ifndef REACTOR_H
#define REACTOR_H

#include <stddef.h>
#include <stdint.h>

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
 *   server. All signals are blocked on the server's own threads, except the faults: SIGSEGV, SIGBUS, SIGFPE,
 *   SIGILL, SIGTRAP and SIGSYS.
 * - Callbacks must not block, and must be left by returning: neither by an exception nor by longjmp.
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
 * Why a connection ended: the server stopped.
 */
#define REACTOR_CLOSE_SHUTDOWN 6

/**
 * Why a connection ended: unsent output went beyond the hard limit.
 */
#define REACTOR_CLOSE_OVERFLOW 7

/**
 * Why a connection ended: a callback failed, which in C is: returned a number that is no action. No other
 * callback reports it.
 */
#define REACTOR_CLOSE_HANDLER_ERROR 9

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
 * Bytes that hold every address that reactor_server_address() gives, the zero at the end included.
 */
#define REACTOR_ADDRESS_CAPACITY 128

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
 * The id of a connection: never 0, and never used again in this process. It may be kept, copied and used by
 * any thread; calls on the id of a dead connection answer REACTOR_STATUS_CLOSED and touch nothing.
 */
typedef uint64_t reactor_conn;

/**
 * What a program wants to be called for. Set size to sizeof; a callback that is NULL is not called.
 *
 * Callbacks get the server that reactor_server_new() made and the id of the connection. The callbacks of one
 * connection come in order, never two at once, on its loop's thread; those of different loops run at the
 * same time. An action that is none of REACTOR_ACTION_... counts as a failure: it closes the connection, and
 * on_close is told so by the reason REACTOR_CLOSE_HANDLER_ERROR; nothing else reports it.
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
     * The server starts: once per start, before any other callback, on the thread that starts it. Returning
     * REACTOR_ACTION_STOP refuses the start (REACTOR_STATUS_STOPPED), a number that is no action fails it
     * (REACTOR_STATUS_HANDLER_FAILED).
     */
    int32_t (*on_start)(void *user_data, struct reactor_server *server);
    /**
     * A connection is open and takes writes.
     */
    int32_t (*on_open)(void *user_data, struct reactor_server *server, reactor_conn conn);
    /**
     * Bytes came in. They are valid until the callback returns, and count as consumed; len is never 0.
     */
    int32_t (*on_data)(void *user_data,
                       struct reactor_server *server,
                       reactor_conn conn,
                       const uint8_t *data,
                       size_t len);
    /**
     * The queue of unsent output, once above the high-water mark, has fallen to the low-water mark.
     */
    int32_t (*on_drain)(void *user_data, struct reactor_server *server, reactor_conn conn);
    /**
     * The connection is gone: the last of its callbacks, exactly once after each on_open. reason is one of
     * REACTOR_CLOSE_..., or a number that this program does not know; error_number is the system's for
     * REACTOR_CLOSE_RESET, and 0 where there is none.
     */
    void (*on_close)(void *user_data,
                     struct reactor_server *server,
                     reactor_conn conn,
                     int32_t reason,
                     int32_t error_number);
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
     * may use.
     */
    uint32_t loops;
    /**
     * Milliseconds that a connection closed by this side waits for the peer to close too. Default: 2000.
     * More than 3,600,000, an hour, is REACTOR_STATUS_INVALID_ARGUMENT.
     */
    uint32_t linger_ms;
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
     * Bytes of unsent output that a connection may hold at most: beyond it, a write on the connection's own
     * loop closes it with REACTOR_CLOSE_OVERFLOW, and a write from elsewhere answers REACTOR_STATUS_FULL.
     * Default: 64 MiB.
     */
    size_t hard_limit;
    /**
     * Bytes read from one connection before the others of its loop have their turn. Default: 256 KiB.
     */
    size_t read_budget;
} reactor_options;

/**
 * It went well.
 */
#define REACTOR_OK 0

/**
 * An argument is outside what the call accepts: a NULL, say.
 */
#define REACTOR_STATUS_INVALID_ARGUMENT 1

/**
 * A listen address cannot be parsed, or carries an unknown or malformed option.
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
 * The connection's queue is at its hard limit; nothing was queued.
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
 * Binds and listens at url, as "tcp://127.0.0.1:5000"; the kernel queues connections until the start. Any
 * number of times, before the start. A host name is looked up, which may block.
 *
 * url is [scheme://]address[?option=value&...]. Schemes: tcp (also without a scheme; with no host, IPv4 and
 * IPv6), tcp4, tcp6, unix (a path, or @name for Linux's abstract namespace). Options: backlog=N, and for TCP
 * nodelay=BOOL (on by default) and reuseport=BOOL. Port 0 picks a free one; reactor_server_address() tells
 * which.
 *
 * Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL; REACTOR_STATUS_INVALID_ADDRESS, whose message quotes
 * url; REACTOR_STATUS_ADDRESS_IN_USE or REACTOR_STATUS_SYSTEM with the system's reason;
 * REACTOR_STATUS_WRONG_STATE after the start. Nothing is left behind then, and the server can listen again.
 */
reactor_status reactor_server_listen(struct reactor_server *server, const char *url);

/**
 * Gives the address really bound by the listener number index, counted from 0 in the order of the calls of
 * reactor_server_listen() that succeeded, as a URL without options.
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
 * the wait; their handlers run meanwhile.
 *
 * Errors: REACTOR_STATUS_WRONG_THREAD inside a callback, of whichever server; REACTOR_STATUS_WRONG_STATE if
 * the server was not started.
 */
reactor_status reactor_server_wait(struct reactor_server *server);

/**
 * Asks the server to stop; it does so at once: each connection gets one more attempt to send what is queued,
 * and is closed with REACTOR_CLOSE_SHUTDOWN. Does not wait; may be repeated, and may come before the start,
 * which is then refused.
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
 * Gives the number of connections that are open, those being closed included.
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
 * Errors: REACTOR_STATUS_WRONG_THREAD inside a callback, of whichever server: then nothing was done.
 * REACTOR_STATUS_SYSTEM if the system does not let us wait: then the server is stopping, and not freed.
 */
reactor_status reactor_server_free(struct reactor_server *server);

/**
 * Queues a copy of len bytes for a connection; they leave at the end of its loop's turn. Never blocks. The
 * order of the calls of one thread is kept. data may be NULL if len is 0.
 *
 * out_pressure, which may be NULL, is given REACTOR_PRESSURE_LOW or REACTOR_PRESSURE_HIGH.
 *
 * Errors: REACTOR_STATUS_CLOSED if the connection is closed or closing, or belongs to another server;
 * REACTOR_STATUS_FULL if the queue would exceed the hard limit, and on the connection's own loop it is
 * closed then with REACTOR_CLOSE_OVERFLOW; REACTOR_STATUS_INVALID_ARGUMENT for a NULL. Nothing is queued
 * then.
 */
reactor_status reactor_conn_write(struct reactor_server *server,
                                  reactor_conn conn,
                                  const uint8_t *data,
                                  size_t len,
                                  uint32_t *out_pressure);

/**
 * Closes a connection: from now on writes answer REACTOR_STATUS_CLOSED; what is queued is sent, then writing
 * is shut down; input is discarded until the peer closes too or the linger limit is over; then comes
 * on_close. Never blocks.
 *
 * Errors: REACTOR_STATUS_CLOSED if the connection is closed or closing, or belongs to another server;
 * REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
 */
reactor_status reactor_conn_close(struct reactor_server *server, reactor_conn conn);

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
