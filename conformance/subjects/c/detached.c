/* Descriptors that the engine has handed out. */
#define _GNU_SOURCE
#include "subject.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct held {
    int descriptor;
    /* What was not sent, and a line behind it. */
    char *output;
    size_t length;
};

static bool send_all(int descriptor, const char *bytes, size_t length) {
    while (length > 0) {
        ssize_t sent = send(descriptor, bytes, length, MSG_NOSIGNAL);
        if (sent < 0) return false;
        bytes += sent;
        length -= (size_t)sent;
    }
    return true;
}

static void *serve(void *argument) {
    struct held *held = argument;
    char buffer[1 << 16];
    ssize_t length;
    if (send_all(held->descriptor, held->output, held->length)) {
        while ((length = recv(held->descriptor, buffer, sizeof buffer, 0)) > 0) {
            if (!send_all(held->descriptor, buffer, (size_t)length)) break;
        }
    }
    close(held->descriptor);
    free(held->output);
    free(held);
    return NULL;
}

void detached_serve(int descriptor, const uint8_t *output, size_t length) {
    static const char line[] = "detached\n";
    struct held *held = allocate(sizeof *held);
    held->descriptor = descriptor;
    /* No more memory than it takes: cases look at that. */
    held->length = length + strlen(line);
    held->output = allocate(held->length);
    if (length > 0) memcpy(held->output, output, length);
    memcpy(held->output + length, line, strlen(line));
    fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) & ~O_NONBLOCK);
    pthread_t thread;
    if (pthread_create(&thread, NULL, serve, held) != 0) abort();
    pthread_detach(thread);
}
