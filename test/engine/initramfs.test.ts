import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { initramfs, writeCpio } from '../../src/engine/initramfs.ts';

const text = new TextEncoder();

/** What GNU cpio makes of it. */
function list(archive: Uint8Array): string[] {
  const output = execFileSync('cpio', ['-itv', '--quiet', '--numeric-uid-gid'], {
    input: archive,
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  return output.trimEnd().split('\n');
}

describe('writeCpio()', () => {
  it('writes what cpio reads', () => {
    const archive = writeCpio([
      { name: 'folder', mode: 0o040755 },
      { name: 'folder/file', mode: 0o100640, data: text.encode('hello') },
      { name: 'link', mode: 0o120777, data: text.encode('folder/file') },
      { name: 'null', mode: 0o020666, device: [1, 3] },
    ]);
    const [folder, file, link, node] = list(archive);
    assert.match(folder ?? '', /^drwxr-xr-x .* folder$/);
    assert.match(file ?? '', /^-rw-r----- +1 0 +0 +5 .* folder\/file$/);
    assert.match(link ?? '', /^lrwxrwxrwx .* link -> folder\/file$/);
    assert.match(node ?? '', /^crw-rw-rw- .* 1, +3 .* null$/);
  });

  it('keeps every part on a boundary of four bytes, whatever its length', () => {
    for (let length = 0; length < 9; length++) {
      const archive = writeCpio([
        { name: 'x'.repeat(length + 1), mode: 0o100644, data: new Uint8Array(length) },
      ]);
      assert.equal(archive.length % 4, 0);
      assert.match(list(archive)[0] ?? '', new RegExp(` x{${length + 1}}$`));
    }
  });
});

describe('initramfs()', () => {
  const archive = initramfs(text.encode('agent'), [text.encode('first'), text.encode('second')]);

  it('has the agent as /init and the modules in their order', () => {
    const names = list(archive).map((line) => line.split(' ').at(-1));
    for (const name of ['init', 'modules/0', 'modules/1', 'image', 'disk', 'root']) {
      assert.ok(names.includes(name), name);
    }
  });

  it('is the same for the same input', () => {
    const again = initramfs(text.encode('agent'), [text.encode('first'), text.encode('second')]);
    assert.deepEqual(Buffer.from(again), Buffer.from(archive));
  });
});
