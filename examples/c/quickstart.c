#include <reactor.h>
#include <stdio.h>

static int32_t echo(void *user_data, reactor_server *server, reactor_conn conn, const uint8_t *data, size_t len) {
    (void)user_data;
    return reactor_conn_write(server, conn, data, len, NULL) == REACTOR_OK ? REACTOR_ACTION_NONE : REACTOR_ACTION_CLOSE;
}

int main(void) {
    static reactor_callbacks callbacks; /* zero is the default */
    callbacks.size = sizeof callbacks; callbacks.on_data = echo;
    const char *url = "tcp://:5000";
    if (reactor_serve(&callbacks, &url, 1, NULL) == REACTOR_OK) return 0;
    fprintf(stderr, "%s\n", reactor_last_error());
    return 1;
}
