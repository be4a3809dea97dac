/*
 * A program outside the tree, in C99 and in C++11: serves echo to one client, then ends and prints the library's
 * version.
 */
#include <reactor.h>
#include <stdio.h>
#include <string.h>

static int32_t echo(void *user_data, reactor_server *server, reactor_conn conn, const uint8_t *data, size_t len) {
    (void)user_data;
    return reactor_conn_write(server, conn, data, len, NULL) == REACTOR_OK ? REACTOR_ACTION_NONE : REACTOR_ACTION_CLOSE;
}

static void stop(void *user_data, reactor_server *server, reactor_conn conn, int32_t reason, int32_t error_number) {
    (void)user_data;
    (void)conn;
    (void)reason;
    (void)error_number;
    reactor_server_stop(server);
}

static int serve(reactor_server *server) {
    char address[REACTOR_ADDRESS_CAPACITY];
    if (reactor_server_listen(server, "tcp://127.0.0.1:0") != REACTOR_OK) return 2;
    if (reactor_server_address(server, 0, address, sizeof address, NULL) != REACTOR_OK) return 3;
    printf("listening on %s\n", address);
    fflush(stdout);
    return reactor_server_run(server) == REACTOR_OK ? 0 : 4;
}

int main(void) {
    reactor_callbacks callbacks;
    reactor_server *server = NULL;
    int code;
    memset(&callbacks, 0, sizeof callbacks);
    callbacks.size = sizeof callbacks;
    callbacks.on_data = echo;
    callbacks.on_close = stop;
    if (reactor_server_new(&callbacks, NULL, &server) != REACTOR_OK) return 1;
    code = serve(server);
    if (code != 0) fprintf(stderr, "%s\n", reactor_last_error());
    reactor_server_free(server);
    printf("%s\n", reactor_version());
    return code;
}
