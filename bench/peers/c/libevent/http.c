/* The kind http: libevent's own server, evhttp. */
#include "servers.h"

#include <event2/buffer.h>
#include <event2/http.h>

static void on_root(struct evhttp_request *request, void *unused) {
    (void)unused;
    evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type", "text/plain");
    evbuffer_add_printf(evhttp_request_get_output_buffer(request), "Hello, world!");
    evhttp_send_reply(request, HTTP_OK, "OK", NULL);
}

int http_serve(const struct address *address) {
    struct evconnlistener *listener = servers_listen(address, NULL);
    if (listener == NULL) return -1;
    struct evhttp *http = evhttp_new(evconnlistener_get_base(listener));
    if (http == NULL || evhttp_bind_listener(http, listener) == NULL) return program_fail("evhttp");
    evhttp_set_cb(http, "/", on_root, NULL);
    evhttp_set_allowed_methods(http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
    return servers_run(listener);
}
