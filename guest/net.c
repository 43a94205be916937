/*
 * The box's network: a TUN device whose packets travel over one stream. What one read or write of the device takes,
 * a struct virtio_net_hdr and an IP packet, follows its length as a u32. The host knows what they mean; the agent
 * does not look.
 *
 * The device leaves checksums to the host, which has the bytes at hand anyway, and its packets are as large as IP
 * allows: a system call a packet is what there is to pay.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "agent.h"
#include "linux_net.h"
#include "netlink.h"

#define LENGTH_BYTES 4
/* What IPv6 wants at least. */
#define MTU_MIN 1280
#define MTU_MAX 65535
#define PACKET_BYTES_MAX (VIRTIO_NET_HDR_BYTES + MTU_MAX)
#define RECORD_BYTES_MAX (LENGTH_BYTES + PACKET_BYTES_MAX)
/* Free in every kernel: those that come with devices of their own number them from 1. */
#define INTERFACE_INDEX 1000
#define INTERFACE_NAME "tun0"
/* Packets the kernel keeps for us. More than the windows of many connections let it send. */
#define QUEUE_PACKETS 4096

static struct stream net_stream;
static struct source device = {.fd = -1};
/* The packet that is arriving: its length and then itself. */
static uint8_t record[RECORD_BYTES_MAX];
static size_t record_length;

static void close_device(void)
{
    if (device.fd < 0)
        return;
    source_remove(&device);
    close(device.fd);
    device.fd = -1;
}

/* --- To the host -------------------------------------------------------------------------------------------------- */

/* Reads packets behind one another, as many as the device has and the frame takes. */
static size_t read_packets(int fd, uint8_t *buffer, size_t room)
{
    size_t used = 0;
    while (room - used >= RECORD_BYTES_MAX) {
        ssize_t got = read(fd, buffer + used + LENGTH_BYTES, PACKET_BYTES_MAX);
        if (got <= 0)
            break;
        write_u32(buffer + used, (uint32_t)got);
        used += LENGTH_BYTES + (size_t)got;
    }
    return used;
}

static void packets_wait(struct source *source, short events)
{
    size_t room = FRAME_BYTES_MAX;
    uint8_t *buffer = wire_reserve(&agent.wire, &room);
    (void)events;
    if (buffer == NULL || room < RECORD_BYTES_MAX)
        return;
    if (net_stream.credit < RECORD_BYTES_MAX) {
        source->wanted = 0;
        return;
    }
    size_t length = read_packets(source->fd, buffer, room < net_stream.credit ? room : net_stream.credit);
    if (length == 0)
        return;
    wire_commit(&agent.wire, FRAME_DATA, net_stream.id, length);
    net_stream.credit -= (uint32_t)length;
}

static void credit_came(struct stream *stream)
{
    (void)stream;
    device.wanted = POLLIN;
}

/* --- From the host ------------------------------------------------------------------------------------------------ */

/* Hands a packet to the kernel. One that it does not want is lost, as on every network. */
static void deliver(const uint8_t *packet, size_t length)
{
    ssize_t written = write(device.fd, packet, length);
    (void)written;
}

static void stop_with(const char *why)
{
    streams_remove(&agent.streams, &net_stream);
    wire_send_json(&agent.wire, FRAME_RESET, net_stream.id, 0, "{\"code\":\"invalid\",\"message\":\"%s\"}", why);
    close_device();
}

/* Takes bytes of a record until it has `wanted` of them. Whether it has. */
static int gather(const uint8_t **bytes, size_t *length, size_t wanted)
{
    size_t missing = wanted > record_length ? wanted - record_length : 0;
    size_t taken = missing < *length ? missing : *length;
    memcpy(record + record_length, *bytes, taken);
    record_length += taken;
    *bytes += taken;
    *length -= taken;
    return record_length >= wanted;
}

static void bytes_came(struct stream *stream, const uint8_t *bytes, size_t length)
{
    size_t all = length;
    (void)stream;
    while (length > 0) {
        if (!gather(&bytes, &length, LENGTH_BYTES))
            break;
        size_t size = read_u32(record);
        if (size > PACKET_BYTES_MAX) {
            stop_with("a packet is too long");
            return;
        }
        if (record_length == LENGTH_BYTES && length >= size) {
            /* All of it is here: it need not be copied. */
            deliver(bytes, size);
            bytes += size;
            length -= size;
        } else {
            if (!gather(&bytes, &length, LENGTH_BYTES + size))
                break;
            deliver(record + LENGTH_BYTES, size);
        }
        record_length = 0;
    }
    wire_give_credit(&agent.wire, net_stream.id, stream_used(&net_stream, all));
}

/* --- The device --------------------------------------------------------------------------------------------------- */

static int open_tun(void)
{
    struct ifreq request = {.ifr_name = INTERFACE_NAME, .ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
    unsigned int index = INTERFACE_INDEX;
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -1;
    if (ioctl(fd, TUNSETIFINDEX, &index) != 0 || ioctl(fd, TUNSETIFF, &request) != 0 ||
        ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM) != 0) {
        int why = errno;
        close(fd);
        errno = why;
        return -1;
    }
    return fd;
}

