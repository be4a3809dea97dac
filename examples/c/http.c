/*
 * A web server for one page: HTTP/1.1 with keep-alive and pipelining, and HTTP/1.0.
 *
 *     http --listen URL [--listen URL]... [--loops N]
 *
 * Then curl http://127.0.0.1:PORT/. The heads of requests are read by llhttp, the parser of Node. It is strict where two
 * readers of the same bytes could see different requests: line ends, lengths, header names. It does not see the method, because it
 * refuses those that it does not know. Its differences from Rust's parser that show: Proxy-Connection counts as Connection, several
 * blanks may stand behind the method, RTSP/1.0 is taken for HTTP/1.0, and a target that is neither a path nor a URL is a bad request
 * instead of not found.
 */
#define _POSIX_C_SOURCE 200809L

#include "http_body.h"
#include "launch.h"

#include <llhttp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char PAGE[] = "Hello, world!";
static const char BAD_REQUEST[] = "400 Bad Request";

enum {
    /* The target and the headers may have so many bytes, and there may be so many headers. */
    MAX_HEAD = 16 << 10,
    MAX_HEADERS = 64,
    /* What is kept of the method, of the target, of a header's name and of its value: more than anything here is compared with. */
    METHOD_SIZE = 16,
    TARGET_SIZE = 2048,
    NAME_SIZE = 32,
    VALUE_SIZE = 64,
    /* A client that says nothing for so long is closed. */
    IDLE_MS = 60000,
    /* Bytes that hold any response, and the responses that are written together. */
    RESPONSE_SIZE = 512,
    OUTPUT_SIZE = 32 << 10
};

/* The beginning of a text that comes in pieces. */
struct text {
    char *bytes;
    size_t size, len;
};

/* The responses to one input. */
struct output {
    reactor_server *server;
    reactor_conn conn;
    size_t len;
    bool is_refused; /* the connection takes no writes any more */
    char bytes[OUTPUT_SIZE];
};

/* What a connection remembers: the request that it is reading. */
struct client {
    llhttp_t parser;
    struct output *output; /* while an input is read */
    size_t head_len, headers, hosts;
    char last; /* the head's last byte so far */
    bool expects_continue, keep_alive;
    bool has_codings, is_chunked; /* the body comes in chunks, and so in no other coding */
    /* The method of a request has come, and the rest of its head comes; then its body. */
    bool has_method, has_head;
    struct body body;
    /* Nothing may follow: the response to what came last says so. */
    bool is_ended;
    struct text method, target, name, value;
    char method_bytes[METHOD_SIZE], target_bytes[TARGET_SIZE], name_bytes[NAME_SIZE], value_bytes[VALUE_SIZE];
};

/* ---- responses ---- */

static void text_clear(struct text *text) {
    text->len = 0;
    text->bytes[0] = '\0';
}

static bool has_the_method(const struct client *client, const char *name) {
    return strcmp(client->method.bytes, name) == 0;
}

static void flush(struct output *output) {
    if (output->len > 0 && reactor_conn_write(output->server, output->conn, (const uint8_t *)output->bytes, output->len,
                                              NULL) != REACTOR_OK) {
        output->is_refused = true;
    }
    output->len = 0;
}

/* Room for one more response. */
static char *room(struct output *output) {
    if (output->len + RESPONSE_SIZE > sizeof output->bytes) flush(output);
    return output->bytes + output->len;
}

static void respond(struct client *client, const char *status, bool keep_alive) {
    bool is_old = client->parser.http_major == 1 && client->parser.http_minor == 0;
    bool is_options = has_the_method(client, "OPTIONS");
    const char *body = strncmp(status, "200", 3) != 0 ? status : is_options ? "" : PAGE;
    bool tells_methods = is_options || strncmp(status, "405", 3) == 0;
    const char *allow = tells_methods ? "Allow: GET, HEAD, OPTIONS\r\n" : "";
    const char *connection = !keep_alive ? "Connection: close\r\n" : is_old ? "Connection: keep-alive\r\n" : "";
    const char *sent = has_the_method(client, "HEAD") ? "" : body;
    int len = snprintf(room(client->output), RESPONSE_SIZE,
                       "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n%s%s\r\n%s", status,
                       strlen(body), allow, connection, sent);
    client->output->len += (size_t)len;
}

/* Answers what ends the connection. To return from the parser's callbacks: it reads no further. */
static int refuse(struct client *client, const char *status) {
    text_clear(&client->method); /* whatever it was: the answer has its body */
    respond(client, status, false);
    client->is_ended = true;
    return -1;
}

static void ask_for_body(struct client *client) {
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    memcpy(room(client->output), go_on, sizeof go_on - 1);
    client->output->len += sizeof go_on - 1;
}

