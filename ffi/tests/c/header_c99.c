/* The header alone is enough, as C99. */
#include <reactor.h>

static int32_t on_start(void *user_data, reactor_server *server) {
    (void)user_data;
    (void)server;
    return REACTOR_ACTION_STOP;
}

int main(void) {
    struct reactor_callbacks callbacks = {.size = sizeof callbacks, .on_start = on_start};
    struct reactor_options options = {.size = sizeof options, .byte_budget = REACTOR_UNLIMITED};
    reactor_server *server = NULL;
    if (reactor_server_new(&callbacks, &options, &server) != REACTOR_OK) return 1;
    if (reactor_server_start(server) != REACTOR_STATUS_STOPPED) return 2;
    return reactor_server_free(server) == REACTOR_OK ? 0 : 3;
}
