/* The C subject of conformance/PROTOCOL.md: what its files share. */
#ifndef SUBJECT_H
#define SUBJECT_H

#include <reactor.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How a connection's input is taken. */
enum mode { SCRIPT, KEEP, ECHO, DATA, SINK };

/* How it comes: as a stream, in frames, in frames of the subject's own function. */
enum frames { STREAM, PLAIN, CUSTOM };

/* ---- settings.c: what the command line asks for. Everything points into it ---- */

struct settings {
    const char **urls;
    size_t url_count;
    bool listen_inherited;
    const char *listen_options;
    reactor_options options;
    enum mode mode, outgoing_mode;
    const char *on_start, *on_open, *on_eof, *on_drain, *on_wake, *on_timer, *on_close;
    const char *ticks; /* the steps that are left; only loop 0 looks at it */
    int32_t log_level; /* 0: none */
    bool trace, hosted, forks, signals;
};

/* Ends the program for what is no option. settings->urls is the caller's to free. */
void settings_parse(struct settings *settings, int argc, char **argv);

/* ---- text.c: text that grows, and JSON in it; ends the program when memory is out ---- */

struct text {
    char *bytes; /* ends with a zero byte that is not counted */
    size_t length, capacity;
};

void text_add(struct text *text, const void *bytes, size_t length);
void text_print(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Adds a string with its quotes. */
void text_json(struct text *text, const char *string);
void text_hex(struct text *text, const uint8_t *bytes, size_t length);
void text_free(struct text *text);

enum { WORD = 512 };

/* Copies the first word of *rest, and moves *rest to what follows the blank behind it. */
void take_word(const char **rest, char word[WORD]);
/* The first number of *rest, and the same; 0 if there is none. */
uint64_t take_number(const char **rest);
/* Allocates, or ends the program. */
void *allocate(size_t size);
char *copy_string(const char *string);
/* The bytes of `write N`. The caller frees them. */
uint8_t *pattern_bytes(size_t length);
/* The bytes of a hexadecimal text; the caller frees them. */
uint8_t *hex_bytes(const char *hex, size_t *out_length);

/* ---- outcome.c: results of calls ---- */

struct outcome {
    struct text text;
    bool json;   /* the text is JSON; otherwise it is a string */
    bool failed; /* the thread's last error says how */
};

void outcome_status(struct outcome *outcome, reactor_status status);
void outcome_write(struct outcome *outcome, reactor_status status, uint32_t pressure);
void outcome_string(struct outcome *outcome, const char *string);
/* The text as scripts write it. */
const char *outcome_plain(const struct outcome *outcome);
void outcome_free(struct outcome *outcome);
/* Adds an outcome as a JSON value. */
void text_outcome(struct text *text, const struct outcome *outcome);

/* ---- events.c: lines on standard output; any thread ---- */

void event_listening(reactor_server *server);
/* An event without members, or with the thread's number only. */
void event_plain(const char *event);
void event_on_thread(const char *event);
/* An event of a connection with the thread's number. */
void event_conn(const char *event, reactor_conn conn);
void event_open(reactor_conn conn, reactor_listener listener);
void event_drain(reactor_conn conn);
void event_data(reactor_conn conn, const uint8_t *data, size_t length);
void event_command(reactor_conn conn, const uint8_t *data, size_t length, const reactor_place *places, size_t count);
void event_datagram(reactor_conn conn, const reactor_datagram *datagram, size_t length);
/* conn is 0 for a timer of a loop's; outcome may be NULL. */
void event_timer(reactor_conn conn, reactor_timer timer, const struct outcome *outcome);
void event_completed(reactor_conn conn, const char *tag, int32_t completed);
/* conn is 0 for a function that ran on a loop. */
void event_ran(reactor_conn conn, const char *call, const struct outcome *outcome);
void event_detach(reactor_conn conn, int descriptor, const uint8_t *input, size_t input_length, size_t output_length);
void event_pre_write(uint64_t calls);
void event_context_destroyed(const char *text);
void event_close(reactor_conn conn, int32_t reason, int32_t error_number);
void event_note(reactor_conn conn, const char *note);
void event_log(int32_t level, const char *message);
void event_forked(void);
/* with_message: the reply has the error's message, too. */
void event_reply(const char *command, const struct outcome *outcome, bool with_message);
/* The calling thread's last failed call, which answered status. */
void event_error(reactor_status status);
/* Something that no case expects: for whoever reads the runner's output. */
void complain(const char *what, const char *text);

/* ---- script.c: commands of callbacks ---- */

enum { NO_ACTION_AT_ALL = 77 };

/* The callback that a command is carried out in, or another place to make calls from. */
struct place {
    reactor_server *server;
    reactor_conn conn; /* 0 where there is none */
    enum mode *mode;   /* NULL where there is no input */
};

/* Carries out one command. Whether the callback returns now, with *action. */
bool run_command(struct place *place, const char *command, int32_t *action);
/* Carries out commands that are separated by semicolons; NULL is none. The action to return. */
int32_t run_script(struct place *place, const char *script);

/* ---- call.c, conn_call.c, server_call.c: calls ---- */

void make_call(const struct place *place, const char *line, struct outcome *outcome);
void conn_call(reactor_server *server, reactor_conn conn, const char *call, struct outcome *outcome);
void server_call(reactor_server *server, const char *call, struct outcome *outcome);
/* Makes a call that it keeps: what functions and timers are given. */
struct job {
    char *call;
    reactor_timer timer; /* 0 for a function */
};
struct job *job_new(const char *call);
void job_free(void *job);

/* ---- metrics.c ---- */

void metrics_call(reactor_server *server, const char *on_loop, struct outcome *outcome);

/* ---- terms.c: OPTIONS ---- */

/* What the options point to. */
struct terms {
    reactor_listen_options listen;
    reactor_connect_options connect;
    enum frames frames;
    reactor_framing *framing;
    struct text device, multicast, context;
    bool has_context;
};

void terms_parse(struct terms *terms, const char *options);
void terms_free(struct terms *terms);
/* Listens with options, and remembers how the connections' input comes. */
reactor_status listen_with(reactor_server *server, const char *url, const char *options, reactor_listener *out_listener);
reactor_status listen_inherited(reactor_server *server, const char *options, size_t *out_count);

/* ---- framing.c ---- */

/* NULL for none. */
reactor_status framing_parse(const char *spec, reactor_framing **out_framing, enum frames *out_frames);
/* What of a frame is the command; blanks at its end are left out. */
const uint8_t *frame_payload(enum frames frames, const uint8_t *frame, size_t *length);

/* ---- context.c: what a connection carries ---- */

struct context {
    char *text; /* NULL if the case set none */
    enum frames frames;
};

struct context *context_new(const char *text, enum frames frames);
void context_destroy(void *context);

/* ---- conns.c: what is remembered of each connection and listener. Any thread may look up; a struct conn belongs to its loop ---- */

struct conn {
    reactor_conn id;
    enum mode mode;
    enum frames frames; /* only by conn_frames and conn_set_frames */
    struct text line; /* input up to the next line feed */
    struct conn *next;
};

struct conn *conn_add(reactor_conn id, enum mode mode, enum frames frames);
struct conn *conn_find(reactor_conn id);
void conn_remove(reactor_conn id);
enum frames conn_frames(reactor_conn id);
void conn_set_frames(reactor_conn id, enum frames frames);
enum frames listener_frames(reactor_listener listener);
void listener_set_frames(reactor_listener listener, enum frames frames);

/* ---- input.c ---- */

/* Takes what came: a piece of a stream, a frame, or a datagram. The action to return. */
int32_t take_input(reactor_server *server, struct conn *conn, const uint8_t *data, size_t length, bool datagram);

/* ---- callbacks.c ---- */

extern const reactor_callbacks subject_callbacks;
/* Leaves text for the next on_pre_write of the calling loop. */
void leave_pre_write(reactor_server *server, reactor_conn conn, const char *text);

/* ---- detached.c: descriptors that the engine has handed out ---- */

/* Serves a descriptor on a thread of its own until the peer ends. */
void detached_serve(int descriptor, const uint8_t *output, size_t length);

/* ---- sockets.c ---- */

/* A socket connected to a URL; for `null` what is none. -1 when that fails. */
int socket_to(const char *url);
/* `127.0.0.1:5000` or `[::1]:5000`; false if it is neither. */
bool parse_address(const char *text, struct sockaddr_storage *address, socklen_t *length);
void print_address(struct text *text, const struct sockaddr *address, size_t length);
/* The same without the port. */
void print_host(struct text *text, const struct sockaddr *address, size_t length);

/* ---- threads.c ---- */

/* The same call from many threads at once: `K N TARGET CALL`. joined: the results, separated by blanks; otherwise how
 * often each came. */
void call_on_threads(const struct place *place, const char *rest, bool joined, struct outcome *outcome);

/* ---- others.c: servers beside the subject's own ---- */

/* The other server, started at the first use; NULL when that fails. */
reactor_server *other_server(void);
void other_end(void);
/* Whole lives of servers, one after the other. */
reactor_status cycle_servers(size_t count);

/* ---- control.c: commands on standard input ---- */

/* The server and the thread that waits for its end. */
struct subject {
    reactor_server *server; /* NULL when it has been freed */
    bool started;
};

/* Starts the server, and the thread that waits for it. */
reactor_status subject_start(struct subject *subject);
/* Carries out one command. */
void subject_obey(struct subject *subject, const char *line);
/* Obeys standard input until its end, then ends the server. */
void subject_control(struct subject *subject);

/* ---- hosted.c ---- */

/* Drives the server and obeys standard input on this thread, until both have ended. */
reactor_status subject_drive(struct subject *subject);

/* ---- forks.c ---- */

/* Goes on in a child; the parent only waits for it, and ends as it does. */
void go_on_in_child(void);
/* Makes a call on the server in a child. */
void call_in_child(reactor_server *server, const char *call, struct outcome *outcome);

#endif
