import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { BoxliteError } from '../../src/base/errors.ts';
import { opcodes } from '../../src/volume/fuse-protocol.ts';
import {
  DirectoryWriter,
  encodeAttributes,
  encodeInit,
  encodeReply,
} from '../../src/volume/fuse-reply.ts';
import { decodeRequest, isName } from '../../src/volume/fuse-request.ts';
import { MessageSplitter } from '../../src/volume/message-splitter.ts';
import { name, request, u32, u64 } from './fuse-client.ts';

/** Written out by hand from linux/fuse.h: what a kernel sends for `echo hi > new` and `mv new old`. */
const golden: readonly [string, object][] = [
  [
    // LOOKUP of "new" in the root.
    '2c000000010000000400000000000000010000000000000000000000000000000700000000000000' + '6e657700',
    { op: 'lookup', node: 1, unique: 4n, name: Buffer.from('new') },
  ],
  [
    // CREATE, O_WRONLY | O_CREAT | O_TRUNC | O_LARGEFILE, 0644 with umask 022.
    '3c000000230000000600000000000000010000000000000000000000000000000700000000000000' +
      '41820000a48100001200000000000000' +
      '6e657700',
    { op: 'create', flags: 0x8241, mode: 0o100644, name: Buffer.from('new') },
  ],
  [
    // RENAME2 to "old" in the same directory.
    '40000000' +
      '2d00000008000000000000000100000000000000000000000000000007000000' +
      '00000000' +
      '01000000000000000000000000000000' +
      '6e6577006f6c6400',
    {
      op: 'rename',
      target: 1,
      flags: 0,
      name: Buffer.from('new'),
      targetName: Buffer.from('old'),
    },
  ],
];

test('requests of a kernel are read', () => {
  for (const [hex, expected] of golden) {
    const decoded: Record<string, unknown> = { ...decodeRequest(Buffer.from(hex, 'hex')) };
    for (const [field, value] of Object.entries(expected)) {
      assert.deepEqual(decoded[field], value, field);
    }
  }
});

test('every operation is read from as many bytes as it has, and from no others', () => {
  const bodies: [number, Uint8Array[]][] = [
    [opcodes.getattr, [u32(0), u32(0), u64(0)]],
    [opcodes.setattr, [Buffer.alloc(88)]],
    [opcodes.readlink, []],
    [opcodes.symlink, [name('a'), name('../b')]],
    [opcodes.mknod, [Buffer.alloc(16), name('a')]],
    [opcodes.mkdir, [Buffer.alloc(8), name('a')]],
    [opcodes.unlink, [name('a')]],
    [opcodes.rmdir, [name('a')]],
    [opcodes.rename, [u64(1), name('a'), name('b')]],
    [opcodes.link, [u64(1), name('a')]],
    [opcodes.open, [Buffer.alloc(8)]],
    [opcodes.read, [Buffer.alloc(40)]],
    [opcodes.write, [u64(1), u64(0), u32(2), Buffer.alloc(20), Buffer.from('hi')]],
    [opcodes.statfs, []],
    [opcodes.release, [Buffer.alloc(24)]],
    [opcodes.fsync, [Buffer.alloc(16)]],
    [opcodes.setxattr, [u32(2), u32(0), name('user.a'), Buffer.from('hi')]],
    [opcodes.getxattr, [Buffer.alloc(8), name('user.a')]],
    [opcodes.listxattr, [Buffer.alloc(8)]],
    [opcodes.removexattr, [name('user.a')]],
    [opcodes.flush, [Buffer.alloc(24)]],
    [opcodes.opendir, [Buffer.alloc(8)]],
    [opcodes.readdir, [Buffer.alloc(40)]],
    [opcodes.readdirplus, [Buffer.alloc(40)]],
    [opcodes.releasedir, [Buffer.alloc(24)]],
    [opcodes.fsyncdir, [Buffer.alloc(16)]],
    [opcodes.access, [Buffer.alloc(8)]],
    [opcodes.interrupt, [u64(4)]],
    [opcodes.destroy, []],
    [opcodes.batchForget, [u32(1), u32(0), u64(2), u64(1)]],
    [opcodes.fallocate, [Buffer.alloc(32)]],
    [opcodes.lseek, [Buffer.alloc(24)]],
    [opcodes.copyFileRange, [Buffer.alloc(56)]],
  ];
  for (const [opcode, body] of bodies) {
    const message = request(opcode, 2, 1, ...body);
    assert.notEqual(decodeRequest(message).op, 'unknown');
    for (const wrong of [
      request(opcode, 2, 1, ...body, Buffer.of(0)),
      request(opcode, 2, 1, ...cut(body)),
    ]) {
      if (wrong.length === message.length) continue;
      assert.throws(() => decodeRequest(wrong), isBreach, `operation ${opcode}`);
    }
  }
});

