/* Requests to the kernel about its network devices, many in one system call. */
#ifndef NETLINK_H
#define NETLINK_H

#include <stddef.h>
#include <stdint.h>

/* Room for what configures one device, in at most 31 requests. Zeroed, it is empty. */
struct netlink_batch {
    _Alignas(4) uint8_t bytes[1024];
    size_t length;
    /* The request being written. */
    size_t request;
    uint32_t requests;
    /* What is asked for from now on is not missed where the kernel does not have it. */
    int optional;
    /* Those requests, a bit for each. */
    uint32_t may_fail;
};

/* Starts a request: its type, its flags beside NLM_F_REQUEST, and the fixed part that the type wants. */
void netlink_request(struct netlink_batch *batch, uint16_t type, uint16_t flags, const void *fixed, size_t length);
/* Adds an attribute to it. */
void netlink_attribute(struct netlink_batch *batch, uint16_t type, const void *value, size_t length);
/* Sends all requests. 0, or -1 with errno; `failed` is then the number, from 1, of the request that failed. */
int netlink_send(const struct netlink_batch *batch, uint32_t *failed);

#endif
