/* Framings as text, and what of a frame is a command. */
#include "subject.h"

#include <stdlib.h>
#include <string.h>

/* `5:hello`: decimal digits, a colon, and that many bytes. */
static ptrdiff_t measure(void *user_data, const uint8_t *data, size_t length) {
    (void)user_data;
    if (data[0] < '0' || data[0] > '9') return -1;
    const uint8_t *colon = memchr(data, ':', length);
    if (colon == NULL) return 0;
    return colon + 1 - data + (ptrdiff_t)strtoul((const char *)data, NULL, 10);
}

/* `WIDTH:ORDER` or `WIDTH:ORDER:OFFSET:ADJUST:STRIP`. */
static reactor_status length_field(const char *parts, size_t max, reactor_framing **out_framing) {
    reactor_length_field field = {.size = sizeof field};
    char *rest;
    field.width = strncmp(parts, "varint", 6) == 0 ? REACTOR_WIDTH_VARINT : (uint32_t)strtoul(parts, NULL, 10);
    const char *order = strchr(parts, ':');
    field.order = order != NULL && strncmp(order, ":little", 7) == 0 ? REACTOR_BYTE_ORDER_LITTLE : REACTOR_BYTE_ORDER_BIG;
    const char *offset = order == NULL ? NULL : strchr(order + 1, ':');
    if (offset != NULL) {
        field.offset = strtoul(offset + 1, &rest, 10);
        field.adjustment = *rest == ':' ? strtoll(rest + 1, &rest, 10) : 0;
        bool header = strcmp(rest, ":header") == 0 || *rest == '\0';
        size_t strip = header ? 0 : strtoul(rest + 1, NULL, 10);
        field.strip = !header && strip == 0 ? REACTOR_STRIP_NOTHING : strip;
    }
    return reactor_framing_length_field(&field, max, out_framing);
}

/* `HEX`, or several of them, `HEX+HEX`. */
static reactor_status delimiter(char *hex, size_t max, reactor_framing **out_framing) {
    struct iovec all[8];
    size_t count = 0;
    for (char *one = strtok(hex, "+"); one != NULL && count < 8; one = strtok(NULL, "+"), count++) {
        all[count].iov_base = hex_bytes(one, &all[count].iov_len);
    }
    reactor_status status = count == 1 ? reactor_framing_delimiter(all->iov_base, all->iov_len, max, out_framing)
                                       : reactor_framing_delimiters(all, count, max, out_framing);
    while (count > 0) free(all[--count].iov_base);
    return status;
}

/* Takes a setting off the end of a spec, if it is there. */
static uint32_t take_setting(char *spec, const char *name, uint32_t setting) {
    size_t length = strlen(spec), size = strlen(name);
    if (length < size || strcmp(spec + length - size, name) != 0) return 0;
    spec[length - size] = '\0';
    return setting;
}

/* Without the maximum and the settings. */
static reactor_status make(char *spec, size_t max, reactor_framing **out_framing) {
    if (strcmp(spec, "line") == 0) return reactor_framing_line(max, out_framing);
    if (strcmp(spec, "custom") == 0) return reactor_framing_custom(measure, NULL, NULL, max, out_framing);
    if (strncmp(spec, "fixed:", 6) == 0) return reactor_framing_fixed(strtoul(spec + 6, NULL, 10), max, out_framing);
    if (strcmp(spec, "resp") == 0) return reactor_framing_resp(0, max, out_framing);
    if (strncmp(spec, "resp:", 5) == 0) return reactor_framing_resp(strtoul(spec + 5, NULL, 10), max, out_framing);
    if (strncmp(spec, "length:", 7) == 0) return length_field(spec + 7, max, out_framing);
    if (strncmp(spec, "delimiter:", 10) == 0) return delimiter(spec + 10, max, out_framing);
    complain("unknown framing", spec);
    return REACTOR_OK;
}

reactor_status framing_parse(const char *spec, reactor_framing **out_framing, enum frames *out_frames) {
    *out_framing = NULL;
    *out_frames = strcmp(spec, "none") == 0 ? STREAM : strncmp(spec, "custom", 6) == 0 ? CUSTOM : PLAIN;
    if (*out_frames == STREAM) return REACTOR_OK;
    const char *max = strstr(spec, ":max=");
    struct text kind = {0};
    text_add(&kind, spec, max == NULL ? strlen(spec) : (size_t)(max - spec));
    uint32_t settings = take_setting(kind.bytes, ":keep", REACTOR_FRAMING_KEEP_DELIMITER);
    settings |= take_setting(kind.bytes, ":rest", REACTOR_FRAMING_DELIVER_REST);
    reactor_framing *plain = NULL;
    reactor_status status = make(kind.bytes, max == NULL ? 0 : strtoul(max + 5, NULL, 10), &plain);
    if (status == REACTOR_OK && plain != NULL) status = reactor_framing_with(plain, settings, out_framing);
    reactor_framing_free(plain);
    text_free(&kind);
    return status;
}

const uint8_t *frame_payload(enum frames frames, const uint8_t *frame, size_t *length) {
    const uint8_t *colon = frames == CUSTOM ? memchr(frame, ':', *length) : NULL;
    if (colon != NULL) {
        *length -= (size_t)(colon + 1 - frame);
        frame = colon + 1;
    }
    while (*length > 0 && strchr(" \r\n\t", frame[*length - 1]) != NULL && frame[*length - 1] != '\0') --*length;
    return frame;
}
