#include "backlog.h"

#include <stdlib.h>
#include <string.h>

struct backlog **backlogs;

static void *or_abort(void *memory) {
    if (memory == NULL) abort();
    return memory;
}

void backlogs_begin(size_t descriptors) { backlogs = or_abort(calloc(descriptors, sizeof(struct backlog *))); }

struct backlog *backlog_of(int descriptor) {
    if (backlogs[descriptor] == NULL) backlogs[descriptor] = or_abort(calloc(1, sizeof(struct backlog)));
    return backlogs[descriptor];
}

void backlog_drop(int descriptor) {
    struct backlog *backlog = backlogs[descriptor];
    if (backlog == NULL) return;
    free(backlog->output.data);
    free(backlog->input.data);
    free(backlog);
    backlogs[descriptor] = NULL;
}

void backlog_trim(int descriptor) {
    const struct backlog *backlog = backlogs[descriptor];
    if (backlog != NULL && backlog->output.len == 0 && backlog->input.len == 0) backlog_drop(descriptor);
}

void queue_reserve(struct queue *queue, size_t capacity) {
    if (queue->at > 0) {
        queue->len -= queue->at;
        memmove(queue->data, queue->data + queue->at, queue->len);
        queue->at = 0;
    }
    if (capacity <= queue->capacity) return;
    queue->data = or_abort(realloc(queue->data, capacity));
    queue->capacity = capacity;
}

void queue_append(struct queue *queue, const uint8_t *data, size_t len) {
    if (queue->len + len > queue->capacity) {
        size_t waiting = queue->len - queue->at + len;
        /* The first takes what it needs; the further ones come in numbers. */
        queue_reserve(queue, queue->capacity == 0 ? waiting : 2 * waiting);
    }
    memcpy(queue->data + queue->len, data, len);
    queue->len += len;
}

void queue_consume(struct queue *queue, size_t len) {
    queue->at += len;
    if (queue->at < queue->len) return;
    free(queue->data);
    *queue = (struct queue){0};
}
