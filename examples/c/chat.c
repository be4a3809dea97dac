/*
 * A chat server: a person types lines, and the others in the same room read them.
 *
 *     chat --listen URL [--listen URL]... [--loops N] [--hard-limit BYTES]
 *
 * Then nc 127.0.0.1 PORT. The first line is the nickname. Then /nick NAME, /join ROOM, /quit, or what to say. Nobody is
 * slowed for others: who sends faster than the others in the room read has them dropped.
 */
#define _POSIX_C_SOURCE 200809L

#include "launch.h"

#include <locale.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

enum {
    MAX_LINE = 4096, /* bytes of the longest line */
    MAX_NAME = 32,   /* characters of the longest name of a person or a room */
    NAME_SIZE = MAX_NAME * 4 + 1,
    /* A byte that is no UTF-8 becomes three. */
    TEXT_SIZE = MAX_LINE * 3 + 1,
    /* Room for what stands around it. */
    MESSAGE_SIZE = TEXT_SIZE + 2 * NAME_SIZE + 32,
    /* Bytes that may wait for a client that does not read; with more it is dropped. */
    HARD_LIMIT = 1 << 20
};

static const char *const FIRST_ROOM = "lobby";
static const char *const NO_NAME = "! first say your name";

/* Somebody who has a name. */
struct member {
    reactor_conn conn;
    char nick[NAME_SIZE];
    char room[NAME_SIZE];
    struct member *next;
};

/* Everybody who has a name: whatever loop a connection lives on, its id can be written to. */
struct members {
    pthread_mutex_t lock;
    struct member *first;
};

/* ---- sending: it never blocks, so it may happen under the lock ---- */

/* Sends a line to one connection. It may be gone already; one that does not read is dropped. */
static void tell_one(reactor_server *server, reactor_conn conn, const char *line) {
    struct iovec slices[] = {{(void *)(uintptr_t)line, strlen(line)}, {"\n", 1}};
    if (reactor_conn_write_gathered(server, conn, slices, 2, NULL) == REACTOR_STATUS_FULL) {
        reactor_conn_abort(server, conn);
    }
}

