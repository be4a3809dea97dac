#define _POSIX_C_SOURCE 200809L

#include "kv_commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The Redis whose ways these are. */
static const char VERSION[] = "7.0.0";

/* ---- who the client is ---- */

static const char WRONG_PASS[] = "WRONGPASS invalid username-password pair or user is disabled.";
static const char NO_NAME[] = "Client names cannot contain spaces, newlines or special characters.";

/* The only user, whom any password lets in. */
static bool is_default_user(struct bytes user) { return user.len == 7 && memcmp(user.data, "default", 7) == 0; }

static bool is_name(struct bytes name) {
    if (name.len >= PEER_NAME_SIZE) return false;
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] < '!' || name.data[i] > '~') return false;
    }
    return true;
}

static void set_name(struct peer *peer, struct bytes name) {
    if (name.len > 0) memcpy(peer->name, name.data, name.len);
    peer->name[name.len] = '\0';
}

/* The options of HELLO. What is wrong, or *out_is_refused if that was answered. */
static const char *introduce(struct call *call, struct bytes *out_name, bool *out_is_refused) {
    struct bytes user = {(const uint8_t *)"default", 7};
    size_t count = call->request->count;
    for (size_t at = 2; at < count;) {
        size_t left = count - at - 1;
        if (left >= 2 && is_word(arg(call, at), "auth")) {
            user = arg(call, at + 1);
            at += 3;
        } else if (left >= 1 && is_word(arg(call, at), "setname")) {
            *out_name = arg(call, at + 1);
            at += 2;
        } else {
            struct bytes option = arg(call, at);
            snprintf(call->error, sizeof call->error, "Syntax error in HELLO option '%.*s'", at_most(option, 128),
                     (const char *)option.data);
            return call->error;
        }
    }
    *out_is_refused = !is_default_user(user);
    if (*out_is_refused) reply_error(call->replies, WRONG_PASS);
    return out_name->data == NULL || is_name(*out_name) ? NULL : NO_NAME;
}

/* Chooses the version of the protocol, and may say who the client is. */
const char *kv_hello(struct call *call) {
    struct replies *replies = call->replies;
    int64_t version = replies->protocol;
    struct bytes name = {NULL, 0};
    bool is_refused = false;
    if (call->request->count > 1 && !parse_integer(arg(call, 1), &version)) {
        return "Protocol version is not an integer or out of range";
    }
    if (version != 2 && version != 3) {
        reply_error(replies, "NOPROTO unsupported protocol version");
        return NULL;
    }
    const char *wrong = introduce(call, &name, &is_refused);
    if (wrong != NULL || is_refused) return is_refused ? NULL : wrong;
    if (name.data != NULL) set_name(replies->peer, name);
    replies->protocol = (int)version;
    reply_map(replies, 7);
    reply_pair(replies, "server", "redis");
    reply_pair(replies, "version", VERSION);
    reply_text(replies, "proto");
    reply_integer(replies, version);
    reply_text(replies, "id");
    reply_integer(replies, replies->peer->id);
    reply_pair(replies, "mode", "standalone");
    reply_pair(replies, "role", "master");
    reply_text(replies, "modules");
    reply_array(replies, 0);
    return NULL;
}

const char *kv_auth(struct call *call) {
    if (call->request->count > 3) return SYNTAX;
    if (call->request->count == 2) {
        return "AUTH <password> called without any password configured for the default user. "
               "Are you sure your configuration is correct?";
    }
    if (is_default_user(arg(call, 1))) {
        reply_simple(call->replies, "OK");
    } else {
        reply_error(call->replies, WRONG_PASS);
    }
    return NULL;
}

const char *kv_client_id(struct call *call) {
    reply_integer(call->replies, call->replies->peer->id);
    return NULL;
}

const char *kv_client_setname(struct call *call) {
    if (!is_name(arg(call, 2))) return NO_NAME;
    set_name(call->replies->peer, arg(call, 2));
    reply_simple(call->replies, "OK");
    return NULL;
}

const char *kv_client_getname(struct call *call) {
    const char *name = call->replies->peer->name;
    if (name[0] == '\0') {
        reply_null(call->replies);
    } else {
        reply_text(call->replies, name);
    }
    return NULL;
}

const char *kv_client_setinfo(struct call *call) {
    reply_simple(call->replies, "OK");
    return NULL;
}

/* ---- the connection and the server ---- */

const char *kv_ping(struct call *call) {
    if (call->request->count > 2) return wrong_number(call);
    if (call->request->count == 2) {
        reply_bulk(call->replies, arg(call, 1));
    } else {
        reply_simple(call->replies, "PONG");
    }
    return NULL;
}

const char *kv_echo(struct call *call) {
    reply_bulk(call->replies, arg(call, 1));
    return NULL;
}

const char *kv_quit(struct call *call) {
    reply_simple(call->replies, "OK");
    call->replies->next = NEXT_CLOSE;
    return NULL;
}

const char *kv_select(struct call *call) {
    int64_t index;
    if (!parse_integer(arg(call, 1), &index)) return NOT_AN_INTEGER;
    if (index != 0) return "DB index is out of range";
    reply_simple(call->replies, "OK");
    return NULL;
}

/* Clients ask for these when they connect. */
static const char *const SETTINGS[][2] = {{"appendonly", "no"}, {"databases", "1"}, {"maxmemory", "0"}, {"save", ""}};
enum { SETTING_COUNT = sizeof SETTINGS / sizeof *SETTINGS };

static bool is_asked(const struct call *call, const char *name) {
    struct bytes text = {(const uint8_t *)name, strlen(name)};
    for (size_t i = 2; i < call->request->count; i++) {
        if (is_word(arg(call, i), name) || glob_matches(arg(call, i), text)) return true;
    }
    return false;
}

const char *kv_config_get(struct call *call) {
    bool asked[SETTING_COUNT];
    size_t count = 0;
    for (size_t i = 0; i < SETTING_COUNT; i++) count += asked[i] = is_asked(call, SETTINGS[i][0]);
    reply_map(call->replies, count);
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        if (asked[i]) reply_pair(call->replies, SETTINGS[i][0], SETTINGS[i][1]);
    }
    return NULL;
}

const char *kv_info(struct call *call) {
    size_t keys, expiring;
    char text[512];
    session_count(call->session, &keys, &expiring);
    size_t len = (size_t)snprintf(text, sizeof text,
                                  "# Server\r\nredis_version:%s\r\nredis_mode:standalone\r\nprocess_id:%ld\r\n"
                                  "uptime_in_seconds:%" PRId64 "\r\n\r\n# Keyspace\r\n",
                                  VERSION, (long)getpid(), store_age(call->session->store) / 1000);
    if (keys > 0) snprintf(text + len, sizeof text - len, "db0:keys=%zu,expires=%zu,avg_ttl=0\r\n", keys, expiring);
    reply_text(call->replies, text);
    return NULL;
}