function cut(body: readonly Uint8Array[]): Uint8Array[] {
  const whole = Buffer.concat(body);
  return [whole.subarray(0, Math.max(0, whole.length - 1))];
}

function isBreach(error: unknown): boolean {
  return BoxliteError.is(error, 'Portal');
}

test('what is no name is a breach', () => {
  for (const wrong of ['.', '..', 'a/b', '/', '']) {
    assert.ok(!isName(Buffer.from(wrong)));
    assert.throws(() => decodeRequest(request(opcodes.lookup, 2, 1, name(wrong))), isBreach);
  }
  const long = decodeRequest(request(opcodes.lookup, 2, 1, name('x'.repeat(256))));
  assert.equal(long.op === 'refused' && long.code, 'ENAMETOOLONG');
  for (const right of ['...', '.a', 'x'.repeat(255), '\xff'.repeat(100)]) {
    assert.ok(isName(Buffer.from(right, 'latin1')));
  }
  assert.throws(() => decodeRequest(request(opcodes.lookup, 2, 1, Buffer.from('open'))), isBreach);
});

test('garbage is a request or a breach, and nothing else', () => {
  fc.assert(
    fc.property(fc.nat(60), fc.uint8Array({ maxLength: 200 }), (opcode, body) => {
      try {
        decodeRequest(request(opcode, 2, 1, body));
      } catch (error) {
        assert.ok(isBreach(error), String(error));
      }
    }),
  );
});

test('a stream is cut into the same requests however it arrives', () => {
  const message = fc.tuple(fc.nat(60), fc.uint8Array({ maxLength: 300 }));
  fc.assert(
    fc.property(fc.array(message), fc.array(fc.integer({ min: 1, max: 90 })), (messages, cuts) => {
      const sent = messages.map(([opcode, body]) => request(opcode, 2, 1, body));
      const stream = Buffer.concat(sent);
      const splitter = new MessageSplitter();
      const got: Buffer[] = [];
      let at = 0;
      for (let i = 0; at < stream.length; i++) {
        const end = at + (cuts[i % Math.max(cuts.length, 1)] ?? 7);
        splitter.push(stream.subarray(at, end), (bytes) => got.push(Buffer.from(bytes)));
        at = end;
      }
      assert.deepEqual(got, sent);
    }),
  );
});

test('a length that no request has is a breach', () => {
  for (const length of [0, 39, 256 * 1024 + 1, 0xffffffff]) {
    assert.throws(() => new MessageSplitter().push(u32(length), () => undefined), isBreach);
  }
});

test('replies are laid out as the kernel reads them', () => {
  const reply = Buffer.from(encodeReply(5n, 2, []));
  assert.equal(reply.toString('hex'), '10000000feffffff0500000000000000');
  const init = Buffer.from(
    encodeInit({ minor: 38, readahead: 1, flags: 2, maxWrite: 3, maxPages: 4, background: 32 }),
  );
  assert.equal(
    init.toString('hex'),
    `070000001f0000000100000002000000200018000300000001000000040000000000${'00'.repeat(30)}`,
  );
  const stat = {
    type: 'file',
    mode: 0o640,
    size: 5,
    links: 2,
    mtimeNs: -1n,
    ctimeNs: 1_500_000_000n,
  } as const;
  const validity = { entryMs: 1500, attributesMs: 1500 };
  const attributes = Buffer.from(encodeAttributes({ stat, inode: 9n, uid: 3, gid: 4 }, validity));
  assert.equal(attributes.readBigUInt64LE(0), 1n);
  assert.equal(attributes.readUInt32LE(8), 500_000_000);
  assert.equal(attributes.readBigUInt64LE(16), 9n);
  assert.equal(attributes.readBigUInt64LE(24), 5n);
  // A moment before 1970 is in the second before it.
  assert.equal(attributes.readBigInt64LE(48), -1n);
  assert.equal(attributes.readUInt32LE(68), 999_999_999);
  assert.equal(attributes.readUInt32LE(76), 0o100640);
});

test('a directory is told in as many entries as there is room for', () => {
  const writer = new DirectoryWriter(72, false);
  for (const text of ['a', 'bcdefghi', 'c']) {
    if (!writer.fits(Buffer.from(text))) break;
    writer.add({ name: Buffer.from(text), type: 'directory', inode: 3n }, 1, null);
  }
  assert.equal(
    Buffer.from(writer.bytes).toString('hex'),
    '03000000000000000100000000000000010000000400000061' +
      '00000000000000' +
      '0300000000000000010000000000000008000000040000006263646566676869',
  );
});
