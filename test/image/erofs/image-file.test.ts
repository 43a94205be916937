import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import { BoxliteError } from '../../../src/base/errors.ts';
import { ImageFile } from '../../../src/image/erofs/image-file.ts';
import { checkNode } from '../../../src/image/erofs/limits.ts';
import type { Attributes, Directory, Node } from '../../../src/image/tree.ts';
import { readErofs, type Seen } from '../support/erofs-reader.ts';

const home = mkdtempSync(join(tmpdir(), 'boxlite-erofs-'));
after(() => rmSync(home, { recursive: true, force: true }));

const plain: Attributes = {
  permissions: 0o755,
  uid: 0,
  gid: 0,
  seconds: 0,
  nanoseconds: 0,
  xattrs: [],
};

/** A tree before it has a place: contents stand where their extents will. */
type Plan =
  | { kind: 'directory'; attributes: Attributes; entries: Map<string, Plan> }
  | { kind: 'file'; attributes: Attributes; content: Buffer }
  | Exclude<Node, { kind: 'directory' | 'file' }>;

const directory = (
  entries: Record<string, Plan> = {},
  attributes = plain,
): Plan & { kind: 'directory' } => ({
  kind: 'directory',
  attributes,
  entries: new Map(Object.entries(entries)),
});
const file = (content: Buffer | string, attributes = plain): Plan => ({
  kind: 'file',
  attributes,
  content: Buffer.from(content),
});

/** Writes a tree; the same plan under two names is one file. */
async function write(root: Plan & { kind: 'directory' }, name = 'image'): Promise<Buffer> {
  const path = join(home, name);
  await using image = await ImageFile.create(path);
  const placed = new Map<Plan, Node>();
  const place = async (plan: Plan): Promise<Node> => {
    const node = placed.get(plan) ?? (await placeNew(plan));
    placed.set(plan, node);
    return node;
  };
  const placeNew = async (plan: Plan): Promise<Node> => {
    if (plan.kind === 'directory') return await placeDirectory(plan);
    if (plan.kind !== 'file') return plan;
    const content = image.reserve(plan.content.length);
    const writer = image.fill(content);
    await writer.write(plan.content);
    await writer.end();
    return { ...plan, content };
  };
  const placeDirectory = async (plan: Plan & { kind: 'directory' }): Promise<Directory> => {
    const entries = new Map<string, Node>();
    for (const [key, inner] of plan.entries) entries.set(key, await place(inner));
    return { kind: 'directory', attributes: plan.attributes, entries };
  };
  await image.finish(await placeDirectory(root));
  return readFileSync(path);
}

/** What a reader should see. */
function expected(root: Plan): Map<string, Omit<Seen, 'inode' | 'links'>> {
  const seen = new Map<string, Omit<Seen, 'inode' | 'links'>>();
  const walk = (path: string, plan: Plan) => {
    const { attributes: at } = plan;
    seen.set(path, {
      type: plan.kind,
      mode: at.permissions,
      uid: at.uid,
      gid: at.gid,
      size:
        plan.kind === 'file'
          ? plan.content.length
          : plan.kind === 'symlink'
            ? plan.target.length
            : 0,
      seconds: BigInt(at.seconds),
      nanoseconds: at.nanoseconds,
      device: 'major' in plan ? `${plan.major}:${plan.minor}` : null,
      target: plan.kind === 'symlink' ? plan.target : null,
      sha256: plan.kind === 'file' ? createHash('sha256').update(plan.content).digest('hex') : null,
      xattrs: Object.fromEntries(
        at.xattrs.map(({ name, value }) => [name, Buffer.from(value).toString('hex')]),
      ),
    });
    if (plan.kind !== 'directory') return;
    for (const [name, inner] of plan.entries) walk(path === '' ? name : `${path}/${name}`, inner);
  };
  walk('', root);
  return seen;
}

async function check(root: Plan & { kind: 'directory' }): Promise<void> {
  const seen = readErofs(await write(root));
  const found = new Map([...seen].map(([path, { inode: _, links: __, ...rest }]) => [path, rest]));
  const wanted = expected(root);
  assert.deepEqual([...found.keys()].sort(), [...wanted.keys()].sort());
  for (const [path, file] of wanted) assert.deepEqual(found.get(path), file, JSON.stringify(path));
  execFileSync('fsck.erofs', [join(home, 'image')], { stdio: 'pipe' });
}