/* ---- what the parser finds, piece by piece ---- */

/* What does not fit is left out. */
static void text_add(struct text *text, const char *at, size_t len) {
    size_t free_bytes = text->size - 1 - text->len;
    if (len > free_bytes) len = free_bytes;
    memcpy(text->bytes + text->len, at, len);
    text->len += len;
    text->bytes[text->len] = '\0';
}

/* Whether it is this word, in any case. Blanks may stand behind it. */
static bool text_is(const struct text *text, const char *word) {
    size_t len = text->len;
    while (len > 0 && strchr(" \t", text->bytes[len - 1]) != NULL) len--;
    return len == strlen(word) && strncasecmp(text->bytes, word, len) == 0;
}

static int take(struct client *client, struct text *text, const char *at, size_t len) {
    client->head_len += len;
    if (client->head_len > MAX_HEAD) return refuse(client, "431 Request Header Fields Too Large");
    text_add(text, at, len);
    return 0;
}

static int on_target(llhttp_t *parser, const char *at, size_t len) {
    struct client *client = parser->data;
    return take(client, &client->target, at, len);
}

static int on_name(llhttp_t *parser, const char *at, size_t len) {
    struct client *client = parser->data;
    /* The parser lets that pass. */
    if (memchr(at, ' ', len) != NULL) return refuse(client, BAD_REQUEST);
    return take(client, &client->name, at, len);
}

static int on_value(llhttp_t *parser, const char *at, size_t len) {
    struct client *client = parser->data;
    return take(client, &client->value, at, len);
}

static int on_header(llhttp_t *parser) {
    struct client *client = parser->data;
    if (client->name.len == 0) return refuse(client, BAD_REQUEST);
    if (++client->headers > MAX_HEADERS) return refuse(client, "431 Request Header Fields Too Large");
    if (text_is(&client->name, "host")) client->hosts++;
    if (text_is(&client->name, "transfer-encoding")) {
        bool is_last = (parser->flags & F_CHUNKED) != 0;
        client->is_chunked = is_last && !client->has_codings && text_is(&client->value, "chunked");
        client->has_codings = true;
    }
    if (text_is(&client->name, "expect") && text_is(&client->value, "100-continue")) {
        client->expects_continue = true;
    }
    text_clear(&client->name);
    text_clear(&client->value);
    return 0;
}

static const char *status_of(const struct client *client) {
    const char *path = client->target.bytes;
    bool is_options = has_the_method(client, "OPTIONS");
    if (is_options && strcmp(path, "*") == 0) return "200 OK"; /* of the server as a whole */
    if (strncasecmp(path, "http://", 7) == 0) {
        /* A proxy may send the whole URL. */
        path += 7 + strcspn(path + 7, "/?");
        if (*path != '/') path = "/";
    }
    if (strcspn(path, "?") != 1 || *path != '/') return "404 Not Found";
    bool is_allowed = is_options || has_the_method(client, "GET") || has_the_method(client, "HEAD");
    return is_allowed ? "200 OK" : "405 Method Not Allowed";
}

/* The head is whole. The parser stops there, for its line ends have to be looked at before it is answered. */
static int on_head(llhttp_t *parser) {
    struct client *client = parser->data;
    client->has_head = true;
    client->keep_alive = llhttp_should_keep_alive(parser);
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_url = on_target,
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_header_value_complete = on_header,
    .on_headers_complete = on_head,
};

/* ---- the callbacks ---- */

/* Whether the lines of a head end as they have to, and none goes on in the next one. The parser lets that pass. */
static bool ends_lines_well(struct client *client, const char *data, size_t len) {
    for (size_t at = 0; at < len; at++) {
        char before = client->last;
        client->last = data[at];
        if ((before == '\r') != (data[at] == '\n')) return false;
        if (before == '\n' && (data[at] == ' ' || data[at] == '\t')) return false;
    }
    return true;
}

static void answer(struct client *client) {
    llhttp_t *parser = &client->parser;
    bool is_old = parser->http_minor == 0;
    if (parser->http_major != 1 || client->hosts > 1 || (client->hosts == 0 && !is_old) ||
        (client->has_codings && is_old)) {
        refuse(client, BAD_REQUEST);
    } else if (client->has_codings && !client->is_chunked) {
        /* A body whose end is in doubt ends the connection: what follows could be taken for requests. */
        refuse(client, "501 Not Implemented");
    } else {
        client->body = client->is_chunked ? body_in_chunks() : body_of_length(parser->content_length);
        if (client->expects_continue && !is_old && !body_is_over(&client->body)) ask_for_body(client);
        respond(client, status_of(client), client->keep_alive);
        client->is_ended = !client->keep_alive;
    }
}

