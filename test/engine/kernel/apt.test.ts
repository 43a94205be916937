import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Apt, parsePackage } from '../../../src/engine/kernel/apt.ts';
import { newestSource } from '../../../src/engine/kernel/source.ts';

test('parsePackage() reads name, version and the names it depends on', () => {
  const text = `Package: linux-image-cloud-amd64
Version: 6.1.192-2
Depends: linux-image-6.1.0-56-cloud-amd64 (= 6.1.192-2), a | b:any, c
Description: Linux for x86-64 cloud (meta-package)
 Version: not this one

Package: linux-image-cloud-amd64
Version: 6.1.100-1
`;
  assert.deepEqual(parsePackage(text), {
    name: 'linux-image-cloud-amd64',
    version: '6.1.192-2',
    depends: ['linux-image-6.1.0-56-cloud-amd64', 'a', 'b', 'c'],
  });
  assert.equal(parsePackage(''), null);
});

test('Apt.download() returns the version that was asked for, whatever lies beside it', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'boxlite-apt-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'linux-source-7.3_7.3.1-1_all.deb'), 'an older one');
  const asked: string[] = [];
  const apt = new Apt({
    ...{ dir: folder, sources: [], keyring: '', arch: 'x64' },
    run: async (_command, args, options) => {
      const word = args.at(-1) ?? '';
      asked.push(word);
      const file = `${word.replace('=', '_').replace(':', '%3a')}_all.deb`;
      writeFileSync(join(options?.cwd ?? '', file), '');
      return { code: 0, signal: null, stdout: '', stderr: '' };
    },
  });
  for (const version of ['7.3.4-1~bpo13+1', '1:7.3.0-1']) {
    const path = await apt.download({ name: 'linux-source-7.3', version }, folder);
    assert.ok(path.endsWith(`_${version.replace(':', '%3a')}_all.deb`), path);
    assert.equal(asked.at(-1), `linux-source-7.3=${version}`);
  }
});

test('newestSource() takes the highest version that is new enough', () => {
  const names = [
    'linux-source-6.12',
    'linux-source-7.3',
    'linux-source-6.16',
    'linux-source-7.10',
    'linux-source-7.9-rt',
    'linux-source',
  ];
  assert.equal(newestSource(names), 'linux-source-7.10');
  assert.equal(newestSource(['linux-source-6.16']), 'linux-source-6.16');
  assert.equal(newestSource(['linux-source-6.1', 'linux-source-6.12']), null);
});
