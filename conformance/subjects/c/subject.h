/* The C subject of conformance/PROTOCOL.md: what its files share. */
#ifndef SUBJECT_H
#define SUBJECT_H

#include <reactor.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the command line asks for. Everything points into it. */
struct settings {
    const char **urls;
    size_t url_count;
    reactor_options options;
    bool echo, trace;
    const char *on_start, *on_open, *on_drain, *on_close;
};

/* ---- text.c: text that grows, and JSON in it; ends the program when memory is out ---- */

struct text {
    char *bytes; /* ends with a zero byte that is not counted */
    size_t length, capacity;
};

void text_add(struct text *text, const void *bytes, size_t length);
void text_print(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Adds a string with its quotes. */
void text_json(struct text *text, const char *string);
void text_free(struct text *text);

/* ---- events.c: lines on standard output; any thread ---- */

void event_listening(reactor_server *server, size_t count);
void event_start(void);
void event_open(reactor_conn conn);
void event_drain(reactor_conn conn);
void event_close(reactor_conn conn, int32_t reason, int32_t error_number);
void event_stop(void);
void event_note(reactor_conn conn, const char *note);
/* result is JSON already. */
void event_reply(const char *command, const char *result);
/* The calling thread's last failed call, which answered status. */
void event_error(reactor_status status);
void event_ended(void);

/* ---- script.c: commands of callbacks ---- */

enum { NO_ACTION_AT_ALL = 77 };

/* How a connection's input is taken. */
enum mode { COMMANDS, SINK, ECHO };

/* The callback that a command is carried out in. */
struct place {
    reactor_server *server;
    reactor_conn conn;
    enum mode *mode; /* NULL where there is no input */
};

/* Carries out one command. Whether the callback returns now, with *action. */
bool run_command(struct place *place, const char *command, int32_t *action);
/* Carries out commands that are separated by semicolons; NULL is none. The action to return. */
int32_t run_script(struct place *place, const char *script);

/* The RESULT of a call. */
const char *result_name(reactor_status status);
/* Writes pattern bytes; the RESULT. */
const char *write_pattern(reactor_server *server, reactor_conn conn, size_t length);
/* Writes text and a line feed; the RESULT. */
const char *write_line(reactor_server *server, reactor_conn conn, const char *text);

/* ---- conns.c: what is remembered of each connection. Any thread may look up; what is found belongs to its loop ---- */

struct conn {
    reactor_conn id;
    enum mode mode;
    struct text line; /* input up to the next line feed */
    struct conn *next;
};

void conn_add(reactor_conn id);
struct conn *conn_find(reactor_conn id);
void conn_remove(reactor_conn id);

/* ---- control.c: commands on standard input ---- */

/* The server and the thread that waits for its end. */
struct subject {
    reactor_server *server; /* NULL when it has been freed */
    bool started;
};

/* Starts the server, and the thread that waits for it. */
reactor_status subject_start(struct subject *subject);
/* Obeys standard input until its end, then ends the server. */
void subject_control(struct subject *subject);

#endif