static bool is_in_token(char byte) {
    bool is_letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
    return is_letter || (byte >= '0' && byte <= '9') || (byte != '\0' && strchr("!#$%&'*+-.^_`|~", byte) != NULL);
}

/* Reads as much of a method as there is, and of the empty lines in front. The parser is shown one that it knows. Returns how many
 * bytes of the input it had. */
static size_t read_method(struct client *client, const char *data, size_t len) {
    for (size_t at = 0; at < len; at++) {
        bool is_first = client->method.len == 0, is_line_end = data[at] == '\r' || data[at] == '\n';
        if (data[at] == ' ' && !is_first) {
            const char *known = has_the_method(client, "CONNECT") ? "CONNECT" : "GET";
            client->has_method = true;
            llhttp_execute(&client->parser, known, strlen(known));
            return at;
        }
        if (!ends_lines_well(client, data + at, 1) || !((is_first && is_line_end) || is_in_token(data[at]))) {
            refuse(client, BAD_REQUEST);
            return len;
        }
        if (!is_line_end && take(client, &client->method, data + at, 1) != 0) return len;
    }
    return len;
}

/* Reads as much of the rest of a head as there is, and answers it when it is whole. Returns how many bytes of the input it had. */
static size_t read_head(struct client *client, const char *data, size_t len) {
    llhttp_errno_t error = llhttp_execute(&client->parser, data, len);
    if (client->is_ended) return len;
    size_t used = error == HPE_PAUSED ? (size_t)(llhttp_get_error_pos(&client->parser) - data) : len;
    if ((error != HPE_OK && error != HPE_PAUSED) || !ends_lines_well(client, data, used)) {
        refuse(client, BAD_REQUEST);
    } else if (client->has_head) {
        answer(client);
    }
    return used;
}

/* Nobody wants the body: it is skipped when it comes. Then the next head may come. */
static size_t skip_body(struct client *client, const char *data, size_t len) {
    size_t used = 0;
    client->is_ended = !body_skip(&client->body, data, len, &used);
    return used;
}

/* What comes next is a request. */
static void begin(struct client *client) {
    client->has_method = client->has_head = false;
    client->head_len = client->headers = client->hosts = 0;
    client->expects_continue = client->has_codings = client->is_chunked = false;
    client->last = '\0';
    text_clear(&client->method);
    text_clear(&client->target);
    llhttp_reset(&client->parser);
}

/* Reads an input, and gathers the responses in client->output. */
static void read_input(struct client *client, const char *data, size_t len) {
    while (len > 0 && !client->is_ended) {
        size_t used = client->has_head     ? skip_body(client, data, len)
                      : client->has_method ? read_head(client, data, len)
                                           : read_method(client, data, len);
        data += used;
        len -= used;
        if (client->has_head && body_is_over(&client->body)) {
            begin(client);
        }
    }
}

static int32_t on_open(void *user_data, reactor_server *server, reactor_conn conn) {
    (void)user_data;
    struct client *client = calloc(1, sizeof *client);
    if (client == NULL) return REACTOR_ACTION_CLOSE;
    llhttp_init(&client->parser, HTTP_REQUEST, &settings);
    client->parser.data = client;
    client->method = (struct text){client->method_bytes, METHOD_SIZE, 0};
    client->target = (struct text){client->target_bytes, TARGET_SIZE, 0};
    client->name = (struct text){client->name_bytes, NAME_SIZE, 0};
    client->value = (struct text){client->value_bytes, VALUE_SIZE, 0};
    if (reactor_conn_set_context(server, conn, client, free) == REACTOR_OK) return REACTOR_ACTION_NONE;
    free(client);
    return REACTOR_ACTION_CLOSE;
}

static int32_t on_data(void *user_data, reactor_server *server, reactor_conn conn, const uint8_t *data, size_t len) {
    (void)user_data;
    void *context = NULL;
    if (reactor_conn_context(server, conn, &context) != REACTOR_OK || context == NULL) return REACTOR_ACTION_CLOSE;
    struct client *client = context;
    struct output output;
    output.server = server;
    output.conn = conn;
    output.len = 0;
    output.is_refused = false;
    client->output = &output;
    read_input(client, (const char *)data, len);
    flush(&output);
    client->output = NULL;
    return client->is_ended || output.is_refused ? REACTOR_ACTION_CLOSE : REACTOR_ACTION_NONE;
}

int main(int argc, char **argv) {
    struct launch launch;
    int code = EXIT_FAILURE;
    if (launch_parse(&launch, argc, argv, NULL) == 0 && launch_streams_only(&launch) == 0) {
        launch.callbacks.on_open = on_open;
        launch.callbacks.on_data = on_data;
        launch.listen.idle_ms = IDLE_MS;
        code = launch_serve(&launch);
    }
    launch_free(&launch);
    return code;
}
