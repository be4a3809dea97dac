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
    struct text output;
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
    if (send_all(held->descriptor, held->output.bytes, held->output.length)) {
        while ((length = recv(held->descriptor, buffer, sizeof buffer, 0)) > 0) {
            if (!send_all(held->descriptor, buffer, (size_t)length)) break;
        }
    }
    close(held->descriptor);
    text_free(&held->output);
    free(held);
    return NULL;
}

void detached_serve(int descriptor, const uint8_t *output, size_t length) {
    struct held *held = allocate(sizeof *held);
    held->descriptor = descriptor;
    text_add(&held->output, output, length);
    text_print(&held->output, "detached\n");
    fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) & ~O_NONBLOCK);
    pthread_t thread;
    if (pthread_create(&thread, NULL, serve, held) != 0) abort();
    pthread_detach(thread);
}
