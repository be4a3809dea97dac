/*
 * Sends back every byte, or datagram, and closes when the peer has closed its side and everything has been sent.
 *
 *     echo --listen URL [--listen URL]... [--loops N]
 *
 * Over TCP, UDP and Unix sockets.
 */
#include "launch.h"

#include <stdlib.h>

static int32_t on_data(void *user_data, reactor_server *server, reactor_conn conn, const uint8_t *data, size_t len) {
    (void)user_data;
    /*
     * A write is refused only if the connection is closed already, or there is no room for one more datagram, which
     * may get lost anyway. One that goes above the high-water mark needs no care here: the engine stops reading from
     * this connection until the peer has caught up.
     */
    (void)reactor_conn_write(server, conn, data, len, NULL);
    return REACTOR_ACTION_NONE;
}

int main(int argc, char **argv) {
    struct launch launch;
    int code = EXIT_FAILURE;
    if (launch_parse(&launch, argc, argv, NULL) == 0) {
        launch.callbacks.on_data = on_data;
        code = launch_serve(&launch);
    }
    launch_free(&launch);
    return code;
}
