/* Text that grows, and JSON in it. */
#include "subject.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void reserve(struct text *text, size_t more) {
    size_t needed = text->length + more + 1;
    if (needed <= text->capacity) return;
    text->capacity = needed * 2;
    text->bytes = realloc(text->bytes, text->capacity);
    if (text->bytes == NULL) abort();
}

void text_add(struct text *text, const void *bytes, size_t length) {
    reserve(text, length);
    if (length > 0) memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
    text->bytes[text->length] = '\0';
}

void text_print(struct text *text, const char *format, ...) {
    va_list values, again;
    va_start(values, format);
    va_copy(again, values);
    int length = vsnprintf(NULL, 0, format, values);
    if (length < 0) abort();
    reserve(text, (size_t)length);
    vsnprintf(text->bytes + text->length, (size_t)length + 1, format, again);
    text->length += (size_t)length;
    va_end(again);
    va_end(values);
}

void text_json(struct text *text, const char *string) {
    text_print(text, "\"");
    for (const char *c = string; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\') {
            text_print(text, "\\%c", *c);
        } else if ((unsigned char)*c < 0x20) {
            text_print(text, "\\u%04x", (unsigned char)*c);
        } else {
            text_add(text, c, 1);
        }
    }
    text_print(text, "\"");
}

void text_free(struct text *text) {
    free(text->bytes);
    memset(text, 0, sizeof *text);
}
