#ifndef DATAGRAMS_H
#define DATAGRAMS_H

#include "program.h"

/* The kind udp: one request receives all datagrams, each is sent back from where it lies. */
int datagrams_serve(const struct address *address);

#endif
