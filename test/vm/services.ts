/** Services that run in a box, and what talks to them from the host. */
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { Execution, LiteBox, PublishedPort } from '../../src/index.ts';
import { inTime } from './polling.ts';

const SOURCE = fileURLToPath(new URL('services/service.c', import.meta.url));
const PROGRAM = '/usr/bin/service';

/** Puts the program of `test/vm/services/` into a box. */
export async function installService(box: LiteBox): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'service-'));
  try {
    const program = join(folder, 'service');
    execFileSync('musl-gcc', [
      ...['-std=c11', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-Werror', '-Os', '-static', '-s'],
      ...['-o', program, SOURCE],
    ]);
    await box.copyIn(program, PROGRAM);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Starts a service; resolves once it listens. */
export async function serve(
  box: LiteBox,
  kind: 'echo' | 'many' | 'first' | 'once' | 'reset' | 'stall' | 'udp',
  address: string,
  port: number,
  command: readonly string[] = [],
): Promise<Execution> {
  const service = await box.run([PROGRAM, kind, address, String(port), ...command]);
  for await (const line of service.stdout() ?? []) {
    if (line === 'ready') return service;
  }
  throw new Error(`the service has ended: ${await service.stderr()?.text()}`);
}

/** A connection to a published port, which either side can end on its own. */
export async function connectTo(port: PublishedPort): Promise<Socket> {
  const host = port.hostIp === '0.0.0.0' ? '127.0.0.1' : port.hostIp;
  const socket = connect({ host, port: port.hostPort, allowHalfOpen: true });
  await inTime('a connection', once(socket, 'connect'));
  return socket;
}

/** Somebody listens there. Where nobody does in the box it resets, which can be seen before the connection is. */
export async function expectListening(port: PublishedPort): Promise<void> {
  try {
    (await connectTo(port)).destroy();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ECONNRESET') throw error;
  }
}

/** Sends bytes and an end, and reads what comes back to its end. */
export async function exchange(port: PublishedPort, sent: string | Uint8Array): Promise<Buffer> {
  const socket = await connectTo(port);
  socket.end(sent);
  return inTime('an answer', buffer(socket)).finally(() => socket.destroy());
}

/** Why a connection ended; null if nothing was wrong with it. */
export function endOf(socket: Socket): Promise<string | null> {
  let code: string | null = null;
  socket.on('error', (error: NodeJS.ErrnoException) => {
    code = error.code ?? error.message;
  });
  socket.resume();
  const ended = new Promise<string | null>((resolve) => socket.once('close', () => resolve(code)));
  return inTime('the end of a connection', ended);
}

/** A client that sends datagrams to a published port. */
export class UdpClient implements AsyncDisposable {
  readonly #socket = createSocket('udp4');
  readonly #port: PublishedPort;

  constructor(port: PublishedPort) {
    this.#port = port;
  }

  send(datagram: Uint8Array): void {
    this.#socket.send(datagram, this.#port.hostPort, '127.0.0.1');
  }

  /** The answer to a datagram. It is sent again and again: on its way it may be lost. */
  async ask(datagram: Uint8Array): Promise<Buffer> {
    const again = setInterval(() => this.send(datagram), 1_000);
    try {
      this.send(datagram);
      const [answer] = await inTime('a datagram', once(this.#socket, 'message'));
      return answer as Buffer;
    } finally {
      clearInterval(again);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
  }
}
