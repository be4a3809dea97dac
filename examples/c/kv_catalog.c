#include "kv_commands.h"

#include <stdio.h>
#include <string.h>

/* COMMAND: what there is, for clients that look where keys stand. As Redis 7 tells it. */

static size_t count_of(const struct command *commands) {
    size_t count = 0;
    while (commands != NULL && commands[count].arity != 0) count++;
    return count;
}

/* A set of the words, each as this kind of reply. */
static void reply_words(struct replies *replies, const char *words, void (*reply)(struct replies *, const char *)) {
    char word[64];
    size_t count = 0;
    for (const char *at = words; *at != '\0'; at++) count += *at != ' ' && (at[1] == ' ' || at[1] == '\0');
    reply_set(replies, count);
    for (const char *at = words; *at != '\0'; at += strspn(at, " ")) {
        size_t len = strcspn(at, " ");
        snprintf(word, sizeof word, "%.*s", (int)len, at);
        reply(replies, word);
        at += len;
    }
}

static void reply_number(struct replies *replies, const char *field, int value) {
    reply_text(replies, field);
    reply_integer(replies, value);
}

/* A step on the way to the keys: so many numbers follow. */
static void search(struct replies *replies, const char *field, const char *kind, size_t numbers) {
    reply_text(replies, field);
    reply_map(replies, 2);
    reply_pair(replies, "type", kind);
    reply_text(replies, "spec");
    reply_map(replies, numbers);
}

/* Where keys stand, in the words of Redis 7: where to begin, and how to go on from there. */
static void specify(struct replies *replies, const struct keys *keys) {
    bool has_notes = keys->notes[0] != '\0';
    reply_map(replies, has_notes ? 4 : 3);
    if (has_notes) reply_pair(replies, "notes", keys->notes);
    reply_text(replies, "flags");
    reply_words(replies, keys->flags, reply_simple);
    search(replies, "begin_search", "index", 1);
    reply_number(replies, "index", keys->first);
    search(replies, "find_keys", "range", 3);
    /* The last one is counted from the first, or from the end if negative. */
    reply_number(replies, "lastkey", keys->last < 0 ? keys->last : keys->last - keys->first);
    reply_number(replies, "keystep", keys->step);
    reply_number(replies, "limit", 0);
}

static void describe(struct replies *replies, const struct command *command) {
    const struct keys *keys = &command->keys;
    size_t subcommands = count_of(command->subcommands);
    reply_array(replies, 10);
    reply_text(replies, command->name);
    reply_integer(replies, command->arity);
    reply_words(replies, command->flags, reply_simple);
    reply_integer(replies, keys->first);
    reply_integer(replies, keys->last);
    reply_integer(replies, keys->step);
    reply_words(replies, command->categories, reply_simple);
    reply_words(replies, command->tips, reply_text);
    reply_set(replies, keys->first > 0);
    if (keys->first > 0) specify(replies, keys);
    if (subcommands == 0) reply_set(replies, 0);
    if (subcommands > 0) reply_array(replies, subcommands);
    for (size_t i = 0; i < subcommands; i++) describe(replies, &command->subcommands[i]);
}

/* Also COMMAND INFO without names: all of them. */
const char *kv_command(struct call *call) {
    size_t count = count_of(COMMANDS);
    reply_array(call->replies, count);
    for (size_t i = 0; i < count; i++) describe(call->replies, &COMMANDS[i]);
    return NULL;
}

/* The command of this name; "client|id" names a subcommand. */
static const struct command *named(struct bytes name) {
    const uint8_t *bar = memchr(name.data, '|', name.len);
    if (bar == NULL) return command_named(name);
    size_t len = (size_t)(bar - name.data);
    const struct command *command = command_named((struct bytes){name.data, len});
    return command == NULL ? NULL : subcommand_named(command, (struct bytes){bar + 1, name.len - len - 1});
}

const char *kv_command_info(struct call *call) {
    size_t count = call->request->count;
    if (count == 2) return kv_command(call);
    reply_array(call->replies, count - 2);
    for (size_t i = 2; i < count; i++) {
        const struct command *command = named(arg(call, i));
        if (command == NULL) {
            reply_null(call->replies);
        } else {
            describe(call->replies, command);
        }
    }
    return NULL;
}

const char *kv_command_count(struct call *call) {
    reply_integer(call->replies, (int64_t)count_of(COMMANDS));
    return NULL;
}

const char *kv_command_list(struct call *call) {
    if (call->request->count > 2) return SYNTAX;
    size_t count = count_of(COMMANDS), all = count;
    for (size_t i = 0; i < count; i++) all += count_of(COMMANDS[i].subcommands);
    reply_array(call->replies, all);
    for (size_t i = 0; i < count; i++) {
        const struct command *subcommands = COMMANDS[i].subcommands;
        reply_text(call->replies, COMMANDS[i].name);
        for (size_t j = 0; j < count_of(subcommands); j++) reply_text(call->replies, subcommands[j].name);
    }
    return NULL;
}

/* Nothing is known of any. */
const char *kv_command_docs(struct call *call) {
    reply_map(call->replies, 0);
    return NULL;
}
