import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { BoxliteError } from '../../src/base/errors.ts';
import { type BlobOrigin, BlobStore } from '../../src/image/blobs.ts';
import { sha256Digest } from '../../src/image/digest.ts';
import { collect, TestStore } from './pull-fixture.ts';

function blobOf(bytes: Uint8Array) {
  return { digest: sha256Digest(bytes), size: bytes.length, bytes };
}

/** Gives the bytes in pieces, each when it is told to, and notes how it was used. */
class GatedOrigin {
  readonly bytes: Uint8Array;
  readonly offsets: number[] = [];
  ended = 0;
  #gate = Promise.withResolvers<number>();

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** Lets so many more bytes through. */
  give(count: number): void {
    const { resolve } = this.#gate;
    this.#gate = Promise.withResolvers();
    resolve(count);
  }

  readonly open: BlobOrigin = (offset, signal) => this.#stream(offset, signal);

  async *#stream(offset: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    this.offsets.push(offset);
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason));
    });
    try {
      for (let at = offset; at < this.bytes.length; ) {
        const count = await Promise.race([this.#gate.promise, aborted]);
        yield this.bytes.subarray(at, at + count);
        at += count;
      }
    } finally {
      this.ended += 1;
    }
  }
}

const all = (bytes: Uint8Array): BlobOrigin =>
  async function* (offset) {
    for (let at = offset; at < bytes.length; at += 50_000) yield bytes.subarray(at, at + 50_000);
  };
const none: BlobOrigin = () => {
  throw new Error('not to be asked');
};
const isImageError = (message: RegExp) => (error: unknown) =>
  BoxliteError.is(error, 'Image') && message.test(error.message);

test('BlobStore gives back what was put there', async () => {
  await using temporary = await TestStore.create();
  const blob = blobOf(randomBytes(700_000));
  await using lease = await temporary.store.lease();
  assert.equal(await temporary.store.has(blob), false);
  await lease.put(blob.digest, blob.bytes);
  assert.deepEqual(await temporary.store.readAll(blob), blob.bytes);
  assert.deepEqual(await temporary.store.find(blob.digest), { digest: blob.digest, size: 700_000 });
  assert.equal(await lease.fetch(blob, none), 'cached');
  assert.deepEqual(await collect(lease.stream(blob, none)), blob.bytes);
});

test('BlobStore refuses content that is not what it is called', async () => {
  await using temporary = await TestStore.create();
  await using lease = await temporary.store.lease();
  const blob = blobOf(Buffer.from('right'));
  await assert.rejects(
    lease.put(blob.digest, Buffer.from('wrong')),
    isImageError(/another digest/),
  );
  const wrong = all(Buffer.from('wrong'));
  await assert.rejects(
    lease.fetch(blob, wrong),
    isImageError(/has the digest sha256:.*pull it again/),
  );
  await assert.rejects(collect(lease.stream(blob, wrong)), isImageError(/has the digest/));
  await assert.rejects(
    lease.fetch(blob, all(Buffer.from('right and more'))),
    isImageError(/longer than 5/),
  );
  await assert.rejects(lease.fetch(blob, all(Buffer.from('ri'))), isImageError(/after 2 of 5/));
  assert.equal(await temporary.store.has(blob), false);
});

test('BlobStore removes content that was damaged on the disk', async () => {
  await using temporary = await TestStore.create();
  await using lease = await temporary.store.lease();
  const blob = blobOf(Buffer.from('right'));
  await lease.put(blob.digest, blob.bytes);
  const path = join(temporary.folder, 'blobs', ...blob.digest.split(':'));
  await writeFile(path, 'wrong');
  await assert.rejects(
    temporary.store.readAll(blob),
    (error) =>
      BoxliteError.is(error, 'Storage') &&
      /damaged on the disk.*pull the image again/.test(error.message),
  );
  assert.equal(await lease.fetch(blob, all(blob.bytes)), 'downloaded');
  await writeFile(path, 'longer');
  assert.equal(await temporary.store.has(blob), false);
});

test('BlobLease.stream() gives the bytes while they come, to all readers of one download', async () => {
  await using temporary = await TestStore.create();
  await using lease = await temporary.store.lease();
  const blob = blobOf(randomBytes(30));
  const origin = new GatedOrigin(blob.bytes);
  const readers = [lease.stream(blob, origin.open), lease.stream(blob, origin.open)];
  const fetched = lease.fetch(blob, origin.open);
  for (const at of [0, 10, 20]) {
    const reads = readers.map((reader) => reader.next());
    await new Promise(setImmediate);
    while (origin.offsets.length === 0) await new Promise(setImmediate);
    origin.give(10);
    for (const read of reads) {
      assert.deepEqual((await read).value, blob.bytes.subarray(at, at + 10));
    }
  }
  for (const reader of readers) assert.equal((await reader.next()).done, true);
  assert.equal(await fetched, 'downloaded');
  assert.deepEqual(origin.offsets, [0]);
});