const byteString = (constraints: { minLength: number; maxLength: number }) =>
  fc.uint8Array(constraints).map((bytes) => Buffer.from(bytes).toString('latin1'));
const name = byteString({ minLength: 1, maxLength: 20 }).filter(
  (text) => !/[/\0]/.test(text) && text !== '.' && text !== '..',
);
const xattr = fc.record({
  name: fc
    .tuple(fc.constantFrom('user.', 'trusted.', 'security.'), name)
    .map((parts) => parts.join('')),
  value: fc.uint8Array({ maxLength: 300 }),
});
const attributes: fc.Arbitrary<Attributes> = fc.record({
  permissions: fc.nat(0o7777),
  uid: fc.nat(0xffffffff),
  gid: fc.nat(0xffffffff),
  seconds: fc.maxSafeInteger(),
  nanoseconds: fc.nat(999_999_999),
  xattrs: fc.uniqueArray(xattr, { maxLength: 3, selector: (each) => each.name }),
});
const { tree } = fc.letrec<{ tree: Plan & { kind: 'directory' }; node: Plan }>((tie) => ({
  tree: fc.record({
    kind: fc.constant('directory' as const),
    attributes,
    entries: fc
      .uniqueArray(fc.tuple(name, tie('node')), { maxLength: 8, selector: ([key]) => key })
      .map((entries) => new Map(entries)),
  }),
  node: fc.oneof(
    { depthSize: 'small' },
    fc.record({
      kind: fc.constant('file' as const),
      attributes,
      content: fc.uint8Array({ maxLength: 9000, size: 'max' }).map((bytes) => Buffer.from(bytes)),
    }),
    fc.record({
      kind: fc.constant('symlink' as const),
      attributes,
      target: byteString({ minLength: 1, maxLength: 4095 }),
    }),
    fc.record({
      kind: fc.constantFrom('character' as const, 'block' as const),
      attributes,
      major: fc.nat(0xfff),
      minor: fc.nat(0xfffff),
    }),
    fc.record({ kind: fc.constantFrom('fifo' as const, 'socket' as const), attributes }),
    tie('tree'),
  ),
}));

describe('an EROFS image', () => {
  test('holds any tree exactly, and fsck.erofs finds no fault', async () => {
    await fc.assert(fc.asyncProperty(tree, check), { numRuns: 150, seed: 5 });
  });

  test('holds an empty root', async () => {
    await check(directory());
  });

  test('holds directories of any size up to many blocks', async () => {
    for (const count of [1, 100, 227, 228, 229, 341, 342, 2000]) {
      const names = Array.from({ length: count }, (_, i) => [`entry${i}`, file('')] as const);
      await check(directory({ many: directory(Object.fromEntries(names)) }));
    }
  });

  test('holds directories whose last block is just full, or just not', async () => {
    for (let length = 1; length <= 255; length += 2) {
      const entries = Array.from(
        { length: 15 },
        (_, i) => [`${i}`.padStart(255, 'n'), file('x')] as const,
      );
      const last = [['z'.repeat(length), directory()]] as const;
      await check(directory(Object.fromEntries([...entries, ...last])));
    }
  });

  test('holds links up to the longest, at any place in a block', async () => {
    const link = (length: number): Plan => ({
      kind: 'symlink',
      attributes: plain,
      target: 't'.repeat(length),
    });
    const entries = Array.from({ length: 60 }, (_, i) => [`l${i}`, link(4095 - i * 67)] as const);
    await check(directory(Object.fromEntries(entries)));
  });

  test('holds attributes up to what the format counts', async () => {
    const value = Buffer.alloc(65535, 7);
    const xattrs = ['user.a', 'user.b', 'user.c'].map((each) => ({ name: each, value }));
    const acl = { name: 'system.posix_acl_access', value: Buffer.from('0200000001000600', 'hex') };
    await check(
      directory({ f: file('x', { ...plain, xattrs: [...xattrs, acl] }) }, { ...plain, xattrs }),
    );
  });

  test('sorts names by their bytes, "." and ".." among them', async () => {
    const names = ['!', '-', '.a', '..b', '...', 'a', '\xff', '\x01', 'A', ' '];
    await check(directory(Object.fromEntries(names.map((each) => [each, file(each)]))));
  });

  test('keeps hard links as one inode', async () => {
    const shared = file('shared');
    const link: Plan = { kind: 'symlink', attributes: plain, target: 'a' };
    const root = directory({ a: shared, d: directory({ b: shared, l: link }), m: link });
    await check(root);
    const seen = readErofs(await write(root));
    assert.equal(seen.get('a')?.inode, seen.get('d/b')?.inode);
    assert.deepEqual([seen.get('a')?.links, seen.get('m')?.links, seen.get('')?.links], [2, 2, 3]);
  });

  test('holds a deep tree', async () => {
    let deep = directory({ leaf: file('x') });
    for (let depth = 0; depth < 500; depth++) deep = directory({ d: deep });
    await check(deep);
  });

  test('leaves zeros out of the file on the host', async () => {
    const content = Buffer.concat([Buffer.alloc(1 << 20), Buffer.from('end')]);
    await check(directory({ a: file(content), b: file('after') }));
  });

  test('is the same for the same tree', async () => {
    const root = () => directory({ a: file('1'), b: directory({ c: file('2'.repeat(5000)) }) });
    assert.ok((await write(root(), 'one')).equals(await write(root(), 'two')));
  });
});

