/*
 * Sends back every byte, until SIGINT or SIGTERM.
 *
 *     echo --listen URL [--listen URL]... [--loops N]
 */
#define _POSIX_C_SOURCE 200809L

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <reactor.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* What the command line asks for. urls point into it. */
struct arguments {
    const char **urls;
    size_t url_count;
    uint32_t loops;
};

/* For the signal handler, which gets no argument. */
static reactor_server *server;

/* Says on one line what is wrong, whatever the quoted text contains. */
static int fail(const char *format, ...) {
    char text[1024];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    for (char *c = text; *c != '\0'; c++) {
        if (iscntrl((unsigned char)*c)) *c = ' ';
    }
    fprintf(stderr, "echo: %s\n", text);
    return EXIT_FAILURE;
}

static int32_t on_data(void *user_data, reactor_server *of, reactor_conn conn, const uint8_t *data, size_t len) {
    (void)user_data;
    /* When the peer does not read, the engine stops reading from it until the queue has been sent. */
    return reactor_conn_write(of, conn, data, len, NULL) == REACTOR_OK ? REACTOR_ACTION_NONE : REACTOR_ACTION_CLOSE;
}

static void on_signal(int number) {
    (void)number;
    reactor_server_stop_from_signal(server);
}

static void handle_signals(void (*handler)(int)) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static int parse_loops(const char *text, uint32_t *loops) {
    char *end;
    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end != '\0' || errno != 0 || number > UINT32_MAX) {
        return fail("--loops: \"%s\" is not a number of loops", text);
    }
    *loops = (uint32_t)number;
    return EXIT_SUCCESS;
}

static int parse(int argc, char **argv, struct arguments *arguments) {
    static const struct option options[] = {
        {"listen", required_argument, NULL, 'l'}, {"loops", required_argument, NULL, 'n'}, {NULL, 0, NULL, 0}};
    opterr = 0; /* the messages are ours */
    for (;;) {
        const char *word = optind < argc ? argv[optind] : "";
        switch (getopt_long(argc, argv, "+:", options, NULL)) {
            case 'l': arguments->urls[arguments->url_count++] = optarg; break;
            case 'n':
                if (parse_loops(optarg, &arguments->loops) != EXIT_SUCCESS) return EXIT_FAILURE;
                break;
            case ':': return fail("%s needs a value", word);
            case '?': return fail("wrong flag \"%s\"", word);
            default:
                if (optind < argc) return fail("unexpected argument \"%s\"", argv[optind]);
                if (arguments->url_count == 0) return fail("--listen URL is missing");
                return EXIT_SUCCESS;
        }
    }
}

static int serve(const struct arguments *arguments) {
    for (size_t i = 0; i < arguments->url_count; i++) {
        if (reactor_server_listen(server, arguments->urls[i]) != REACTOR_OK) return fail("%s", reactor_last_error());
    }
    handle_signals(on_signal);
    for (size_t i = 0; i < arguments->url_count; i++) {
        char address[REACTOR_ADDRESS_CAPACITY];
        if (reactor_server_address(server, i, address, sizeof address, NULL) != REACTOR_OK) {
            return fail("%s", reactor_last_error());
        }
        printf("listening on %s\n", address);
        fflush(stdout);
    }
    reactor_status status = reactor_server_run(server);
    /* A signal that came before the start made it answer STOPPED: that is a good end, too. */
    return status == REACTOR_OK || status == REACTOR_STATUS_STOPPED ? EXIT_SUCCESS : fail("%s", reactor_last_error());
}

int main(int argc, char **argv) {
    struct arguments arguments = {.urls = calloc((size_t)argc, sizeof *arguments.urls)};
    if (arguments.urls == NULL) return fail("out of memory");
    int code = parse(argc, argv, &arguments);
    if (code == EXIT_SUCCESS) {
        reactor_callbacks callbacks = {.size = sizeof callbacks, .on_data = on_data};
        reactor_options options = {.size = sizeof options, .loops = arguments.loops};
        if (reactor_server_new(&callbacks, &options, &server) == REACTOR_OK) {
            code = serve(&arguments);
            handle_signals(SIG_IGN); /* one that comes now would meet a server that is being freed */
            reactor_server_free(server);
        } else {
            code = fail("%s", reactor_last_error());
        }
    }
    free(arguments.urls);
    return code;
}
