/* Text that grows, JSON in it, and text taken apart. */
#define _POSIX_C_SOURCE 200809L
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

void text_hex(struct text *text, const uint8_t *bytes, size_t length) {
    static const char digits[] = "0123456789abcdef";
    text_add(text, "", 0);
    for (size_t i = 0; i < length; i++) {
        text_add(text, (char[]){digits[bytes[i] >> 4], digits[bytes[i] & 15]}, 2);
    }
}

void text_free(struct text *text) {
    free(text->bytes);
    memset(text, 0, sizeof *text);
}

void take_word(const char **rest, char word[WORD]) {
    size_t length = strcspn(*rest, " ");
    snprintf(word, WORD, "%.*s", (int)length, *rest);
    *rest += length;
    if (**rest == ' ') ++*rest;
}

uint64_t take_number(const char **rest) {
    char word[WORD];
    take_word(rest, word);
    return strtoull(word, NULL, 10);
}

void *allocate(size_t size) {
    void *memory = calloc(1, size + 1);
    if (memory == NULL) abort();
    return memory;
}

char *copy_string(const char *string) {
    size_t length = strlen(string);
    return memcpy(allocate(length), string, length);
}

uint8_t *pattern_bytes(size_t length) {
    uint8_t *bytes = allocate(length);
    for (size_t i = 0; i < length; i++) bytes[i] = (uint8_t)(i % 251);
    return bytes;
}

uint8_t *hex_bytes(const char *hex, size_t *out_length) {
    *out_length = strlen(hex) / 2;
    uint8_t *bytes = allocate(*out_length);
    for (size_t i = 0; i < *out_length; i++) {
        char pair[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        bytes[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return bytes;
}