/* Sends a line to everybody in a room but one. What one person says arrives in order. */
static void tell(struct members *members, reactor_server *server, const struct member *but, const char *format, ...) {
    char line[MESSAGE_SIZE];
    va_list values;
    va_start(values, format);
    vsnprintf(line, sizeof line, format, values);
    va_end(values);
    for (struct member *member = members->first; member != NULL; member = member->next) {
        if (member != but && strcmp(member->room, but->room) == 0) tell_one(server, member->conn, line);
    }
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Says who is there, in the order of the names. */
static void tell_names(struct members *members, reactor_server *server, const struct member *to) {
    size_t count = 0;
    for (struct member *member = members->first; member != NULL; member = member->next) count++;
    size_t size = MESSAGE_SIZE + count * NAME_SIZE; /* a name and the space in front of it */
    const char **names = calloc(count, sizeof *names);
    char *line = malloc(size);
    if (names == NULL || line == NULL) {
        tell_one(server, to->conn, "! out of memory");
    } else {
        size_t inside = 0;
        for (struct member *member = members->first; member != NULL; member = member->next) {
            if (strcmp(member->room, to->room) == 0) names[inside++] = member->nick;
        }
        qsort(names, inside, sizeof *names, by_name);
        size_t len = (size_t)snprintf(line, size, "* in %s:", to->room);
        for (size_t i = 0; i < inside; i++) len += (size_t)snprintf(line + len, size - len, " %s", names[i]);
        tell_one(server, to->conn, line);
    }
    free(names);
    free(line);
}

/* ---- who is there, under the lock ---- */

static struct member *find(struct members *members, reactor_conn conn) {
    struct member *member = members->first;
    while (member != NULL && member->conn != conn) member = member->next;
    return member;
}

static int is_taken(const struct members *members, const char *nick) {
    const struct member *member = members->first;
    while (member != NULL && strcmp(member->nick, nick) != 0) member = member->next;
    return member != NULL;
}

static void enter(struct members *members, reactor_server *server, struct member *member, const char *room) {
    snprintf(member->room, sizeof member->room, "%s", room);
    tell(members, server, member, "* %s has joined %s", member->nick, member->room);
    tell_names(members, server, member);
}

/* Answers what is wrong, or NULL. */
static const char *add(struct members *members, reactor_server *server, reactor_conn conn, const char *nick) {
    struct member *member = calloc(1, sizeof *member);
    if (member == NULL) return "! out of memory";
    member->conn = conn;
    snprintf(member->nick, sizeof member->nick, "%s", nick);
    member->next = members->first;
    members->first = member;
    enter(members, server, member, FIRST_ROOM);
    return NULL;
}

static void drop(struct members *members, reactor_server *server, reactor_conn conn) {
    struct member **link = &members->first;
    while (*link != NULL && (*link)->conn != conn) link = &(*link)->next;
    struct member *member = *link;
    if (member == NULL) return;
    *link = member->next;
    tell(members, server, member, "* %s has left %s", member->nick, member->room);
    free(member);
}

/* ---- what people type: answers what is wrong, or NULL ---- */

static const char *check_name(const char *name) {
    const char *wrong = "! a name has 1 to 32 letters, digits, - and _";
    mbstate_t state = {0};
    size_t letters = 0, len = strlen(name), taken;
    for (; len > 0; name += taken, len -= taken, letters++) {
        wchar_t letter;
        taken = mbrtowc(&letter, name, len, &state);
        if (taken > len || (!iswalnum((wint_t)letter) && letter != L'-' && letter != L'_')) return wrong;
    }
    return letters >= 1 && letters <= MAX_NAME ? NULL : wrong;
}

static const char *set_nick(struct members *members, reactor_server *server, reactor_conn conn, const char *nick) {
    const char *wrong = check_name(nick);
    if (wrong != NULL) return wrong;
    if (is_taken(members, nick)) return "! this name is taken";
    struct member *member = find(members, conn);
    if (member == NULL) return add(members, server, conn, nick);
    char line[MESSAGE_SIZE];
    snprintf(line, sizeof line, "* %s is now %s", member->nick, nick);
    snprintf(member->nick, sizeof member->nick, "%s", nick);
    tell(members, server, member, "%s", line);
    tell_one(server, conn, line);
    return NULL;
}

static const char *join(struct members *members, reactor_server *server, reactor_conn conn, const char *room) {
    const char *wrong = check_name(room);
    if (wrong != NULL) return wrong;
    struct member *member = find(members, conn);
    if (member == NULL) return NO_NAME;
    tell(members, server, member, "* %s has left %s", member->nick, member->room);
    enter(members, server, member, room);
    return NULL;
}

/* The text without the spaces around it. */
static char *trim(char *text) {
    char *end = text + strlen(text);
    while (*text == ' ') text++;
    while (end > text && end[-1] == ' ') *--end = '\0';
    return text;
}

/* What stands behind the command, or NULL if the text is not this command. */
static char *argument_of(char *text, const char *command) {
    size_t len = strlen(command);
    int is_it = strncmp(text, command, len) == 0 && (text[len] == ' ' || text[len] == '\0');
    return is_it ? trim(text + len) : NULL;
}

static const char *take(struct members *members, reactor_server *server, reactor_conn conn, char *text) {
    char *name = argument_of(text, "/nick");
    if (name != NULL) return set_nick(members, server, conn, name);
    char *room = argument_of(text, "/join");
    if (room != NULL) return join(members, server, conn, room);
    if (*text == '/') return "! unknown command: there are /nick NAME, /join ROOM and /quit";
    struct member *member = find(members, conn);
    if (member == NULL) return set_nick(members, server, conn, trim(text));
    tell(members, server, member, "<%s> %s", member->nick, text);
    return NULL;
}

/* Copies a line without what terminals take for commands, and without what is no UTF-8. text has TEXT_SIZE bytes. */
static void clean(const uint8_t *data, size_t len, char *text) {
    const char *from = (const char *)data;
    while (len > 0) {
        mbstate_t state = {0};
        wchar_t letter;
        size_t taken = mbrtowc(&letter, from, len, &state);
        if (taken == 0 || (taken <= len && iswcntrl((wint_t)letter))) {
            taken = taken == 0 ? 1 : taken;
            *text++ = ' ';
        } else if (taken <= len) {
            memcpy(text, from, taken);
            text += taken;
        } else {
            taken = 1;
            memcpy(text, "\xEF\xBF\xBD", 3); /* the replacement character */
            text += 3;
        }
        from += taken;
        len -= taken;
    }
    *text = '\0';
}

/* ---- the callbacks ---- */

static int32_t on_open(void *user_data, reactor_server *server, reactor_conn conn) {
    (void)user_data;
    tell_one(server, conn, "* what is your name?");
    return REACTOR_ACTION_NONE;
}

/* One line. */
static int32_t on_data(void *user_data, reactor_server *server, reactor_conn conn, const uint8_t *data, size_t len) {
    struct members *members = user_data;
    char text[TEXT_SIZE];
    clean(data, len, text);
    if (argument_of(text, "/quit") != NULL) return REACTOR_ACTION_CLOSE;
    pthread_mutex_lock(&members->lock);
    const char *wrong = take(members, server, conn, text);
    pthread_mutex_unlock(&members->lock);
    if (wrong != NULL) tell_one(server, conn, wrong);
    return REACTOR_ACTION_NONE;
}

static void on_close(void *user_data, reactor_server *server, reactor_conn conn, int32_t reason, int32_t error_number) {
    (void)reason, (void)error_number;
    struct members *members = user_data;
    pthread_mutex_lock(&members->lock);
    drop(members, server, conn);
    pthread_mutex_unlock(&members->lock);
}

static int serve(struct launch *launch, size_t hard_limit) {
    struct members members = {.lock = PTHREAD_MUTEX_INITIALIZER};
    reactor_framing *framing;
    if (reactor_framing_line(MAX_LINE, &framing) != REACTOR_OK) {
        launch_fail("%s", reactor_last_error());
        return EXIT_FAILURE;
    }
    launch->callbacks.user_data = &members;
    launch->callbacks.on_open = on_open;
    launch->callbacks.on_data = on_data;
    launch->callbacks.on_close = on_close;
    launch->options.hard_limit = hard_limit;
    launch->listen.framing = framing;
    int code = launch_serve(launch);
    reactor_framing_free(framing);
    return code;
}

int main(int argc, char **argv) {
    size_t hard_limit = HARD_LIMIT;
    const struct launch_flag flags[] = {{"hard-limit", NULL, &hard_limit}, {NULL, NULL, NULL}};
    struct launch launch;
    int code = EXIT_FAILURE;
    if (launch_parse(&launch, argc, argv, flags) == 0 && launch_streams_only(&launch) == 0) {
        /* What is a letter, of all those that UTF-8 has. */
        if (setlocale(LC_CTYPE, "C.UTF-8") != NULL) {
            code = serve(&launch, hard_limit);
        } else {
            launch_fail("there is no locale C.UTF-8");
        }
    }
    launch_free(&launch);
    return code;
}
