/** Asks the host's DNS servers, as a stub resolver does: by UDP, and by TCP what does not fit. */
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import {
  type DnsAnswer,
  type DnsQuestion,
  encodeQuery,
  MESSAGE_BYTES_MAX,
  parseAnswer,
  resultCodes,
} from './message.ts';

const PORT = 53;
/** How long one server may take, each time (resolv.conf(5) has 5 s and two attempts). */
const TIMEOUT_MS = 3_000;
const ATTEMPTS = 2;
/** What passes every network in one piece (DNS flag day 2020). */
const UDP_BYTES_MAX = 1_232;

/** What a server said, and what we read in it. */
export interface UpstreamAnswer {
  readonly message: Uint8Array;
  readonly answer: DnsAnswer;
}

/** Each server in turn, and again; null if none has an answer. Aborting ends it at once. */
export async function askServers(
  servers: readonly string[],
  question: DnsQuestion,
  signal: AbortSignal,
): Promise<UpstreamAnswer | null> {
  let last: UpstreamAnswer | null = null;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    for (const server of servers) {
      const found = await askServer(server, question, signal).catch(() => null);
      if (signal.aborted) return null;
      if (found !== null && found.answer.code !== resultCodes.SERVFAIL) return found;
      last = found ?? last;
    }
  }
  return last;
}

async function askServer(
  server: string,
  question: DnsQuestion,
  given: AbortSignal,
): Promise<UpstreamAnswer> {
  const signal = AbortSignal.any([given, AbortSignal.timeout(TIMEOUT_MS)]);
  const found = await askByUdp(server, question, signal);
  return found.answer.truncated ? askByTcp(server, question, signal) : found;
}

/** An unguessable id and a port of its own for each question, against answers from elsewhere. */
async function askByUdp(
  server: string,
  question: DnsQuestion,
  signal: AbortSignal,
): Promise<UpstreamAnswer> {
  // One that has been aborted does not say so again.
  signal.throwIfAborted();
  const id = randomInt(0x1_0000);
  const socket = createSocket(isIPv6(server.replace(/%.*$/, '')) ? 'udp6' : 'udp4');
  const { promise, resolve, reject } = Promise.withResolvers<UpstreamAnswer>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  socket.on('error', reject);
  socket.on('message', (message) => {
    const answer = parseAnswer(message, id, question);
    if (answer !== null) resolve({ message, answer });
  });
  // Connected, so that nobody else is heard and a port nobody listens on is an error at once.
  socket.connect(PORT, server, () => socket.send(encodeQuery(id, question, UDP_BYTES_MAX)));
  try {
    return await promise;
  } finally {
    signal.removeEventListener('abort', onAbort);
    socket.close();
  }
}

async function askByTcp(
  server: string,
  question: DnsQuestion,
  signal: AbortSignal,
): Promise<UpstreamAnswer> {
  const id = randomInt(0x1_0000);
  const socket = connect({ host: server, port: PORT, signal });
  try {
    socket.write(framed(encodeQuery(id, question, UDP_BYTES_MAX)));
    for await (const message of messagesOf(socket)) {
      const answer = parseAnswer(message, id, question);
      if (answer !== null && !answer.truncated) return { message, answer };
    }
    throw new Error('the connection ended without an answer');
  } finally {
    socket.destroy();
  }
}

/** A message as TCP carries it. */
export function framed(message: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(2 + message.length);
  bytes.writeUInt16BE(message.length);
  bytes.set(message, 2);
  return bytes;
}

/** The messages of a TCP stream, RFC 1035, 4.2.2. */
export async function* messagesOf(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let rest = Buffer.alloc(0);
  for await (const chunk of stream) {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE()) {
      const end = 2 + rest.readUInt16BE();
      yield rest.subarray(2, end);
      rest = rest.subarray(end);
    }
    if (rest.length > 2 + MESSAGE_BYTES_MAX) return;
  }
}