/* An address of the box with its network, and the gateway of everything else. -1 if they are no addresses. */
static int add_addresses(struct netlink_batch *batch, int family, const struct json *addresses)
{
    uint8_t address[16];
    uint8_t gateway[16];
    uint32_t index = INTERFACE_INDEX;
    size_t size = family == AF_INET ? 4 : 16;
    int64_t prefix = json_number(addresses, "prefix", -1);
    if (inet_pton(family, json_text(addresses, "address", ""), address) != 1 ||
        inet_pton(family, json_text(addresses, "gateway", ""), gateway) != 1 || prefix < 0 || prefix > (int64_t)size * 8)
        return -1;
    /* Nobody else is on the link: no address needs to be probed for. */
    const struct ifaddrmsg own = {.ifa_family = (uint8_t)family, .ifa_prefixlen = (uint8_t)prefix,
                                  .ifa_flags = IFA_F_NODAD, .ifa_index = INTERFACE_INDEX};
    netlink_request(batch, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &own, sizeof own);
    netlink_attribute(batch, IFA_LOCAL, address, size);
    netlink_attribute(batch, IFA_ADDRESS, address, size);
    const struct rtmsg route = {.rtm_family = (uint8_t)family, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_BOOT,
                                .rtm_scope = RT_SCOPE_UNIVERSE, .rtm_type = RTN_UNICAST};
    netlink_request(batch, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &route, sizeof route);
    netlink_attribute(batch, RTA_GATEWAY, gateway, size);
    netlink_attribute(batch, RTA_OIF, &index, sizeof index);
    return 0;
}

static void bring_up(struct netlink_batch *batch, uint32_t mtu)
{
    uint32_t queue = QUEUE_PACKETS;
    const struct ifinfomsg link = {.ifi_index = INTERFACE_INDEX, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    netlink_request(batch, RTM_NEWLINK, 0, &link, sizeof link);
    netlink_attribute(batch, IFLA_MTU, &mtu, sizeof mtu);
    netlink_attribute(batch, IFLA_TXQLEN, &queue, sizeof queue);
}

/* Without link-local addresses the kernel has nothing to say on the link that nobody would hear. */
static void disable_autoconfiguration(struct netlink_batch *batch)
{
    struct {
        struct nlattr family;
        struct nlattr mode;
        uint8_t value;
        uint8_t padding[3];
    } nested = {
        .family = {.nla_len = sizeof nested, .nla_type = AF_INET6},
        .mode = {.nla_len = sizeof(struct nlattr) + 1, .nla_type = IFLA_INET6_ADDR_GEN_MODE},
        .value = IN6_ADDR_GEN_MODE_NONE,
    };
    const struct ifinfomsg link = {.ifi_index = INTERFACE_INDEX};
    netlink_request(batch, RTM_NEWLINK, 0, &link, sizeof link);
    netlink_attribute(batch, IFLA_AF_SPEC, &nested, sizeof nested);
}

/* Everything in one system call. Fills `message` and returns -1 if it fails. */
static int configure(const struct json *request, char *message, size_t size)
{
    struct netlink_batch batch = {.length = 0};
    int64_t mtu = json_number(request, "mtu", 0);
    const struct json *v6 = json_get(request, "v6");
    uint32_t failed;
    batch.optional = 1;
    disable_autoconfiguration(&batch);
    batch.optional = 0;
    if (mtu < MTU_MIN || mtu > MTU_MAX) {
        snprintf(message, size, "the network's MTU is out of range");
        return -1;
    }
    bring_up(&batch, (uint32_t)mtu);
    int wrong = add_addresses(&batch, AF_INET, json_get(request, "v4"));
    /* A kernel without IPv6 goes without. */
    batch.optional = 1;
    if (v6 != NULL)
        wrong |= add_addresses(&batch, AF_INET6, v6);
    if (wrong != 0) {
        snprintf(message, size, "the network's addresses are invalid");
        return -1;
    }
    if (netlink_send(&batch, &failed) == 0)
        return 0;
    snprintf(message, size, "cannot configure " INTERFACE_NAME ", step %u: %s", failed, strerror(errno));
    return -1;
}

static void given_up(struct stream *stream)
{
    (void)stream;
    close_device();
}

static const struct stream_events stream_events = {
    .data = bytes_came,
    .window = credit_came,
    .reset = given_up,
};

void net_open(uint32_t id, const struct json *request)
{
    char message[256];
    if (device.fd >= 0) {
        reject(id, "invalid", "the box has a network already");
        return;
    }
    int fd = open_tun();
    if (fd < 0) {
        snprintf(message, sizeof message, "cannot make a TUN device: %s", strerror(errno));
        reject(id, "tun", message);
        return;
    }
    if (configure(request, message, sizeof message) != 0) {
        reject(id, "network", message);
        close(fd);
        return;
    }
    net_stream = (struct stream){.events = &stream_events};
    if (streams_add(&agent.streams, &net_stream, id) != 0) {
        reject(id, "EAGAIN", "too many streams are open");
        close(fd);
        return;
    }
    record_length = 0;
    device = (struct source){.fd = fd, .wanted = POLLIN, .feeds_wire = 1, .ready = packets_wait};
    source_add(&device);
    wire_send_json(&agent.wire, FRAME_ACCEPT, id, 0, "{}");
}
