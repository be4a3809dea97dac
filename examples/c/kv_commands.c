#include "kv_commands.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* ---- what can be wrong ---- */

const char SYNTAX[] = "syntax error";
const char NOT_AN_INTEGER[] = "value is not an integer or out of range";
const char NO_MEMORY[] = "out of memory";

const char *wrong_number(struct call *call) {
    snprintf(call->error, sizeof call->error, "wrong number of arguments for '%s' command", call->name);
    return call->error;
}

const char *invalid_expire(struct call *call) {
    snprintf(call->error, sizeof call->error, "invalid expire time in '%s' command", call->name);
    return call->error;
}

int at_most(struct bytes bytes, size_t room) { return (int)(bytes.len < room ? bytes.len : room); }

/* Quotes at most 128 bytes of the name and about as many of the arguments. */
static const char *unknown(struct call *call) {
    enum { QUOTED = 128 };
    struct bytes name = arg(call, 0);
    size_t size = sizeof call->error;
    size_t len = (size_t)snprintf(call->error, size, "unknown command '%.*s', with args beginning with: ",
                                  at_most(name, QUOTED), (const char *)name.data);
    size_t begin = len;
    for (size_t i = 1; i < call->request->count && len - begin < QUOTED; i++) {
        struct bytes next = arg(call, i);
        len += (size_t)snprintf(call->error + len, size - len, "'%.*s' ", at_most(next, QUOTED - (len - begin)),
                                (const char *)next.data);
    }
    return call->error;
}

static const char *unknown_subcommand(struct call *call) {
    struct bytes name = arg(call, 0), given = arg(call, 1);
    char upper[COMMAND_NAME_SIZE] = {0};
    for (size_t i = 0; i < name.len; i++) upper[i] = (char)toupper(name.data[i]);
    snprintf(call->error, sizeof call->error, "unknown subcommand '%.*s'. Try %s HELP.", at_most(given, 128),
             (const char *)given.data, upper);
    return call->error;
}

/* ---- words and numbers ---- */

char lower(uint8_t byte) { return (char)(byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte); }

bool is_word(struct bytes bytes, const char *word) {
    size_t i = 0;
    while (i < bytes.len && word[i] != '\0' && lower(bytes.data[i]) == word[i]) i++;
    return i == bytes.len && word[i] == '\0';
}

bool parse_integer(struct bytes bytes, int64_t *out_value) {
    bool is_negative = bytes.len > 0 && bytes.data[0] == '-';
    size_t i = is_negative, digits = bytes.len - i;
    uint64_t value = 0, limit = (uint64_t)INT64_MAX + is_negative;
    if (digits == 0 || digits > 19) return false; /* 19 digits fit 64 bits without a sign */
    if (bytes.data[i] == '0' && bytes.len > 1) return false;
    for (; i < bytes.len; i++) {
        if (bytes.data[i] < '0' || bytes.data[i] > '9') return false;
        value = value * 10 + (uint64_t)(bytes.data[i] - '0');
    }
    if (value > limit) return false;
    /* Without a step outside the range. */
    *out_value = is_negative ? -(int64_t)(value - 1) - 1 : (int64_t)value;
    return true;
}

/* ---- requests ---- */

static bool fits(int arity, size_t count) { return arity < 0 ? count >= (size_t)-arity : count == (size_t)arity; }

/* The command or subcommand that a request is for; NULL, and what is wrong. */
static const struct command *asked(struct call *call, const char **out_wrong) {
    size_t count = call->request->count;
    const struct command *found = command_named(arg(call, 0));
    *out_wrong = found == NULL ? unknown(call) : NULL;
    if (found != NULL && found->subcommands != NULL && count > 1) {
        found = subcommand_named(found, arg(call, 1));
        *out_wrong = found == NULL ? unknown_subcommand(call) : NULL;
    }
    if (found == NULL) return NULL;
    call->name = found->name;
    if (fits(found->arity, count)) return found;
    *out_wrong = wrong_number(call);
    return NULL;
}

void execute(const struct request *request, struct session *session, struct replies *replies) {
    struct call call; /* most never need the room for an error, so it is not filled with zeroes */
    const char *wrong;
    call.request = request;
    call.session = session;
    call.replies = replies;
    const struct command *command = asked(&call, &wrong);
    if (command != NULL) {
        wrong = transaction_gathers(&call, command) ? NULL : command->run(&call);
    } else if (is_word(argument(request, 0), "exec")) {
        transaction_abort(&call, wrong);
        return;
    } else {
        transaction_spoil(&replies->peer->transaction);
    }
    if (wrong == NULL) return;
    char text[sizeof call.error + 4];
    snprintf(text, sizeof text, "ERR %s", wrong);
    reply_error(replies, text);
}
