/* Calls: TARGET CALL, the same from scripts, from control, and from many threads. */
#include "subject.h"

#include <stdlib.h>
#include <string.h>

void make_call(const struct place *place, const char *line, struct outcome *outcome) {
    char target[WORD];
    take_word(&line, target);
    if (strcmp(target, "server") == 0) {
        server_call(place->server, line, outcome);
    } else if (strcmp(target, "self") == 0 && place->conn == 0) {
        outcome_string(outcome, "n/a");
    } else if (strcmp(target, "self") == 0) {
        conn_call(place->server, place->conn, line, outcome);
    } else if (strncmp(target, "other:", 6) == 0) {
        conn_call(other_server(), strtoull(target + 6, NULL, 10), line, outcome);
    } else {
        conn_call(place->server, strtoull(target, NULL, 10), line, outcome);
    }
}

struct job *job_new(const char *call) {
    struct job *job = allocate(sizeof *job);
    job->call = copy_string(call);
    return job;
}

void job_free(void *argument) {
    struct job *job = argument;
    free(job->call);
    free(job);
}
