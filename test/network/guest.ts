/** A box's end of its network, without a box: what the stack would hand to an uplink. */
import { randomInt } from 'node:crypto';
import { type Duplex, duplexPair } from 'node:stream';
import { GATEWAY } from '../../src/network/addresses.ts';
import type {
  Carrier,
  CarrierEvents,
  Endpoint,
  RefusalKind,
  Uplink,
} from '../../src/network/connection.ts';
import { encodeQuery, parseAnswer } from '../../src/network/dns/message.ts';
import { framed, messagesOf } from '../../src/network/dns/upstream.ts';

const from = { address: '192.168.127.2', port: 40_000 };
let ids = 0;

/** Connects; a refusal is an error that names its kind. */
export function connectThrough(uplink: Uplink, to: Endpoint): Promise<Duplex> {
  const { promise, resolve, reject } = Promise.withResolvers<Duplex>();
  const signal = new AbortController().signal;
  const accept = () => {
    const [ours, theirs] = duplexPair();
    for (const side of [ours, theirs]) writeLater(side);
    // As a reset would have it.
    theirs.on('close', () => {
      if (!theirs.writableFinished) ours.destroy();
    });
    ours.on('close', () => {
      if (!ours.writableFinished) theirs.destroy();
    });
    resolve(ours);
    return theirs;
  };
  uplink.connection({
    id: ids++,
    from,
    to,
    signal,
    bufferBytes: 64 * 1024,
    accept,
    carry: (events) => carried(accept(), events),
    refuse: (kind) => reject(new Error(kind)),
  });
  return promise;
}

/**
 * As over the portal, the other side hears of what is written after the write, never from within it: Node's HTTP/2 ends
 * the program if it is spoken to while it speaks.
 */
function writeLater(side: Duplex): void {
  const write = side._write.bind(side);
  side._write = (...parameters) => {
    setImmediate(() => write(...parameters));
  };
}

/** A stream as a connection is carried. */
function carried(stream: Duplex, events: CarrierEvents): Carrier {
  stream.on('data', (piece: Uint8Array) => events.data(piece));
  stream.once('end', () => events.end());
  stream.on('drain', () => events.drained());
  stream.on('error', () => undefined);
  stream.once('close', () => events.closed(stream.readableEnded && stream.writableFinished));
  return {
    write: (piece) => stream.write(Uint8Array.from(piece)),
    end: () => stream.end(),
    consumed: () => undefined,
    abort: () => stream.destroy(),
  };
}

/** Sends one datagram; what comes back, or how it was refused. */
export function datagramThrough(
  uplink: Uplink,
  to: Endpoint,
  payload: Uint8Array,
): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const flow = {
    id: ids++,
    from,
    to,
    onDatagram: null as ((payload: Uint8Array) => void) | null,
    onClosed: null as (() => void) | null,
    send: (bytes: Uint8Array) => {
      resolve(bytes);
      flow.close();
    },
    refuse: (kind: RefusalKind) => {
      reject(new Error(kind));
      flow.close();
    },
    close: () => {
      flow.onClosed?.();
      flow.onClosed = null;
    },
  };
  uplink.flow(flow);
  flow.onDatagram?.(payload);
  return promise;
}

/** Asks the gateway, as a box's resolver does. */
export async function lookup(uplink: Uplink, name: string, type = 1) {
  const { question, id, message } = asked(name, type);
  const to = { address: GATEWAY.v4, port: 53 };
  const answer = await datagramThrough(uplink, to, message);
  return parseAnswer(answer, id, question);
}

/** The same by TCP. */
export async function lookupByTcp(uplink: Uplink, name: string, type = 1) {
  const { question, id, message } = asked(name, type);
  const stream = await connectThrough(uplink, { address: GATEWAY.v4, port: 53 });
  stream.write(framed(message));
  for await (const answer of messagesOf(stream)) return parseAnswer(answer, id, question);
  return null;
}

function asked(name: string, type: number) {
  const labels = name.split('.').flatMap((label) => [label.length, ...Buffer.from(label)]);
  const bytes = Uint8Array.from([...labels, 0, type >> 8, type & 0xff, 0, 1]);
  const question = { name: name.toLowerCase(), type, class: 1, bytes };
  const id = randomInt(0x1_0000);
  return { question, id, message: encodeQuery(id, question, 1_232) };
}
