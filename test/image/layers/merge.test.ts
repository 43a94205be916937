import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BoxliteError } from '../../../src/base/errors.ts';
import { defaultUnpackLimits, UnpackBudget } from '../../../src/image/layers/budget.ts';
import { LayerMerge } from '../../../src/image/layers/merge.ts';
import type { Directory, Node } from '../../../src/image/tree.ts';
import { type TarMember, tar } from '../support/tar-maker.ts';
import { readAll } from '../tar/read-all.ts';

/** The tree of some layers, each a list of members. Contents are told apart by their sizes. */
function merge(...layers: readonly (readonly TarMember[])[]): LayerMerge {
  let block = 1;
  const budget = new UnpackBudget(defaultUnpackLimits);
  const merged = new LayerMerge(budget, (size) => ({ block: block++, size, tail: null }));
  for (const members of layers) {
    merged.beginLayer();
    for (const entry of readAll(tar(...members))) merged.apply(entry);
  }
  return merged;
}

/** `path kind` of everything, with sizes of files and targets of links. */
function listing(directory: Directory, prefix = ''): string[] {
  return [...directory.entries].sort().flatMap(([name, node]) => {
    const path = `${prefix}${name}`;
    const inner = node.kind === 'directory' ? listing(node, `${path}/`) : [];
    return [`${path} ${describeNode(node)}`, ...inner];
  });
}

function describeNode(node: Node): string {
  if (node.kind === 'file') return `file ${node.content.size}`;
  return node.kind === 'symlink' ? `-> ${node.target}` : node.kind;
}

function refuses(problem: RegExp, ...layers: readonly (readonly TarMember[])[]): void {
  assert.throws(
    () => merge(...layers),
    (error) => BoxliteError.is(error, 'Image') && problem.test(error.message),
  );
}

const dir = (name: string, rest: Partial<TarMember> = {}) => ({ name, flag: '5', ...rest });
const file = (name: string, size = 1) => ({ name, content: 'x'.repeat(size) });
const symlink = (name: string, linkName: string) => ({ name, flag: '2', linkName });
const hardLink = (name: string, linkName: string) => ({ name, flag: '1', linkName });

