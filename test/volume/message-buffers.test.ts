import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VolumeFile, VolumeProvider } from '../../src/index.ts';
import { opcodes } from '../../src/volume/fuse-protocol.ts';
import { MessageBuffers } from '../../src/volume/message-buffers.ts';
import { VolumeServer } from '../../src/volume/server.ts';
import { FuseClient, request, u32, u64 } from './fuse-client.ts';

const LARGE = 200_000;

test('a large buffer is used again once it was given back, by one at a time', () => {
  const buffers = new MessageBuffers();
  const first = buffers.take(LARGE);
  assert.equal(first.length, LARGE);
  assert.notEqual(buffers.take(LARGE).buffer, first.buffer);
  buffers.give(first.subarray(100));
  // Whoever gives it twice does not have it taken twice.
  buffers.give(first);
  const again = buffers.take(LARGE + 1);
  assert.equal(again.buffer, first.buffer);
  assert.equal(again.length, LARGE + 1);
  assert.notEqual(buffers.take(LARGE).buffer, first.buffer);
});

test('what is small, or of others, is not kept', () => {
  const buffers = new MessageBuffers();
  const others = [buffers.take(100), new Uint8Array(256 * 1024)];
  for (const bytes of others) buffers.give(bytes);
  assert.ok(others.every((bytes) => bytes.buffer !== buffers.take(LARGE).buffer));
});

/** A file whose every byte is 0, then 1, and so on, at each reading; and what memory it was read into. */
function counting() {
  const seen: ArrayBufferLike[] = [];
  const written: string[] = [];
  const file: VolumeFile = {
    read: async (length, _, into) => {
      seen.push(into.buffer);
      return into.subarray(0, length).fill(seen.length - 1);
    },
    write: async (bytes) => void written.push(`${bytes.length} of ${bytes[0]}`),
    close: async () => undefined,
  };
  const stat = { type: 'file', mode: 0o644, size: 1e9 } as const;
  const node = { stat: async () => stat, open: async () => file };
  const provider: VolumeProvider = { root: async () => ({ node, stat }) };
  return { provider, seen, written };
}

test('a reply is made in memory of an earlier one, unless that has not left', async () => {
  const { provider, seen } = counting();
  const replies: Uint8Array[] = [];
  let left = true;
  const root = await provider.root();
  const server = new VolumeServer({
    ...{ provider, root, readOnly: false, owner: { uid: 0, gid: 0 } },
    send: async (reply) => {
      replies.push(reply);
      return left;
    },
    consumed: () => undefined,
    failed: (reason) => assert.fail(reason),
  });
  const ask = async (opcode: number, ...body: Uint8Array[]) => {
    const count = replies.length;
    server.receive(request(opcode, count + 1, 1, ...body));
    while (replies.length === count) await new Promise(setImmediate);
    return Buffer.from(replies[count] ?? []);
  };
  const handle = (await ask(opcodes.open, u32(2), u32(0))).readBigUInt64LE(16);
  const rest = [u32(0), u64(0), u32(0), u32(0)];
  const read = () => ask(opcodes.read, u64(handle), u64(0), u32(LARGE), ...rest);
  for (let i = 0; i < 4; i++) {
    left = i !== 1;
    const reply = await read();
    assert.equal(reply.length, 16 + LARGE);
    assert.equal(reply.readInt32LE(4), 0);
    assert.ok(reply.subarray(16).equals(Buffer.alloc(LARGE, i)));
    await new Promise(setImmediate);
  }
  assert.equal(seen[1], seen[0]);
  assert.notEqual(seen[2], seen[1]);
  assert.equal(seen[3], seen[2]);
  await server.close();
});

test('what is written in pieces arrives whole, one after the other in the same memory', async () => {
  const { provider, written } = counting();
  await using client = await FuseClient.of(provider);
  const handle = (await client.ask(opcodes.open, 1, u32(2), u32(0))).readBigUInt64LE(0);
  const rest = [u32(0), u64(0), u32(0), u32(0)];
  const receive = client.server.receive.bind(client.server);
  client.server.receive = (bytes) => {
    for (let at = 0; at < bytes.length; at += 65_536) receive(bytes.subarray(at, at + 65_536));
  };
  for (let i = 0; i < 3; i++) {
    const data = Buffer.alloc(LARGE + i, i);
    await client.ask(opcodes.write, 1, u64(handle), u64(0), u32(data.length), ...rest, data);
  }
  assert.deepEqual(
    written,
    [0, 1, 2].map((i) => `${LARGE + i} of ${i}`),
  );
});
