/* A server without threads of its own: the main thread waits in poll(2) for it and for commands. */
#define _POSIX_C_SOURCE 200809L
#include "subject.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

/* Standard input, cut into lines without a buffer that poll(2) would not know of. */
struct lines {
    struct text partial;
    bool ended;
};

static void obey_lines(struct subject *subject, struct lines *lines) {
    char *end;
    while ((end = memchr(lines->partial.bytes, '\n', lines->partial.length)) != NULL) {
        *end = '\0';
        subject_obey(subject, lines->partial.bytes);
        size_t taken = (size_t)(end + 1 - lines->partial.bytes);
        memmove(lines->partial.bytes, end + 1, lines->partial.length - taken + 1);
        lines->partial.length -= taken;
    }
}

static void read_lines(struct subject *subject, struct lines *lines) {
    char buffer[4096];
    ssize_t length = read(STDIN_FILENO, buffer, sizeof buffer);
    if (length > 0) {
        text_add(&lines->partial, buffer, (size_t)length);
        obey_lines(subject, lines);
    } else {
        lines->ended = true;
        reactor_server_stop(subject->server);
    }
}

/* Until the server has ended. */
static reactor_status turn_and_obey(struct subject *subject, struct lines *lines) {
    struct pollfd both[] = {{.events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
    reactor_status status = reactor_server_poll_fd(subject->server, &both[0].fd);
    uint32_t running = 1;
    while (status == REACTOR_OK && running) {
        both[1].revents = 0;
        if (poll(both, lines->ended ? 1 : 2, -1) < 0) continue;
        if (both[1].revents != 0) read_lines(subject, lines);
        if (both[0].revents != 0) status = reactor_server_turn(subject->server, 0, &running);
    }
    return status;
}

reactor_status subject_drive(struct subject *subject) {
    struct lines lines = {0};
    reactor_status status = reactor_server_start_hosted(subject->server);
    if (status == REACTOR_OK) status = turn_and_obey(subject, &lines);
    if (status == REACTOR_OK) {
        other_end();
        event_plain("ended");
        status = reactor_server_free(subject->server);
        char rest[256];
        while (!lines.ended && read(STDIN_FILENO, rest, sizeof rest) > 0) continue;
    }
    text_free(&lines.partial);
    return status;
}