describe('LayerMerge', () => {
  test('replaces files and keeps what is in a directory that comes again', () => {
    const { root } = merge(
      [dir('d', { uid: 1 }), file('d/a'), file('d/b')],
      [dir('d', { uid: 2 }), file('d/a', 5)],
    );
    assert.deepEqual(listing(root), ['d directory', 'd/a file 5', 'd/b file 1']);
    assert.equal(root.entries.get('d')?.attributes.uid, 2);
  });

  test('replaces a file by a directory, and back, and a link by a directory', () => {
    const { root } = merge(
      [file('a'), dir('b'), file('b/x'), symlink('c', 'b')],
      [dir('a'), file('a/y'), file('b'), dir('c')],
      [file('a')],
    );
    assert.deepEqual(listing(root), ['a file 1', 'b file 1', 'c directory']);
  });

  test('makes directories that no layer describes', () => {
    const { root } = merge([file('a/b/c')]);
    const made = root.entries.get('a')?.attributes;
    assert.deepEqual([made?.permissions, made?.uid, made?.seconds], [0o755, 0, 0]);
  });

  test('lets the archive describe the root, and no other type replace it', () => {
    const { root } = merge([dir('./', { mode: 0o1700, uid: 3 })]);
    assert.deepEqual([root.attributes.permissions, root.attributes.uid], [0o1700, 3]);
    refuses(/root must be a directory/, [symlink('.', '/etc')]);
    refuses(/root must be a directory/, [file('a/..')]);
  });

  test('writes through symbolic links of lower layers, within the image', () => {
    const { root } = merge(
      [dir('usr'), dir('usr/lib'), symlink('lib', 'usr/lib'), symlink('abs', '/usr')],
      [file('lib/x', 2), file('abs/y', 3), symlink('up', '../../../../usr'), file('up/z', 4)],
    );
    assert.deepEqual(listing(root), [
      'abs -> /usr',
      'lib -> usr/lib',
      'up -> ../../../../usr',
      'usr directory',
      'usr/lib directory',
      'usr/lib/x file 2',
      'usr/y file 3',
      'usr/z file 4',
    ]);
  });

  test('keeps names with ".." and absolute names within the image', () => {
    const { root } = merge([file('../../a'), file('/b'), file('c/../../d'), file('./e//f')]);
    assert.deepEqual(listing(root), [
      'a file 1',
      'b file 1',
      'd file 1',
      'e directory',
      'e/f file 1',
    ]);
  });

  test('takes ".." off before it follows links, as other tools do', () => {
    const { root } = merge([dir('x/y'), symlink('l', 'x/y'), file('l/../z')]);
    assert.deepEqual(listing(root), ['l -> x/y', 'x directory', 'x/y directory', 'z file 1']);
  });

  test('makes the target of a link that leads to nothing', () => {
    const { root } = merge([symlink('l', 'new/dir'), file('l/a')]);
    assert.deepEqual(listing(root), [
      'l -> new/dir',
      'new directory',
      'new/dir directory',
      'new/dir/a file 1',
    ]);
  });

  test('replaces a link itself when it is the last name', () => {
    const { root } = merge([dir('d'), symlink('l', 'd')], [file('l')]);
    assert.deepEqual(listing(root), ['d directory', 'l file 1']);
  });

  test('shares the node a hard link names, across layers', () => {
    const { root } = merge(
      [file('a', 3)],
      [hardLink('b', 'a'), symlink('s', 'a'), hardLink('t', '/s')],
    );
    assert.equal(root.entries.get('a'), root.entries.get('b'));
    assert.equal(root.entries.get('s'), root.entries.get('t'));
  });

  test('leaves the other names of a file that is replaced', () => {
    const { root } = merge([file('a', 3), hardLink('b', 'a')], [file('a', 4)]);
    assert.deepEqual(listing(root), ['a file 4', 'b file 3']);
  });

  test('refuses hard links to nothing, to directories, and to what they replace', () => {
    refuses(/hard link to "b", which does not exist/, [hardLink('a', 'b')]);
    refuses(/which is a directory/, [dir('b'), hardLink('a', 'b')]);
    refuses(/which does not exist/, [file('a'), hardLink('a', 'a')]);
    refuses(/which does not exist/, [dir('a'), hardLink('b', '..')]);
  });

  test('refuses to go through a file', () => {
    refuses(/"a" on its way is a file/, [file('a'), file('a/b')]);
  });

  test('refuses loops of links, also such as grow', () => {
    refuses(/too many symbolic links/, [symlink('a', 'b'), symlink('b', 'a'), file('a/x')]);
    refuses(/too many symbolic links/, [symlink('a', 'a/a/a/a/a/a/a/a/a'), file('a/x')]);
  });

  test('refuses names and paths that no file system takes', () => {
    refuses(/name has 256 bytes/, [{ name: 'x', pax: { path: 'n'.repeat(256) } }]);
    refuses(/name has 256 bytes/, [{ name: 'x', pax: { path: `${'n'.repeat(256)}/a` } }]);
    refuses(/path has 5000 bytes/, [{ name: 'x', pax: { path: 'n/'.repeat(2500) } }]);
    refuses(/length of the link target is 4096/, [
      { name: 'x', flag: '2', pax: { linkpath: 't'.repeat(4096) } },
    ]);
    refuses(/leads nowhere/, [symlink('a', '')]);
  });

  test('refuses owners and devices that no file system takes', () => {
    refuses(/owner is 4294967296/, [{ name: 'x', pax: { uid: '4294967296' } }]);
    refuses(/group is -1/, [{ name: 'x', pax: { gid: '-1' } }]);
    refuses(/major device number is 4096/, [{ name: 'x', flag: '3', major: 4096 }]);
  });

  test('leaves out attributes that only the host or an overlay has a use for', () => {
    const names = [
      'user.a',
      'security.selinux',
      'trusted.overlay.opaque',
      'com.apple.x',
      'trusted.b',
    ];
    const pax = Object.fromEntries(names.map((name) => [`SCHILY.xattr.${name}`, 'v']));
    const { root } = merge([{ name: 'f', pax }]);
    const kept = root.entries.get('f')?.attributes.xattrs.map(({ name }) => name);
    assert.deepEqual(kept, ['user.a', 'trusted.b']);
  });
});

