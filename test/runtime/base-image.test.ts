import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { programPath } from '../../src/base/env.ts';
import { runCommand } from '../../src/process/run.ts';
import { baseImage } from '../../src/runtime/base-image.ts';
import { readErofs } from '../image/support/erofs-reader.ts';

describe('builtin:base', () => {
  const folder = mkdtempSync(join(tmpdir(), 'boxlite-base-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  async function made(umask: number): Promise<Buffer> {
    const before = process.umask(umask);
    try {
      const cacheDir = join(folder, umask.toString(8));
      return readFileSync(await baseImage({ cacheDir, path: programPath(), run: runCommand }));
    } finally {
      process.umask(before);
    }
  }

  it('has the same permissions, whatever the umask of who makes it', async () => {
    const [open, closed] = [await made(0), await made(0o077)].map((image) =>
      [...readErofs(image)].map(([path, { mode }]) => `${path} ${(mode & 0o7777).toString(8)}`),
    );
    assert.deepEqual(closed, open);
    assert.ok(open?.includes('etc/passwd 644'), `${open}`);
  });
});
