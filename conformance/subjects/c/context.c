/* What a connection carries. */
#include "subject.h"

#include <stdlib.h>

struct context *context_new(const char *text, enum frames frames) {
    struct context *context = allocate(sizeof *context);
    *context = (struct context){.text = text == NULL ? NULL : copy_string(text), .frames = frames};
    return context;
}

void context_destroy(void *argument) {
    struct context *context = argument;
    if (context->text != NULL) event_context_destroyed(context->text);
    free(context->text);
    free(context);
}
