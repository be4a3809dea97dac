// The header as C++.
#include <reactor.h>

#include <cstdint>

static std::int32_t on_start(void *, reactor_server *) { return REACTOR_ACTION_STOP; }

int main() {
    reactor_callbacks callbacks = reactor_callbacks();
    callbacks.size = sizeof callbacks;
    callbacks.on_start = on_start;
    reactor_options options = reactor_options();
    options.size = sizeof options;
    options.byte_budget = REACTOR_UNLIMITED;
    options.linger_ms = REACTOR_NO_LINGER;
    reactor_server *server = nullptr;
    if (reactor_server_new(&callbacks, &options, &server) != REACTOR_OK) return 1;
    if (reactor_server_start(server) != REACTOR_STATUS_STOPPED) return 2;
    return reactor_server_free(server) == REACTOR_OK ? 0 : 3;
}
