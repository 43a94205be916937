#include "netlink.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "linux_net.h"
#include "power.h"

static void append(struct netlink_batch *batch, const void *bytes, size_t length)
{
    size_t padded = NETLINK_ALIGN(length);
    if (batch->length + padded > sizeof batch->bytes)
        die("a netlink request is too long for its buffer");
    memset(batch->bytes + batch->length, 0, padded);
    memcpy(batch->bytes + batch->length, bytes, length);
    batch->length += padded;
}

/* The length of a request grows with each of its parts. */
static void close_request(struct netlink_batch *batch)
{
    uint32_t length = (uint32_t)(batch->length - batch->request);
    memcpy(batch->bytes + batch->request, &length, sizeof length);
}

void netlink_request(struct netlink_batch *batch, uint16_t type, uint16_t flags, const void *fixed, size_t length)
{
    const struct nlmsghdr header = {
        .nlmsg_type = type, .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags), .nlmsg_seq = ++batch->requests};
    if (batch->optional)
        batch->may_fail |= 1u << batch->requests;
    batch->request = batch->length;
    append(batch, &header, sizeof header);
    append(batch, fixed, length);
    close_request(batch);
}

void netlink_attribute(struct netlink_batch *batch, uint16_t type, const void *value, size_t length)
{
    const struct nlattr header = {.nla_type = type, .nla_len = (uint16_t)(sizeof header + length)};
    append(batch, &header, sizeof header);
    if (length > 0)
        append(batch, value, length);
    close_request(batch);
}

/* One answer. 0, or -1 with errno if it tells of a request that had to succeed. */
static int read_answer(const uint8_t *answer, uint32_t may_fail, uint32_t *failed)
{
    struct nlmsghdr header;
    struct nlmsgerr error;
    memcpy(&header, answer, sizeof header);
    memcpy(&error, answer + sizeof(struct nlmsghdr), sizeof error);
    if (header.nlmsg_type != NLMSG_ERROR || error.error == 0 || header.nlmsg_seq > 31 ||
        (may_fail & 1u << header.nlmsg_seq))
        return 0;
    *failed = header.nlmsg_seq;
    errno = -error.error;
    return -1;
}

/* Requests without NLM_F_ACK are only answered if they fail, and they have been carried out when send() returns. */
static int read_answers(int fd, uint32_t may_fail, uint32_t *failed)
{
    _Alignas(4) uint8_t answer[2048];
    while (recv(fd, answer, sizeof answer, MSG_DONTWAIT) >= (ssize_t)(sizeof(struct nlmsghdr) + sizeof(struct nlmsgerr)))
        if (read_answer(answer, may_fail, failed) != 0)
            return -1;
    return 0;
}

int netlink_send(const struct netlink_batch *batch, uint32_t *failed)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    *failed = 0;
    if (fd < 0)
        return -1;
    ssize_t sent = send(fd, batch->bytes, batch->length, 0);
    int result = sent == (ssize_t)batch->length ? read_answers(fd, batch->may_fail, failed) : -1;
    int why = errno;
    close(fd);
    errno = why;
    return result;
}
