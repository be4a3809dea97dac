/* Results of calls. */
#include "subject.h"

#include <string.h>

void outcome_string(struct outcome *outcome, const char *string) {
    text_print(&outcome->text, "%s", string);
}

void outcome_status(struct outcome *outcome, reactor_status status) {
    outcome->failed = status != REACTOR_OK;
    outcome_string(outcome, outcome->failed ? reactor_status_name(status) : "ok");
}

void outcome_write(struct outcome *outcome, reactor_status status, uint32_t pressure) {
    if (status == REACTOR_OK && pressure == REACTOR_PRESSURE_HIGH) {
        outcome_string(outcome, "high");
    } else {
        outcome_status(outcome, status);
    }
}

const char *outcome_plain(const struct outcome *outcome) {
    const char *text = outcome->text.bytes == NULL ? "" : outcome->text.bytes;
    return outcome->json && strcmp(text, "null") == 0 ? "none" : text;
}

void outcome_free(struct outcome *outcome) {
    text_free(&outcome->text);
}

void text_outcome(struct text *text, const struct outcome *outcome) {
    const char *value = outcome->text.bytes == NULL ? "" : outcome->text.bytes;
    if (outcome->json) {
        text_print(text, "%s", value);
    } else {
        text_json(text, value);
    }
}
