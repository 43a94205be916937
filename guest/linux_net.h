/* What the kernel's headers on netlink, routing and TUN devices say; a C library of its own does not bring them. */
#ifndef LINUX_NET_H
#define LINUX_NET_H

#include <stdint.h>
#include <sys/ioctl.h>

/* linux/netlink.h */
#define NETLINK_ROUTE 0
#define NLM_F_REQUEST 0x01
#define NLM_F_EXCL 0x200
#define NLM_F_CREATE 0x400
#define NLMSG_ERROR 2
#define NETLINK_ALIGN(length) (((length) + 3u) & ~3u)

struct nlmsghdr {
    uint32_t nlmsg_len;
    uint16_t nlmsg_type;
    uint16_t nlmsg_flags;
    uint32_t nlmsg_seq;
    uint32_t nlmsg_pid;
};

struct nlmsgerr {
    int32_t error;
    struct nlmsghdr msg;
};

struct nlattr {
    uint16_t nla_len;
    uint16_t nla_type;
};

/* linux/rtnetlink.h */
#define RTM_NEWLINK 16
#define RTM_NEWADDR 20
#define RTM_NEWROUTE 24
#define RT_TABLE_MAIN 254
#define RTPROT_BOOT 3
#define RT_SCOPE_UNIVERSE 0
#define RTN_UNICAST 1
#define RTA_OIF 4
#define RTA_GATEWAY 5

struct rtmsg {
    uint8_t rtm_family;
    uint8_t rtm_dst_len;
    uint8_t rtm_src_len;
    uint8_t rtm_tos;
    uint8_t rtm_table;
    uint8_t rtm_protocol;
    uint8_t rtm_scope;
    uint8_t rtm_type;
    uint32_t rtm_flags;
};

struct ifinfomsg {
    uint8_t ifi_family;
    uint8_t padding;
    uint16_t ifi_type;
    int32_t ifi_index;
    uint32_t ifi_flags;
    uint32_t ifi_change;
};

/* linux/if_addr.h */
#define IFA_ADDRESS 1
#define IFA_LOCAL 2
#define IFA_F_NODAD 0x02

struct ifaddrmsg {
    uint8_t ifa_family;
    uint8_t ifa_prefixlen;
    uint8_t ifa_flags;
    uint8_t ifa_scope;
    uint32_t ifa_index;
};

/* linux/if_link.h */
#define IFLA_MTU 4
#define IFLA_TXQLEN 13
#define IFLA_AF_SPEC 26
#define IFLA_INET6_ADDR_GEN_MODE 8
#define IN6_ADDR_GEN_MODE_NONE 1

/* linux/if_tun.h */
#define TUNSETIFF _IOW('T', 202, int)
#define TUNSETOFFLOAD _IOW('T', 208, unsigned int)
#define TUNSETIFINDEX _IOW('T', 218, unsigned int)
#define IFF_TUN 0x0001
#define IFF_NO_PI 0x1000
#define IFF_VNET_HDR 0x4000
#define TUN_F_CSUM 0x01

/* linux/virtio_net.h */
#define VIRTIO_NET_HDR_BYTES 10

#endif
