/* Connections from the host to a service in the box. */
#ifndef DIAL_H
#define DIAL_H

#include <stddef.h>
#include <stdint.h>

/*
 * Where a service may listen that the host asks for by its port alone, in the order they are tried: the loopback
 * address, which also reaches what listens on every address, the box's own, and IPv6's loopback address.
 */
#define DIAL_PLACES 3

/* A socket of `type` on its way to a place; -1 with errno if there is no such place. It does not block. */
int dial_connect(int type, int place, uint16_t port);

/* One of the services, called with its OPEN request. */
void dial_datagrams(uint32_t id, uint16_t port);

#endif
