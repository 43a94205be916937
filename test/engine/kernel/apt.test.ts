import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePackage } from '../../../src/engine/kernel/apt.ts';
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
