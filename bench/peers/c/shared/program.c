#include "program.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

static const char *program = "server";
/* For the signal handler: the path to remove, or empty. */
static char unix_path[sizeof((struct sockaddr_un *)0)->sun_path];

int program_fail(const char *what) {
    fprintf(stderr, "%s: %s: %s\n", program, what, strerror(errno));
    return -1;
}

/* ---- the address ---- */

static int parse_ipv4(const char *text, struct address *address) {
    char host[INET_ADDRSTRLEN];
    struct sockaddr_in *name = (struct sockaddr_in *)&address->name;
    const char *colon = strrchr(text, ':');
    if (colon == NULL || (size_t)(colon - text) >= sizeof host) return -1;
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    char *end;
    unsigned long port = strtoul(colon + 1, &end, 10);
    if (end == colon + 1 || *end != '\0' || port > 65535) return -1;
    name->sin_family = AF_INET;
    name->sin_port = htons((uint16_t)port);
    address->len = sizeof *name;
    return inet_pton(AF_INET, host, &name->sin_addr) == 1 ? 0 : -1;
}

static int parse_unix(const char *path, struct address *address) {
    struct sockaddr_un *name = (struct sockaddr_un *)&address->name;
    if (*path == '\0' || strlen(path) >= sizeof name->sun_path) return -1;
    name->sun_family = AF_UNIX;
    strcpy(name->sun_path, path);
    address->len = sizeof *name;
    return 0;
}

/* What stands behind the prefix, or NULL if the text does not begin with it. */
static const char *behind(const char *text, const char *prefix) {
    size_t len = strlen(prefix);
    return strncmp(text, prefix, len) == 0 ? text + len : NULL;
}

static int parse_url(const char *url, bool is_udp, bool offers_unix, struct address *address) {
    const char *rest = behind(url, is_udp ? "udp://" : "tcp://");
    memset(address, 0, sizeof *address);
    if (rest != NULL) return parse_ipv4(rest, address);
    rest = is_udp || !offers_unix ? NULL : behind(url, "unix://");
    return rest == NULL ? -1 : parse_unix(rest, address);
}

int program_bind(const struct address *address, int type) {
    const int on = 1;
    int family = address->name.ss_family;
    bool is_stream = (type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) == SOCK_STREAM;
    int descriptor = socket(family, type | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return program_fail("socket");
    if (is_stream && family == AF_INET) {
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        /* Linux hands it down to every connection that is accepted. */
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    if (bind(descriptor, (const struct sockaddr *)&address->name, address->len) != 0) return program_fail("bind");
    if (is_stream && listen(descriptor, BACKLOG) != 0) return program_fail("listen");
    if (family == AF_UNIX) strcpy(unix_path, ((const struct sockaddr_un *)&address->name)->sun_path);
    return descriptor;
}

int program_announce(int descriptor) {
    struct sockaddr_storage name = {0};
    socklen_t len = sizeof name;
    int type;
    socklen_t type_len = sizeof type;
    if (getsockname(descriptor, (struct sockaddr *)&name, &len) != 0 ||
        getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &type_len) != 0) {
        return program_fail("getsockname");
    }
    if (name.ss_family == AF_UNIX) {
        printf("listening on unix://%s\n", ((const struct sockaddr_un *)&name)->sun_path);
    } else {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&name;
        char host[INET_ADDRSTRLEN];
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        printf("listening on %s://%s:%u\n", type == SOCK_DGRAM ? "udp" : "tcp", host, (unsigned)ntohs(in->sin_port));
    }
    return fflush(stdout) == 0 ? 0 : program_fail("stdout");
}

/* ---- the process ---- */

size_t program_descriptors(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
    return (size_t)limit.rlim_cur;
}

static void raise_descriptors(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static void on_end(int number) {
    (void)number;
    if (unix_path[0] != '\0') unlink(unix_path);
    _exit(EXIT_SUCCESS);
}

static void handle_signals(void) {
    struct sigaction end = {.sa_handler = on_end}, ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGTERM, &end, NULL);
    sigaction(SIGINT, &end, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
}

static const struct kind *find_kind(const struct kind *kinds, const char *name) {
    while (kinds->name != NULL && strcmp(kinds->name, name) != 0) kinds++;
    return kinds->name == NULL ? NULL : kinds;
}

int program_main(int argc, char **argv, const struct kind *kinds, bool offers_unix) {
    if (argc > 0) program = argv[0];
    if (argc != 3) {
        fprintf(stderr, "usage: %s KIND URL\n", program);
        return EXIT_NOT_OFFERED;
    }
    const struct kind *kind = find_kind(kinds, argv[1]);
    if (kind == NULL) {
        fprintf(stderr, "%s: there is no kind \"%s\"\n", program, argv[1]);
        return EXIT_NOT_OFFERED;
    }
    struct address address;
    if (parse_url(argv[2], strcmp(kind->name, "udp") == 0, offers_unix, &address) != 0) {
        fprintf(stderr, "%s: \"%s\" is no address for the kind %s\n", program, argv[2], kind->name);
        return EXIT_NOT_OFFERED;
    }
    raise_descriptors();
    handle_signals();
    return kind->serve(&address) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
