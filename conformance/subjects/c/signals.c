/* Signals that stop the server. */
#define _POSIX_C_SOURCE 200809L
#include "subject.h"

#include <signal.h>

/* For the handler, which can be given nothing. */
static reactor_server *signalled;

static void on_signal(int number) {
    (void)number;
    reactor_server_stop_from_signal(signalled);
}

static void handle(void (*handler)(int)) {
    struct sigaction action = {.sa_handler = handler};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

void signals_begin(reactor_server *server) {
    signalled = server;
    handle(on_signal);
}

void signals_end(void) {
    if (signalled != NULL) handle(SIG_IGN);
}
