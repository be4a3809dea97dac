/*
 * Frames: a length of 4 bytes, the highest first, which does not count itself, and so many bytes.
 */
#ifndef FRAMES_H
#define FRAMES_H

#include <stddef.h>
#include <stdint.h>

enum {
    FRAME_HEADER = 4,
    /* The largest length, 4 MiB. */
    FRAME_MAX = 4 << 20
};

/* A number of 4 bytes, the highest first. */
static inline uint32_t frame_number(const uint8_t *data) {
    return (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
}

/*
 * Bytes of the whole frames that the input begins with. *out_need is how many bytes, header included, the frame behind
 * them has, or 0 if that cannot be told yet. FRAMES_WRONG if the first one is above the maximum.
 */
#define FRAMES_WRONG SIZE_MAX
static inline size_t frames_whole(const uint8_t *data, size_t len, size_t *out_need) {
    size_t at = 0;
    *out_need = 0;
    while (len - at >= FRAME_HEADER) {
        size_t size = frame_number(data + at);
        if (size > FRAME_MAX) return at > 0 ? at : FRAMES_WRONG;
        size += FRAME_HEADER;
        if (size > len - at) {
            *out_need = size;
            break;
        }
        at += size;
    }
    return at;
}

#endif
