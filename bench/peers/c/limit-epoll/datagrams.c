#include "datagrams.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>

enum {
    /* Datagrams received at a time. */
    BATCH = 64,
    /* Bytes of the largest one. */
    DATAGRAM_SIZE = 65535
};

static uint8_t buffers[BATCH][DATAGRAM_SIZE];
static struct sockaddr_in names[BATCH];
static struct iovec slices[BATCH];
static struct mmsghdr messages[BATCH];

/* Makes the first of them ready to receive again. */
static void clear(unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        slices[i] = (struct iovec){buffers[i], DATAGRAM_SIZE};
        messages[i].msg_hdr = (struct msghdr){.msg_name = &names[i], .msg_namelen = sizeof names[i],
                                              .msg_iov = &slices[i], .msg_iovlen = 1};
    }
}

static void send_back(int descriptor, unsigned count) {
    for (unsigned i = 0; i < count; i++) slices[i].iov_len = messages[i].msg_len;
    for (unsigned at = 0; at < count;) {
        int sent = sendmmsg(descriptor, messages + at, count - at, 0);
        /* One that the system refuses is lost, as datagrams may be. */
        at += sent > 0 ? (unsigned)sent : 1;
    }
}

int datagrams_serve(const struct address *address) {
    int descriptor = program_bind(address, SOCK_DGRAM);
    if (descriptor < 0 || program_announce(descriptor) != 0) return -1;
    clear(BATCH);
    for (;;) {
        /* Waits for the first, takes what else is there. */
        int count = recvmmsg(descriptor, messages, BATCH, MSG_WAITFORONE, NULL);
        /* What an earlier answer met: nobody listens there. */
        if (count < 0 && (errno == ECONNREFUSED || errno == EINTR)) continue;
        if (count < 0) return program_fail("recvmmsg");
        send_back(descriptor, (unsigned)count);
        clear((unsigned)count);
    }
}
