/* Sockets and addresses of the subject's own. */
#define _GNU_SOURCE
#include "subject.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static socklen_t unix_address(const char *path, struct sockaddr_storage *address) {
    struct sockaddr_un *name = (struct sockaddr_un *)address;
    size_t length = strlen(path);
    name->sun_family = AF_UNIX;
    memcpy(name->sun_path, path, length);
    if (*path == '@') name->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (*path != '@'));
}

int socket_to(const char *url) {
    if (strcmp(url, "null") == 0) return open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct sockaddr_storage address = {0};
    socklen_t length = 0;
    if (strncmp(url, "unix://", 7) == 0) {
        length = unix_address(url + 7, &address);
    } else if (strncmp(url, "tcp://", 6) != 0 || !parse_address(url + 6, &address, &length)) {
        complain("cannot connect to", url);
        return -1;
    }
    int descriptor = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(descriptor, (struct sockaddr *)&address, length) != 0) complain("cannot connect to", url);
    return descriptor;
}

bool parse_address(const char *text, struct sockaddr_storage *address, socklen_t *length) {
    char host[64] = "";
    const char *colon = strrchr(text, ':');
    bool bracketed = *text == '[';
    if (colon == NULL || colon - text >= (ptrdiff_t)sizeof host) return false;
    memcpy(host, text + bracketed, (size_t)(colon - text) - 2 * (size_t)bracketed);
    in_port_t port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    memset(address, 0, sizeof *address);
    if (bracketed) {
        struct sockaddr_in6 *six = (struct sockaddr_in6 *)address;
        *six = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = port};
        *length = sizeof *six;
        return inet_pton(AF_INET6, host, &six->sin6_addr) == 1;
    }
    struct sockaddr_in *four = (struct sockaddr_in *)address;
    *four = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = port};
    *length = sizeof *four;
    return inet_pton(AF_INET, host, &four->sin_addr) == 1;
}

void print_host(struct text *text, const struct sockaddr *address, size_t length) {
    char host[INET6_ADDRSTRLEN] = "";
    if (address->sa_family == AF_INET && length >= sizeof(struct sockaddr_in)) {
        inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, host, sizeof host);
    } else if (address->sa_family == AF_INET6 && length >= sizeof(struct sockaddr_in6)) {
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)address)->sin6_addr, host, sizeof host);
    }
    text_print(text, "%s", host);
}

void print_address(struct text *text, const struct sockaddr *address, size_t length) {
    char host[INET6_ADDRSTRLEN] = "";
    if (address->sa_family == AF_INET && length >= sizeof(struct sockaddr_in)) {
        const struct sockaddr_in *four = (const struct sockaddr_in *)address;
        inet_ntop(AF_INET, &four->sin_addr, host, sizeof host);
        text_print(text, "%s:%u", host, ntohs(four->sin_port));
    } else if (address->sa_family == AF_INET6 && length >= sizeof(struct sockaddr_in6)) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;
        inet_ntop(AF_INET6, &six->sin6_addr, host, sizeof host);
        text_print(text, "[%s]:%u", host, ntohs(six->sin6_port));
    } else {
        text_print(text, "of family %d", address->sa_family);
    }
}