test('BlobLease.fetch() continues where an earlier one broke off', async () => {
  await using temporary = await TestStore.create();
  await using lease = await temporary.store.lease();
  const blob = blobOf(randomBytes(300_000));
  const broken: BlobOrigin = async function* () {
    yield blob.bytes.subarray(0, 123_456);
    throw new Error('cable cut');
  };
  await assert.rejects(lease.fetch(blob, broken), /cable cut/);
  const offsets: number[] = [];
  const rest: BlobOrigin = (offset, signal) => {
    offsets.push(offset);
    return all(blob.bytes)(offset, signal);
  };
  const seen: number[] = [];
  assert.equal(
    await lease.fetch(blob, rest, { onBytes: (bytes) => seen.push(bytes) }),
    'downloaded',
  );
  assert.deepEqual(offsets, [123_456]);
  assert.deepEqual([seen[0], seen.at(-1)], [123_456, 300_000]);
});

test('BlobLease.fetch() starts anew when what was left is no good', async () => {
  await using temporary = await TestStore.create();
  await using lease = await temporary.store.lease();
  const blob = blobOf(randomBytes(1000));
  const partial = join(temporary.folder, 'partial', blob.digest.replace(':', '-'));
  await writeFile(partial, randomBytes(500));
  await assert.rejects(lease.fetch(blob, all(blob.bytes)), isImageError(/has the digest/));
  await writeFile(partial, randomBytes(5000));
  assert.equal(await lease.fetch(blob, all(blob.bytes)), 'downloaded');
});

test('BlobLease.fetch() goes on for the others when one is aborted, and ends with the last', async () => {
  await using temporary = await TestStore.create();
  await using lease = await temporary.store.lease();
  const blob = blobOf(randomBytes(20));
  const origin = new GatedOrigin(blob.bytes);
  const [one, two] = [new AbortController(), new AbortController()];
  const first = lease.fetch(blob, origin.open, { signal: one.signal });
  const second = lease.fetch(blob, origin.open, { signal: two.signal });
  while (origin.offsets.length === 0) await new Promise(setImmediate);
  one.abort(new Error('first out'));
  await assert.rejects(first, /first out/);
  assert.equal(origin.ended, 0);
  two.abort(new Error('second out'));
  await assert.rejects(second, /second out/);
  assert.equal(origin.ended, 1);
  const files = await readdir(join(temporary.folder, 'partial'));
  assert.equal(files.filter((file) => file.includes('sha256') && file.includes('.lock')).length, 0);
});

test('BlobLease.stream() ends the download when its only reader stops', async () => {
  await using temporary = await TestStore.create();
  await using lease = await temporary.store.lease();
  const blob = blobOf(randomBytes(20));
  const origin = new GatedOrigin(blob.bytes);
  const stream = lease.stream(blob, origin.open);
  const read = stream.next();
  while (origin.offsets.length === 0) await new Promise(setImmediate);
  origin.give(5);
  assert.deepEqual((await read).value, blob.bytes.subarray(0, 5));
  await stream.return(undefined);
  assert.equal(origin.ended, 1);
});

test('two stores of one folder download a blob once, and the second sees how far the first is', async () => {
  await using temporary = await TestStore.create();
  const other = await BlobStore.open(temporary.folder);
  await using mine = await temporary.store.lease();
  await using theirs = await other.lease();
  const blob = blobOf(randomBytes(20));
  const origin = new GatedOrigin(blob.bytes);
  const first = mine.fetch(blob, origin.open);
  while (origin.offsets.length === 0) await new Promise(setImmediate);
  const halfway = Promise.withResolvers<void>();
  const onBytes = (bytes: number) => bytes === 10 && halfway.resolve();
  const second = theirs.fetch(blob, none, { onBytes });
  const stream = collect(theirs.stream(blob, none));
  origin.give(10);
  await halfway.promise;
  origin.give(10);
  assert.deepEqual([await first, await second], ['downloaded', 'cached']);
  assert.deepEqual(await stream, blob.bytes);
});

test('BlobStore.prune() removes what is not needed and says how much that was', async () => {
  await using temporary = await TestStore.create();
  const { store, folder } = temporary;
  const [kept, dropped] = [blobOf(randomBytes(100)), blobOf(randomBytes(200))];
  const lease = await store.lease();
  for (const { digest, bytes } of [kept, dropped]) await lease.put(digest, bytes);
  await lease[Symbol.asyncDispose]();
  await writeFile(join(folder, 'partial', `sha256-${'0'.repeat(64)}`), Buffer.alloc(50));
  const result = await store.prune(() => new Set([kept.digest]));
  assert.deepEqual(result, { digests: [dropped.digest], bytes: 250 });
  assert.deepEqual([await store.has(kept), await store.has(dropped)], [true, false]);
  assert.deepEqual(await readdir(join(folder, 'partial')), []);
});

test('BlobStore.prune() waits for leases and asks what is needed only then', async () => {
  await using temporary = await TestStore.create();
  const other = await BlobStore.open(temporary.folder);
  const blob = blobOf(randomBytes(100));
  const needed = new Set<string>();
  const lease = await temporary.store.lease();
  const pruned = other.prune(() => needed);
  await lease.put(blob.digest, blob.bytes);
  needed.add(blob.digest);
  await lease[Symbol.asyncDispose]();
  assert.deepEqual(await pruned, { digests: [], bytes: 0 });
  assert.ok(await other.has(blob));
});

test('BlobStore says which file it could not write', async () => {
  await using temporary = await TestStore.create();
  const file = join(temporary.folder, 'file');
  await writeFile(file, '');
  await assert.rejects(
    BlobStore.open(file),
    (error) => BoxliteError.is(error, 'Storage') && error.message.includes(file),
  );
});
