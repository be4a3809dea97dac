#define _POSIX_C_SOURCE 200809L

#include "launch.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GRACE_MS = 1000 };

static const char *program = "example";

int launch_fail(const char *format, ...) {
    char text[1024];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    for (char *c = text; *c != '\0'; c++) {
        if (iscntrl((unsigned char)*c)) *c = ' ';
    }
    fprintf(stderr, "%s: %s\n", program, text);
    return -1;
}

/* ---- the command line ---- */

static int parse_number(const char *name, const char *text, size_t *number) {
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end != '\0' || errno != 0 || value > SIZE_MAX) {
        return launch_fail("--%s: \"%s\" is not a number", name, text);
    }
    *number = (size_t)value;
    return 0;
}

/* The flags that all examples have, and then those of its own; getopt_long() answers with the index plus one. */
enum { LISTEN = 1, LOOPS, FIRST_OWN, MAX_FLAGS = 8 };

static void name_flags(const struct launch_flag *own, struct option *options) {
    options[0] = (struct option){"listen", required_argument, NULL, LISTEN};
    options[1] = (struct option){"loops", required_argument, NULL, LOOPS};
    int next = FIRST_OWN;
    for (; own != NULL && own->name != NULL && next < MAX_FLAGS; own++, next++) {
        options[next - 1] = (struct option){own->name, required_argument, NULL, next};
    }
    options[next - 1] = (struct option){NULL, 0, NULL, 0};
}

static int take(struct launch *launch, int flag, const struct launch_flag *own) {
    switch (flag) {
        case LISTEN: launch->urls[launch->url_count++] = optarg; return 0;
        case LOOPS: return parse_number("loops", optarg, &launch->options.loops);
        default: break;
    }
    own += flag - FIRST_OWN;
    if (own->number != NULL) return parse_number(own->name, optarg, own->number);
    *own->text = optarg;
    return 0;
}

static int parse_flags(struct launch *launch, int argc, char **argv, const struct launch_flag *own) {
    struct option options[MAX_FLAGS];
    name_flags(own, options);
    opterr = 0; /* the messages are ours */
    for (;;) {
        const char *word = optind < argc ? argv[optind] : "";
        int flag = getopt_long(argc, argv, "+:", options, NULL);
        if (flag == ':') return launch_fail("%s needs a value", word);
        if (flag == '?') return launch_fail("wrong flag \"%s\"", word);
        if (flag == -1) break;
        if (take(launch, flag, own) != 0) return -1;
    }
    if (optind < argc) return launch_fail("unexpected argument \"%s\"", argv[optind]);
    if (launch->url_count == 0) return launch_fail("--listen URL is missing");
    return 0;
}

int launch_parse(struct launch *launch, int argc, char **argv, const struct launch_flag *own) {
    const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    if (argc > 0) program = slash == NULL ? argv[0] : slash + 1;
    *launch = (struct launch){.callbacks = {.size = sizeof launch->callbacks},
                              .options = {.size = sizeof launch->options},
                              .listen = {.size = sizeof launch->listen}};
    launch->urls = calloc((size_t)argc + 1, sizeof *launch->urls);
    if (launch->urls == NULL) return launch_fail("out of memory");
    return parse_flags(launch, argc, argv, own);
}

int launch_streams_only(const struct launch *launch) {
    for (size_t i = 0; i < launch->url_count; i++) {
        if (strncmp(launch->urls[i], "udp", 3) == 0) {
            return launch_fail("\"%s\": this example speaks over connections, not datagrams", launch->urls[i]);
        }
    }
    return 0;
}

void launch_free(struct launch *launch) {
    free(launch->urls);
    launch->urls = NULL;
}

/* ---- the server ---- */

static int serve(reactor_server *server, const struct launch *launch) {
    for (size_t i = 0; i < launch->url_count; i++) {
        reactor_listener listener;
        char address[REACTOR_ADDRESS_CAPACITY];
        reactor_status status = reactor_server_listen_with(server, launch->urls[i], &launch->listen, &listener);
        if (status == REACTOR_STATUS_WRONG_STATE) return 0; /* a signal came: that is a good end, too */
        if (status != REACTOR_OK ||
            reactor_server_listener_address(server, listener, address, sizeof address, NULL) != REACTOR_OK) {
            return launch_fail("%s", reactor_last_error());
        }
        printf("listening on %s\n", address);
        if (fflush(stdout) != 0) return launch_fail("cannot say where it listens");
    }
    reactor_status status = reactor_server_run(server);
    /* Stopped: a signal came before the start. */
    if (status == REACTOR_OK || status == REACTOR_STATUS_STOPPED) return 0;
    return launch_fail("%s", reactor_last_error());
}

/* It says where it listens, and so does in steps what reactor_serve() does. */
int launch_serve(const struct launch *launch) {
    reactor_options options = launch->options;
    reactor_server *server = NULL;
    options.stop_deadline_ms = GRACE_MS;
    if (reactor_server_new(&launch->callbacks, &options, &server) != REACTOR_OK ||
        reactor_server_stop_on_signals(server) != REACTOR_OK) {
        launch_fail("%s", reactor_last_error());
        reactor_server_free(server);
        return EXIT_FAILURE;
    }
    int served = serve(server, launch);
    reactor_status freed = reactor_server_free(server);
    if (freed != REACTOR_OK) launch_fail("%s", reactor_last_error());
    return served == 0 && freed == REACTOR_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
