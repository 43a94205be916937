/** What a box's resolver makes of a real name server, and of the host's own files. */
import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { appendFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { HOST_ALIAS, HOST_ALIAS_NAME } from '../../src/network/addresses.ts';
import { encodeAnswer, parseQuery, resultCodes } from '../../src/network/dns/message.ts';
import { PolicyUplink } from '../../src/network/policy-uplink.ts';
import { CertificateAuthority } from '../../src/network/tls/authority.ts';
import { parseNetworkRule } from '../../src/spec/network-rule.ts';
import { lookup, lookupByTcp } from './guest.ts';
import { inNamespace, servers } from './namespace.ts';
import { RealServers } from './real-servers.ts';

const TYPES = { A: 1, TXT: 16, AAAA: 28, SRV: 33 } as const;
const MANY = Array.from({ length: 120 }, (_, i) => `198.51.100.${i + 1}`);
const DEAF_PORT = 5_301;
const FAILING_PORT = 5_302;

function uplinkFor(...patterns: string[]): PolicyUplink {
  return new PolicyUplink({
    rules: patterns.map(parseNetworkRule).filter((rule) => rule !== null),
    secrets: [],
    authority: () => new CertificateAuthority('test'),
    onRefused: () => undefined,
  });
}

if (inNamespace(import.meta.filename, { hosts: `${servers.private} in-hosts.example\n` })) {
  const real = new RealServers();
  const sockets: Socket[] = [];

  /** A name server behind dnsmasq. */
  async function behind(port: number, code: number | null): Promise<void> {
    const socket = createSocket('udp4');
    sockets.push(socket);
    socket.on('message', (message, { port, address }) => {
      const query = parseQuery(message);
      if (query !== null && code !== null) socket.send(encodeAnswer(query, code), port, address);
    });
    socket.bind(port, '127.0.0.1');
    await once(socket, 'listening');
  }

  before(async () => {
    await behind(DEAF_PORT, null);
    await behind(FAILING_PORT, resultCodes.SERVFAIL);
    await real.dnsmasq(
      'local=/example/',
      `host-record=both.example,${servers.one},${servers.v6},300`,
      `host-record=short.example,${servers.one},1`,
      'cname=one.example,two.example,300',
      'cname=two.example,three.example,300',
      'cname=three.example,both.example,300',
      'srv-host=_sip._tcp.example,both.example,5060,1,2',
      'txt-record=text.example,v=one,two and three',
      ...Array.from({ length: 30 }, (_, i) => `txt-record=long.example,${i}${'x'.repeat(200)}`),
      ...MANY.map((address) => `host-record=many.example,${address}`),
      `server=/deaf.test/127.0.0.1#${DEAF_PORT}`,
      `server=/failing.test/127.0.0.1#${FAILING_PORT}`,
    );
  });
  after(async () => {
    for (const socket of sockets) socket.close();
    await real[Symbol.asyncDispose]();
  });

  describe('the resolver of a box, before dnsmasq', () => {
    const uplink = uplinkFor();
    after(() => uplink.close());

    it('passes on addresses of both kinds', async () => {
      assert.deepEqual((await lookup(uplink, 'both.example'))?.addresses, [servers.one]);
      assert.deepEqual((await lookup(uplink, 'both.example', TYPES.AAAA))?.addresses, [servers.v6]);
    });

    it('follows aliases to their end', async () => {
      const answer = await lookup(uplink, 'one.example');
      assert.deepEqual(answer?.addresses, [servers.one]);
      // Three aliases and an address.
      assert.equal(answer?.ttlOffsets.length, 4);
    });

    it('passes on records that it does not understand', async () => {
      // With the addresses of its target behind it.
      assert.equal((await lookup(uplink, '_sip._tcp.example', TYPES.SRV))?.ttlOffsets.length, 3);
      assert.equal((await lookup(uplink, 'text.example', TYPES.TXT))?.ttlOffsets.length, 1);
    });

    it('has by TCP what is too long for UDP, of the server and for the box', async () => {
      for (const [name, type, count] of [
        ['long.example', TYPES.TXT, 30],
        ['many.example', TYPES.A, MANY.length],
      ] as const) {
        assert.equal((await lookup(uplink, name, type))?.truncated, true, name);
        assert.equal((await lookupByTcp(uplink, name, type))?.ttlOffsets.length, count, name);
      }
    });

    it('passes on that there is no such name, and no such record', async () => {
      assert.equal((await lookup(uplink, 'nothing.example'))?.code, resultCodes.NXDOMAIN);
      const none = await lookup(uplink, 'text.example', TYPES.A);
      assert.deepEqual([none?.code, none?.addresses], [resultCodes.NOERROR, []]);
    });

    it('says that it failed where the server fails, or says nothing', async () => {
      assert.equal((await lookup(uplink, 'x.failing.test'))?.code, resultCodes.SERVFAIL);
      assert.equal((await lookup(uplink, 'x.deaf.test'))?.code, resultCodes.SERVFAIL);
    });

    it('asks again when an answer has had its time, and not before', async () => {
      const fresh = uplinkFor();
      const before = real.asked('short.example');
      await Promise.all([lookup(fresh, 'both.example'), lookup(fresh, 'short.example')]);
      const asked = real.asked('both.example');
      for (let i = 0; i < 5; i++) await lookup(fresh, 'both.example');
      assert.equal(real.asked('both.example'), asked);
      await sleep(1_100);
      await lookup(fresh, 'short.example');
      assert.equal(real.asked('short.example'), before + 2);
      fresh.close();
    });

    it("has the host's own file first, as it is now, and the host's name", async () => {
      assert.deepEqual((await lookup(uplink, 'in-hosts.example'))?.addresses, [servers.private]);
      appendFileSync('/etc/hosts', `${servers.two} both.example # no longer\n`);
      assert.deepEqual((await lookup(uplink, 'both.example'))?.addresses, [servers.two]);
      assert.deepEqual((await lookup(uplink, HOST_ALIAS_NAME))?.addresses, [HOST_ALIAS.v4]);
      assert.deepEqual((await lookup(uplink, HOST_ALIAS_NAME, TYPES.AAAA))?.addresses, [
        HOST_ALIAS.v6,
      ]);
    });
  });

  describe('the resolver of a box with rules, before dnsmasq', () => {
    it('asks the server for no name that is not allowed', async () => {
      const uplink = uplinkFor('two.example', '*.three.example');
      for (const name of ['one.example', 'three.example', 'stolen.two.example', 'xtwo.example']) {
        const asked = real.asked(name);
        assert.equal((await lookup(uplink, name))?.code, resultCodes.NXDOMAIN, name);
        assert.equal(real.asked(name), asked, name);
      }
      assert.deepEqual((await lookup(uplink, 'two.example'))?.addresses, [servers.one]);
      await lookup(uplink, 'x.three.example');
      assert.ok(real.asked('x.three.example') > 0);
      uplink.close();
    });
  });
}