describe('ImageFile', () => {
  test('leaves nothing when it is given up', async () => {
    {
      await using image = await ImageFile.create(join(home, 'given-up'));
      const content = image.fill(image.reserve(3_000_000));
      await content.write(Buffer.alloc(2_000_000, 1));
    }
    assert.deepEqual(
      readdirSync(home).filter((each) => each.startsWith('given-up')),
      [],
    );
  });

  test('shows itself under its name only when it is finished', async () => {
    const path = join(home, 'late');
    await using image = await ImageFile.create(path);
    assert.ok(!existsSync(path));
    await image.finish({ kind: 'directory', attributes: plain, entries: new Map() });
    assert.ok(existsSync(path));
  });

  test('refuses more or less content than announced', async () => {
    await using image = await ImageFile.create(join(home, 'sizes'));
    const content = image.fill(image.reserve(3));
    await assert.rejects(content.write(Buffer.alloc(4)), RangeError);
    await assert.rejects(content.end(), RangeError);
  });

  test('says where it cannot write', async () => {
    await assert.rejects(
      ImageFile.create(join(home, 'no', 'where')),
      (error) => BoxliteError.is(error, 'Storage') && error.message.includes('where'),
    );
  });
});

describe('checkNode() refuses', () => {
  const cases: [string, Node][] = [
    ['an owner beyond 32 bits', { kind: 'fifo', attributes: { ...plain, uid: 2 ** 32 } }],
    ['a negative group', { kind: 'fifo', attributes: { ...plain, gid: -1 } }],
    [
      'a minor device number beyond 20 bits',
      { kind: 'block', attributes: plain, major: 1, minor: 2 ** 20 },
    ],
    [
      'a link target of 4096 bytes',
      { kind: 'symlink', attributes: plain, target: 't'.repeat(4096) },
    ],
    ...[
      ['an attribute of another kind', [{ name: 'system.x', value: Buffer.alloc(1) }]] as const,
      ['an attribute of 64 KiB', [{ name: 'user.x', value: Buffer.alloc(65536) }]] as const,
      [
        'an attribute name of 256 bytes',
        [{ name: `user.${'n'.repeat(256)}`, value: Buffer.alloc(1) }],
      ] as const,
      [
        'more attributes than the format counts',
        Array.from({ length: 5 }, (_, i) => ({ name: `user.${i}`, value: Buffer.alloc(65000) })),
      ] as const,
    ].map(([what, xattrs]): [string, Node] => [
      what,
      { kind: 'fifo', attributes: { ...plain, xattrs } },
    ]),
  ];
  for (const [what, node] of cases) {
    test(what, () => {
      assert.throws(
        () => checkNode('x', node),
        (error) => BoxliteError.is(error, 'Image'),
      );
    });
  }
});
