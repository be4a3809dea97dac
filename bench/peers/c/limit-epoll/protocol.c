/* The protocols that need no state: echo, frames, answers, broadcast. */
#include "protocol.h"

#include "frames.h"

#include <stdlib.h>
#include <string.h>

uint8_t *text_extend(struct text *text, size_t len) {
    if (text->len + len > text->capacity) {
        text->capacity = 2 * (text->len + len);
        text->data = realloc(text->data, text->capacity);
        if (text->data == NULL) abort();
    }
    uint8_t *room = text->data + text->len;
    text->len += len;
    return room;
}

static size_t take_all(const uint8_t *data, size_t len, struct reply *reply) {
    reply->data = data;
    reply->len = len;
    return len;
}

const struct protocol echo = {.take = take_all};
const struct protocol broadcast = {.take = take_all, .to_everybody = true};

/* A frame goes back as it came, so all whole ones leave from where they lie. */
static size_t take_frames(const uint8_t *data, size_t len, struct reply *reply) {
    reply->data = data;
    size_t whole = frames_whole(data, len, &reply->need);
    if (whole != FRAMES_WRONG) reply->len = whole;
    return whole;
}

const struct protocol frames = {.take = take_frames};

static bool answer(struct text *replies, const uint8_t *body, size_t len) {
    if (len < 5) return false;
    size_t wanted = frame_number(body);
    if (wanted > FRAME_MAX) return false;
    uint8_t *frame = text_extend(replies, FRAME_HEADER + wanted);
    memcpy(frame, body, FRAME_HEADER);
    memset(frame + FRAME_HEADER, body[4], wanted);
    return true;
}

static size_t take_answers(const uint8_t *data, size_t len, struct reply *reply) {
    static struct text replies;
    size_t at = 0;
    bool is_right = true;
    replies.len = 0;
    while (is_right && len - at >= FRAME_HEADER && replies.len < REPLY_LARGE) {
        size_t size = frame_number(data + at);
        if (size <= FRAME_MAX && size > len - at - FRAME_HEADER) {
            reply->need = FRAME_HEADER + size;
            break;
        }
        is_right = size <= FRAME_MAX && answer(&replies, data + at + FRAME_HEADER, size);
        at += FRAME_HEADER + size;
    }
    reply->data = replies.data;
    reply->len = replies.len;
    return is_right ? at : TAKE_WRONG;
}

const struct protocol answers = {.take = take_answers};
