/** A name server for tests, by UDP and TCP, that answers from a table and remembers what it was asked. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { encodeAnswer, fitted, parseQuery, resultCodes } from '../../src/network/dns/message.ts';
import { framed, messagesOf } from '../../src/network/dns/upstream.ts';
import { parseIpAddress } from '../../src/spec/ip-address.ts';
import { servers } from './namespace.ts';

/** What a name has: addresses, or records of any type. */
export interface Zone {
  [name: string]: readonly (string | { readonly type: number; readonly data: Uint8Array })[];
}

/** See the top of this file. Its table may be changed at any time. */
export class NameServer implements AsyncDisposable {
  readonly asked: string[] = [];
  readonly zone: Zone;
  ttlSeconds = 60;
  readonly #udp = createSocket('udp4');
  readonly #tcp = createServer(async (socket) => {
    socket.on('error', () => undefined);
    for await (const message of messagesOf(socket)) {
      const found = this.#answer(message);
      if (found !== null) socket.write(framed(found.answer));
    }
    socket.end();
  });

  constructor(zone: Zone) {
    this.zone = zone;
    this.#udp.on('message', (message, from) => {
      const found = this.#answer(message);
      if (found !== null)
        this.#udp.send(fitted(found.answer, found.query), from.port, from.address);
    });
  }

  async listen(): Promise<this> {
    this.#udp.bind(53, servers.names);
    this.#tcp.listen(53, servers.names);
    await Promise.all([once(this.#udp, 'listening'), once(this.#tcp, 'listening')]);
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#udp.close();
    this.#tcp.close();
  }

  #answer(message: Uint8Array) {
    const query = parseQuery(message);
    if (query === null) return null;
    const { name, type } = query.question;
    this.asked.push(name);
    const known = this.zone[name];
    const code = known === undefined ? resultCodes.NXDOMAIN : resultCodes.NOERROR;
    const records = (known ?? [])
      .map((entry) => {
        if (typeof entry !== 'string') return { type: entry.type, address: [...entry.data] };
        const address = parseIpAddress(entry);
        return { type: address?.family === 6 ? 28 : 1, address: [...(address?.bytes ?? [])] };
      })
      .filter((record) => record.type === type);
    const timed = records.map((record) => ({ ...record, ttlSeconds: this.ttlSeconds }));
    return { answer: encodeAnswer(query, code, timed), query };
  }
}
