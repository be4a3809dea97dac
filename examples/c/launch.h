/*
 * What every example does around its callbacks: the command line, the addresses, the signals.
 */
#ifndef LAUNCH_H
#define LAUNCH_H

#include <reactor.h>
#include <stddef.h>

/* A flag that one example has of its own, with a value: into text, or as a number into number. The other is NULL. */
struct launch_flag {
    const char *name;
    const char **text;
    size_t *number;
};

/* What to serve, and how. Strings point into argv. */
struct launch {
    const char **urls;
    size_t url_count;
    reactor_callbacks callbacks;
    reactor_options options;
    reactor_listen_options listen;
};

/*
 * Reads --listen URL [--listen URL]... [--loops N] and the example's own flags, which end with one without a name and
 * may be NULL. Returns 0, or -1 after it has said what is wrong. launch_free() releases, in either case.
 */
int launch_parse(struct launch *launch, int argc, char **argv, const struct launch_flag *own);

/* For protocols that need a connection: -1, after it has said so, if one of the addresses takes datagrams. */
int launch_streams_only(const struct launch *launch);

/*
 * Serves until a signal ends it. Returns what main() has to. The first SIGINT or SIGTERM lets connections finish for
 * a second, a further one ends them at once.
 */
int launch_serve(const struct launch *launch);

void launch_free(struct launch *launch);

/* Says on one line of stderr what is wrong, whatever the quoted text contains, and returns -1. */
int launch_fail(const char *format, ...);

#endif
