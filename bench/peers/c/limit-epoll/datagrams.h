#ifndef DATAGRAMS_H
#define DATAGRAMS_H

#include "program.h"

/* The kind udp: one call receives what is there, one call sends it back; no poller, since there is but one socket. */
int datagrams_serve(const struct address *address);

#endif
