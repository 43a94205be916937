/*
 * A program for boxes: packets as no kernel sends them, written to the network's device past the box's own.
 *
 *     packets KIND ADDRESS PORT [COUNT]
 *
 * All of them are SYNs to that address and port, or would be if they were in order.
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd
#define OWN "192.168.127.2"
#define OWN_V6 "fd6b:7865:6c69::2"
#define ALIAS_V6 "fd6b:7865:6c69::fe"
#define IP_BYTES 20
#define IP6_BYTES 40
#define TCP_BYTES 20
#define SYN 2

static int device;
static struct sockaddr_ll link_address = {.sll_family = AF_PACKET};
static uint8_t packet[65536];
static uint32_t target;
static uint16_t target_port;
static uint16_t next_port = 20000;
static int sent;

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static uint32_t sum(const uint8_t *bytes, size_t length)
{
    uint32_t total = 0;
    for (size_t i = 0; i + 1 < length; i += 2)
        total += (uint32_t)(bytes[i] << 8 | bytes[i + 1]);
    if (length % 2 == 1)
        total += (uint32_t)(bytes[length - 1] << 8);
    return total;
}

static uint16_t folded(uint32_t total)
{
    while (total > 0xffff)
        total = (total & 0xffff) + (total >> 16);
    return (uint16_t)~total;
}

/* The checksum of the IP header as it is now, whatever it says of its own length. */
static void seal(void)
{
    size_t length = (packet[0] & 15u) * 4u;
    put16(packet + 10, 0);
    put16(packet + 10, folded(sum(packet, length < IP_BYTES ? IP_BYTES : length)));
}

/* A SYN from a new port; returns the packet's length. */
static size_t make_syn(const char *source)
{
    static const uint8_t header[] = {0x45, 0, 0, IP_BYTES + TCP_BYTES, 0, 1, 0, 0, 64, IPPROTO_TCP};
    memset(packet, 0, sizeof packet);
    memcpy(packet, header, sizeof header);
    inet_pton(AF_INET, source, packet + 12);
    memcpy(packet + 16, &target, 4);
    uint8_t *tcp = packet + IP_BYTES;
    put16(tcp, next_port++);
    put16(tcp + 2, target_port);
    put16(tcp + 4, 1000);
    tcp[12] = 5 << 4;
    tcp[13] = SYN;
    put16(tcp + 14, 65535);
    put16(tcp + 16, folded(sum(packet + 12, 8) + IPPROTO_TCP + TCP_BYTES + sum(tcp, TCP_BYTES)));
    seal();
    return IP_BYTES + TCP_BYTES;
}

static void send_packet(size_t length)
{
    link_address.sll_protocol = htons(packet[0] >> 4 == 6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4);
    if (sendto(device, packet, length, 0, (struct sockaddr *)&link_address, sizeof link_address) >= 0)
        sent++;
}

/* --- Kinds ------------------------------------------------------------------------------------------------------- */

/* In order: what the others are measured by. */
static void run_whole(void)
{
    send_packet(make_syn(OWN));
}

static void run_spoofed(void)
{
    static const char *const sources[] = {"192.168.127.3", "192.168.127.1", "192.168.127.254", "127.0.0.1",
                                          "0.0.0.0", "255.255.255.255", "224.0.0.1", "10.0.0.1", "169.254.169.254"};
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
        send_packet(make_syn(sources[i]));
}

/* A part of the SYN, from `offset` on. */
static void send_fragment(size_t offset, size_t length, int more)
{
    uint8_t payload[TCP_BYTES];
    make_syn(OWN);
    next_port--;
    memcpy(payload, packet + IP_BYTES, TCP_BYTES);
    memcpy(packet + IP_BYTES, payload + offset % TCP_BYTES, length);
    put16(packet + 2, IP_BYTES + (uint32_t)length);
    put16(packet + 6, (more ? 0x2000u : 0) | (uint32_t)(offset / 8));
    seal();
    send_packet(IP_BYTES + length);
}

static void run_fragments(void)
{
    /* In two parts, in order and not; the first one tiny; overlapping; beyond the end of all packets. */
    static const struct {
        size_t offset, length;
    } pairs[][2] = {
        {{0, 16}, {16, 4}}, {{16, 4}, {0, 16}}, {{0, 8}, {8, 12}}, {{0, 16}, {8, 12}}, {{0, TCP_BYTES}, {65528, 8}},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++, next_port++)
        for (size_t part = 0; part < 2; part++)
            send_fragment(pairs[i][part].offset, pairs[i][part].length, pairs[i][part].offset == 0);
    /* A first one of each of many packets that never get whole. */
    for (int i = 0; i < 5000; i++, next_port++)
        send_fragment(0, 16, 1);
}

