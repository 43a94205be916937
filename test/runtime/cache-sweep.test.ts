import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { sweepCache } from '../../src/runtime/cache-sweep.ts';

const DAY_S = 24 * 3600;

describe('sweepCache()', () => {
  const cache = mkdtempSync(join(tmpdir(), 'boxlite-sweep-'));
  after(() => rmSync(cache, { recursive: true, force: true }));

  it('removes what killed programs have left half-made and what nobody wants any more, and nothing else', async () => {
    const add = (name: string, days: number) => {
      const path = join(cache, name);
      mkdirSync(join(path, '..'), { recursive: true });
      if (/new-\w+$/.test(name)) mkdirSync(path);
      else writeFileSync(path, name);
      const at = Date.now() / 1000 - days * DAY_S;
      utimesSync(path, at, at);
    };
    const kept = [
      ['engines.json', 30],
      [`engines.json.${randomUUID()}`, 0],
      ['initramfs/a.cpio', 30],
      ['images/b.erofs', 30],
      ['images/new-c', 0],
      ['images/directory-c.erofs', 0],
      ['images/sha256-c.erofs', 29],
      ['disks/d.tar', 30],
      ['snapshots/0123abc', 6],
      ['snapshots/new-d', 0],
    ] as const;
    for (const [name, days] of kept) add(name, days);
    const removed = [
      [`engines.json.${randomUUID()}`, 2],
      [`initramfs/a.cpio.${randomUUID()}`, 2],
      ['images/new-old', 2],
      ['images/directory-old.erofs', 2],
      ['images/sha256-old.erofs', 31],
      ['disks/new-old', 2],
      ['snapshots/0123abcd', 8],
      ['snapshots/new-old', 2],
      [`snapshots/0123abc.${randomUUID()}`, 2],
    ] as const;
    for (const [name, days] of removed) add(name, days);
    await sweepCache(cache);
    const left = readdirSync(cache, { recursive: true, withFileTypes: true })
      .map((entry) => join(entry.parentPath, entry.name).slice(cache.length + 1))
      .filter((name) => !['initramfs', 'images', 'disks', 'snapshots'].includes(name));
    assert.deepEqual(left.toSorted(), kept.map(([name]) => name).toSorted());
  });

  it('does not mind a cache that is not there', async () => {
    await sweepCache(join(cache, 'none'));
  });
});
