/** What a relay does with a box that keeps to no rule, and with a client that does not read. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { Writable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { BoxliteError } from '../../src/base/errors.ts';
import { GatheredWrites } from '../../src/network/gathered-writes.ts';
import { relay } from '../../src/network/relay.ts';
import type { BoxConnection, BoxConnectionEvents } from '../../src/spec/parts.ts';

/** The box's end of a connection, in the test's hands. */
class FakeBox implements BoxConnection {
  events!: BoxConnectionEvents;
  readonly said: string[] = [];
  used = 0;
  readonly written: Uint8Array[] = [];
  /** Resolves writes, which otherwise wait. */
  taking = true;

  write(data: Uint8Array): Promise<void> {
    this.written.push(data);
    return this.taking ? Promise.resolve() : new Promise(() => undefined);
  }
  end(): void {
    this.said.push('end');
  }
  consumed(bytes: number): void {
    this.used += bytes;
  }
  reset(why: { code: string }): void {
    this.said.push(`reset ${why.code}`);
    this.events.closed(new BoxliteError('Portal', 'reset'));
  }
}

let server: Server;
before(async () => {
  server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
});
after(() => server.close());

/** A client whose connection is relayed to a box. */
async function relayed() {
  const { port } = server.address() as AddressInfo;
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const [socket] = await accepted;
  const box = new FakeBox();
  const over = Promise.withResolvers<void>();
  socket.on('error', () => undefined);
  relay(
    socket,
    (_, events) => {
      box.events = events;
      return box;
    },
    { protocol: 'tcp', port: 80 },
    over.resolve,
  );
  return { client, socket, box, over: over.promise };
}

function codeOf(client: Socket): Promise<string | null> {
  const { promise, resolve } = Promise.withResolvers<string | null>();
  let code: string | null = null;
  client.on('error', (error: NodeJS.ErrnoException) => {
    code = error.code ?? null;
  });
  client.once('close', () => resolve(code)).resume();
  return promise;
}

test('each direction ends on its own, and then nothing is left', async () => {
  const { client, box, over } = await relayed();
  client.end('question');
  while (!box.said.includes('end')) await new Promise(setImmediate);
  box.events.data(Buffer.from('answer'));
  box.events.end();
  assert.equal(String(await buffer(client)), 'answer');
  box.events.closed(null);
  await over;
  assert.deepEqual(box.said, ['end']);
  assert.equal(String(Buffer.concat(box.written)), 'question');
  assert.equal(box.used, 'answer'.length);
});

test('a refused or broken connection is reset', async () => {
  const { client, box, over } = await relayed();
  const code = codeOf(client);
  box.events.closed(new BoxliteError('Run', 'refused'));
  assert.equal(await code, 'ECONNRESET');
  await over;
});

test('a client that goes is told to the box', async () => {
  const { client, box, over } = await relayed();
  client.on('error', () => undefined);
  client.resetAndDestroy();
  await over;
  assert.deepEqual(box.said, ['reset reset']);
});

test('a box that closes without having ended takes the client along', async () => {
  const { client, box, over } = await relayed();
  const code = codeOf(client);
  box.events.data(Buffer.from('x'));
  box.events.closed(null);
  // It ends its side only now.
  client.end();
  assert.equal(await code, null);
  await over;
});

test('bytes for a client that does not read are not counted as used', async () => {
  const { client, box, over } = await relayed();
  client.pause();
  const chunk = new Uint8Array(64 * 1024);
  let sent = 0;
  while (sent - box.used < 1024 * 1024) {
    box.events.data(chunk);
    sent += chunk.length;
    await new Promise(setImmediate);
  }
  let got = 0;
  client.on('data', (piece) => {
    got += piece.length;
  });
  box.events.end();
  await once(client.resume(), 'end');
  assert.equal(got, sent);
  client.end();
  while (!box.said.includes('end')) await new Promise(setImmediate);
  box.events.closed(null);
  await over;
  assert.equal(box.used, got);
});

test('small pieces share memory while they wait', async () => {
  const chunks: Uint8Array[] = [];
  const waiting: (() => void)[] = [];
  const slow = new Writable({
    highWaterMark: 1,
    write(chunk: Uint8Array, _encoding, done) {
      chunks.push(chunk);
      waiting.push(done);
    },
  });
  let used = 0;
  const writes = new GatheredWrites(slow, (bytes) => {
    used += bytes;
  });
  const large = new Uint8Array(32 * 1024).fill(1);
  // Each of these would hold on to what it came in.
  const tiny = () => new Uint8Array(64 * 1024).subarray(0, 1);
  writes.push(large);
  for (let i = 0; i < 1000; i++) writes.push(tiny());
  writes.push(large);
  writes.push(tiny());
  writes.end();
  while (!slow.writableFinished) {
    waiting.shift()?.();
    await new Promise(setImmediate);
  }
  assert.deepEqual(
    chunks.map(({ length }) => length),
    [large.length, 1000, large.length, 1],
  );
  assert.equal(used, 2 * large.length + 1001);
});

test('a box that takes nothing stops the reading', async () => {
  const { client, socket, box, over } = await relayed();
  box.taking = false;
  client.on('error', () => undefined);
  client.write(new Uint8Array(32 * 1024 * 1024));
  const taken = () => box.written.reduce((sum, { length }) => sum + length, 0);
  let before = -1;
  while (taken() !== before || before === 0) {
    before = taken();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.ok(taken() < 1024 * 1024, `${taken()} bytes wait`);
  socket.destroy();
  await over;
  client.destroy();
});
