/* The same call from many threads at once. */
#include "subject.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { DIFFERENT = 16 };

/* How often each result came. */
struct tally {
    struct {
        char *result;
        size_t count;
    } of[DIFFERENT];
};

struct caller {
    pthread_t thread;
    const struct place *place;
    const char *call;
    size_t number, times;
    struct tally tally;
};

static void count(struct tally *tally, const char *result, size_t more) {
    for (size_t i = 0; i < DIFFERENT; i++) {
        if (tally->of[i].result == NULL) tally->of[i].result = copy_string(result);
        if (strcmp(tally->of[i].result, result) != 0) continue;
        tally->of[i].count += more;
        return;
    }
    complain("too many different results:", result);
}

/* The call with the numbers of the thread and the call in place of %t and %n. */
static struct text filled(const char *call, size_t thread, size_t number) {
    struct text line = {0};
    while (*call != '\0') {
        bool is_thread = strncmp(call, "%t", 2) == 0, is_number = strncmp(call, "%n", 2) == 0;
        if (is_thread || is_number) {
            text_print(&line, "%zu", is_thread ? thread : number);
        } else {
            text_add(&line, call, 1);
        }
        call += is_thread || is_number ? 2 : 1;
    }
    return line;
}

static void *run(void *argument) {
    struct caller *caller = argument;
    for (size_t number = 0; number < caller->times; number++) {
        struct text line = filled(caller->call, caller->number, number);
        struct outcome outcome = {0};
        make_call(caller->place, line.bytes, &outcome);
        count(&caller->tally, outcome_plain(&outcome), 1);
        outcome_free(&outcome);
        text_free(&line);
    }
    return NULL;
}

/* Every result as often as it came. */
static void list(struct tally *tally, struct outcome *outcome) {
    for (size_t i = 0; i < DIFFERENT && tally->of[i].result != NULL; i++) {
        for (size_t n = 0; n < tally->of[i].count; n++) {
            text_print(&outcome->text, "%s%s", outcome->text.length > 0 ? " " : "", tally->of[i].result);
        }
    }
}

static void describe(struct tally *tally, struct outcome *outcome) {
    outcome->json = true;
    text_print(&outcome->text, "{");
    for (size_t i = 0; i < DIFFERENT && tally->of[i].result != NULL; i++) {
        if (i > 0) text_print(&outcome->text, ", ");
        text_json(&outcome->text, tally->of[i].result);
        text_print(&outcome->text, ": %zu", tally->of[i].count);
    }
    text_print(&outcome->text, "}");
}

static void collect(struct tally *sum, struct tally *tally) {
    for (size_t i = 0; i < DIFFERENT && tally->of[i].result != NULL; i++) {
        count(sum, tally->of[i].result, tally->of[i].count);
        free(tally->of[i].result);
    }
}

void call_on_threads(const struct place *place, const char *rest, bool joined, struct outcome *outcome) {
    size_t callers = take_number(&rest), times = take_number(&rest);
    struct caller *all = allocate(callers * sizeof *all);
    struct tally sum = {0};
    for (size_t i = 0; i < callers; i++) {
        all[i] = (struct caller){.place = place, .call = rest, .number = i, .times = times};
        if (pthread_create(&all[i].thread, NULL, run, &all[i]) != 0) abort();
    }
    for (size_t i = 0; i < callers; i++) {
        pthread_join(all[i].thread, NULL);
        collect(&sum, &all[i].tally);
    }
    if (joined) {
        list(&sum, outcome);
    } else {
        describe(&sum, outcome);
    }
    for (size_t i = 0; i < DIFFERENT; i++) free(sum.of[i].result);
    free(all);
}
