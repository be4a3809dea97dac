/*
 * What every server here does around its loop: COMMAND KIND URL, the descriptor limit, the signals, and the one line
 * that says where it listens. One thread; nothing here is called from another.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

enum {
    /* Connections that the kernel queues: a thousand clients connect at once. net.core.somaxconn caps it. */
    BACKLOG = 4096,
    /* What a server returns for a kind that it does not offer. */
    EXIT_NOT_OFFERED = 2
};

/* The longest queue of unsent bytes where no sender can be stopped, as in a broadcast: who has more is dropped. */
static const size_t OVERFLOW_BYTES = (size_t)64 << 20;

struct address {
    struct sockaddr_storage name;
    socklen_t len;
};

struct kind {
    const char *name; /* NULL ends a list of kinds */
    /* Serves until a signal ends the process; returns -1 if it cannot, after it has said so with program_fail(). */
    int (*serve)(const struct address *address);
};

/*
 * main() of a server. The scheme of the URL is tcp:// with a numeric IPv4 address and a port, udp:// likewise for the
 * kind udp, or unix:///path, for those that accept it. SIGPIPE is ignored; SIGTERM and SIGINT end the process at
 * once, with exit code 0, after the path of a Unix socket is removed.
 */
int program_main(int argc, char **argv, const struct kind *kinds, bool offers_unix);

/* Says on stderr what failed, with the system's reason, and returns -1. */
int program_fail(const char *what);

/* Says where a bound socket listens, on stdout. Returns 0, or -1. */
int program_announce(int descriptor);

/* A bound socket, listening if it is not one for datagrams, of the given extra flags (SOCK_NONBLOCK). Or -1. */
int program_bind(const struct address *address, int type);

/* How many descriptors this process may have: each is a number below it. */
size_t program_descriptors(void);

#endif