describe('LayerMerge with whiteouts', () => {
  const lower = [dir('d'), file('d/a'), dir('d/e'), file('d/e/b'), file('f')];

  test('deletes files and whole directories of lower layers', () => {
    assert.deepEqual(listing(merge(lower, [file('d/.wh.e'), file('.wh.f')]).root), [
      'd directory',
      'd/a file 1',
    ]);
    assert.deepEqual(listing(merge(lower, [file('.wh.d')]).root), ['f file 1']);
  });

  test('keeps what the same layer has put there, before or after', () => {
    const expected = ['d directory', 'd/n file 2', 'f file 1'];
    for (const mark of ['d/.wh..wh..opq', '.wh.d']) {
      assert.deepEqual(listing(merge(lower, [file('d/n', 2), file(mark)]).root), expected, mark);
      assert.deepEqual(listing(merge(lower, [file(mark), file('d/n', 2)]).root), expected, mark);
    }
    assert.deepEqual(listing(merge(lower, [file('f', 2), file('.wh.f')]).root).at(-1), 'f file 2');
  });

  test('goes through what a directory has once, however often it is opaque', () => {
    const merged = merge(lower, [file('d/n')]);
    const directory = merged.root.entries.get('d');
    assert.ok(directory?.kind === 'directory');
    let looks = 0;
    const keys = () => {
      looks += 1;
      return Map.prototype.keys.call(directory.entries);
    };
    Object.assign(directory.entries, { keys });
    const marks = ['d/.wh..wh..opq', '.wh.d', 'd/.wh..wh..opq'].map((name) => file(name));
    for (const entry of readAll(tar(...marks))) merged.apply(entry);
    assert.equal(looks, 1);
    assert.deepEqual(listing(merged.root), ['d directory', 'd/n file 1', 'f file 1']);
  });

  test('empties an opaque directory and keeps itself', () => {
    const { root } = merge(lower, [dir('d', { uid: 9 }), file('d/.wh..wh..opq')]);
    assert.deepEqual(listing(root), ['d directory', 'f file 1']);
    assert.equal(root.entries.get('d')?.attributes.uid, 9);
  });

  test('empties the whole image below an opaque root', () => {
    assert.deepEqual(listing(merge(lower, [file('.wh..wh..opq'), file('n')]).root), ['n file 1']);
  });

  test('never deletes a directory above, nor takes a name from the outside', () => {
    for (const name of ['d/.wh..', 'd/.wh...', '.wh...', 'd/.wh.']) {
      refuses(/a whiteout must name an entry/, lower, [file(name)]);
    }
  });

  test('deletes a link, not what it leads to', () => {
    const { root } = merge([...lower, symlink('l', 'd')], [file('.wh.l')]);
    assert.ok(root.entries.has('d') && !root.entries.has('l'));
  });

  test('deletes through links on the way', () => {
    const { root } = merge([...lower, symlink('l', 'd')], [file('l/.wh.a')]);
    assert.deepEqual(listing(root), [
      'd directory',
      'd/e directory',
      'd/e/b file 1',
      'f file 1',
      'l -> d',
    ]);
  });

  test('deletes nothing where there is nothing', () => {
    const { root } = merge(lower, [file('no/.wh.x'), file('f/.wh.x'), file('.wh.no')]);
    assert.deepEqual(listing(root), listing(merge(lower).root));
  });

  test('leaves out what AUFS kept for itself', () => {
    const { root } = merge([dir('.wh..wh.plnk'), file('.wh..wh.plnk/1.2'), file('.wh..wh.aufs')]);
    assert.deepEqual(listing(root), []);
  });
});

describe('UnpackBudget', () => {
  const spend = (limits: object, ...members: readonly TarMember[]) => {
    const budget = new UnpackBudget({ ...defaultUnpackLimits, ...limits });
    const merged = new LayerMerge(budget, (size) => ({ block: 1, size, tail: null }));
    for (const entry of readAll(tar(...members), 512, 0)) merged.apply(entry);
  };
  const exceeds = (limit: string, limits: object, ...members: readonly TarMember[]) =>
    assert.throws(
      () => spend(limits, ...members),
      (error) => BoxliteError.is(error, 'Image') && error.message.includes(`"${limit}"`),
    );

  test('ends with what the entries claim, before their content is read', () => {
    const pax = {
      'GNU.sparse.major': '0',
      'GNU.sparse.minor': '1',
      'GNU.sparse.size': `${21 * 1024 ** 3}`,
      'GNU.sparse.map': '0,0',
    };
    exceeds('bytes', {}, { name: 'bomb', pax });
    exceeds('bytes', { bytes: 9 }, file('a', 5), file('a', 5));
  });

  test('counts entries, and directories made on the way', () => {
    exceeds('entries', { entries: 2 }, file('a'), file('b'), file('.wh.c'));
    exceeds(
      'entries',
      { entries: 100 },
      file('a/'.repeat(40)),
      file('b/'.repeat(40)),
      file('c/'.repeat(40)),
    );
    spend({ entries: 2 }, file('a'), file('b'));
  });

  test('counts what stays in memory', () => {
    const pax = { 'SCHILY.xattr.user.a': 'v'.repeat(1000) };
    exceeds('metadataBytes', { metadataBytes: 1500 }, { name: 'a', pax }, { name: 'b', pax });
  });

  test('counts names that links lead through, each time again', () => {
    const links = [symlink('a', '././././b'), symlink('b', 'c')];
    spend({ linkedNames: 12 }, ...links, file('a/x'), file('a/y'));
    exceeds('linkedNames', { linkedNames: 12 }, ...links, file('a/x'), file('a/y'), file('b/z'));
    exceeds('linkedNames', { linkedNames: 5 }, ...links, dir('c'), hardLink('x', 'a/y'));
  });

  test('ends an image in which each of many members goes a long way, before it takes minutes', () => {
    const way = Array.from({ length: 250 }, (_, i) =>
      symlink(`l${i}`, `${'./'.repeat(40)}l${i + 1}`),
    );
    const members = Array.from({ length: 2000 }, () => file('l0/x'));
    exceeds('linkedNames', {}, ...way, ...members);
  });

  test('counts bytes of the stream', () => {
    const budget = new UnpackBudget({ ...defaultUnpackLimits, bytes: 10 });
    budget.spendStream(10);
    assert.throws(() => budget.spendStream(1), /more than 10 bytes uncompressed/);
  });
});