static void send_changed(size_t at, uint8_t value, size_t length)
{
    make_syn(OWN);
    packet[at] = value;
    seal();
    send_packet(length);
}

static void run_malformed(void)
{
    size_t whole = make_syn(OWN);
    packet[10] ^= 1; /* a wrong checksum */
    send_packet(whole);
    for (uint8_t words = 0; words < 5; words++) /* a header shorter than any, and longer than the packet */
        send_changed(0, 0x40 | words, whole);
    send_changed(0, 0x4f, whole);
    for (uint8_t version = 0; version < 16; version++) /* strange versions; 6 is a short packet */
        if (version != 4)
            send_changed(0, (uint8_t)(version << 4 | 5), whole);
    send_changed(3, 19, whole); /* all of it is shorter than its header, and longer than it is */
    send_changed(2, 0xff, whole);
    send_changed(3, 25, whole); /* the TCP header is cut off */
    send_changed(3, 39, whole);
    for (uint8_t words = 0; words < 5; words++) /* a TCP header shorter than any, and longer than the packet */
        send_changed(IP_BYTES + 12, (uint8_t)(words << 4), whole);
    send_changed(IP_BYTES + 12, 0xf0, whole);
    for (size_t length = 1; length < whole; length++) { /* cut anywhere */
        make_syn(OWN);
        send_packet(length);
    }
    /* For nobody, and from nobody. */
    make_syn(OWN);
    put16(packet + IP_BYTES + 2, 0);
    send_packet(whole);
    make_syn(OWN);
    put16(packet + IP_BYTES, 0);
    send_packet(whole);
}

/* IPv6 with headers in front of what would be a SYN. */
static void run_extensions(void)
{
    static const uint8_t kinds[] = {0, 43, 44, 50, 51, 59, 60, 135, 139, 255};
    for (size_t kind = 0; kind < sizeof kinds; kind++) {
        for (size_t count = 1; count < 64; count *= 3) {
            memset(packet, 0, sizeof packet);
            size_t end = IP6_BYTES + count * 8;
            packet[0] = 0x60;
            put16(packet + 4, (uint32_t)(count * 8 + TCP_BYTES));
            packet[6] = kinds[kind];
            packet[7] = 64;
            inet_pton(AF_INET6, OWN_V6, packet + 8);
            inet_pton(AF_INET6, ALIAS_V6, packet + 24);
            for (size_t i = 0; i < count; i++)
                packet[IP6_BYTES + i * 8] = kinds[kind];
            /* The last one says it is the end, or claims to be longer than the packet. */
            packet[IP6_BYTES + 1] = count == 27 ? 255 : 0;
            put16(packet + end, next_port++);
            put16(packet + end + 2, target_port);
            packet[end + 12] = 5 << 4;
            packet[end + 13] = SYN;
            send_packet(end + TCP_BYTES);
        }
    }
}

/* Anything, to that address alone, with a header that passes for one more often than not. */
static void run_random(int count)
{
    srandom(1);
    for (int i = 0; i < count; i++) {
        size_t length = IP_BYTES + (size_t)random() % (i % 16 == 0 ? 1400 : 64);
        make_syn(OWN);
        for (size_t at = IP_BYTES; at < length; at++)
            packet[at] = (uint8_t)random();
        static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_TCP};
        packet[9] = i % 8 == 0 ? (uint8_t)random() : protocols[i % 4];
        packet[IP_BYTES + 12] = i % 3 == 0 ? (uint8_t)random() : 5 << 4;
        put16(packet + 2, i % 5 == 0 ? (uint32_t)random() & 0xffff : (uint32_t)length);
        if (i % 7 == 0)
            packet[1 + (size_t)random() % 9] = (uint8_t)random();
        memcpy(packet + 16, &target, 4);
        seal();
        send_packet(length);
    }
}

int main(int argc, char **argv)
{
    if (argc < 4 || inet_pton(AF_INET, argv[2], &target) != 1)
        return 2;
    target_port = (uint16_t)atoi(argv[3]);
    device = socket(AF_PACKET, SOCK_DGRAM, 0);
    link_address.sll_ifindex = (int)if_nametoindex("tun0");
    if (device < 0 || link_address.sll_ifindex == 0)
        return 3;
    if (strcmp(argv[1], "whole") == 0)
        run_whole();
    else if (strcmp(argv[1], "spoofed") == 0)
        run_spoofed();
    else if (strcmp(argv[1], "fragments") == 0)
        run_fragments();
    else if (strcmp(argv[1], "malformed") == 0)
        run_malformed();
    else if (strcmp(argv[1], "extensions") == 0)
        run_extensions();
    else if (strcmp(argv[1], "random") == 0)
        run_random(argc > 4 ? atoi(argv[4]) : 1000);
    else
        return 2;
    printf("sent %d\n", sent);
    return 0;
}
