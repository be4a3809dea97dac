/* Forks: a server that is bound in one process and runs in another, and one that is asked in the wrong one. */
#define _GNU_SOURCE
#include "subject.h"

#include <stdlib.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FIRST = 3, LAST = 1023 };

void go_on_in_child(void) {
    pid_t child = fork();
    if (child < 0) abort();
    if (child == 0) {
        event_forked();
        return;
    }
    /* What was bound is the child's alone. */
    for (int descriptor = FIRST; descriptor <= LAST; descriptor++) close(descriptor);
    int status = 0;
    waitpid(child, &status, 0);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

void call_in_child(reactor_server *server, const char *call, struct outcome *outcome) {
    int ends[2];
    if (pipe(ends) != 0) abort();
    pid_t child = fork();
    if (child < 0) abort();
    if (child == 0) {
        server_call(server, call, outcome);
        _exit(write(ends[1], outcome->text.bytes, outcome->text.length) < 0);
    }
    close(ends[1]);
    char buffer[WORD];
    for (ssize_t length; (length = read(ends[0], buffer, sizeof buffer)) > 0;) {
        text_add(&outcome->text, buffer, (size_t)length);
    }
    close(ends[0]);
    waitpid(child, NULL, 0);
}
