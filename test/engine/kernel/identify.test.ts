import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { identifyKernel } from '../../../src/engine/kernel/identify.ts';
import { bzImageHead, umlHead, vmlinuxHead } from './kernel-files.ts';

test('identifyKernel() knows a user-mode Linux executable', () => {
  assert.deepEqual(identifyKernel(umlHead()), { flavor: 'uml', arch: 'x64', release: null });
});

test('identifyKernel() tells a plain vmlinux from user-mode Linux', () => {
  assert.deepEqual(identifyKernel(vmlinuxHead()), { flavor: 'vm', arch: 'x64', release: null });
});

test('identifyKernel() knows a bzImage and its release', () => {
  assert.deepEqual(identifyKernel(bzImageHead('7.3.4 (boxlite@boxlite) #1')), {
    flavor: 'vm',
    arch: 'x64',
    release: '7.3.4',
  });
});

test('identifyKernel() knows an arm64 image', () => {
  const head = Buffer.alloc(128);
  head.write('ARM\x64', 56, 'latin1');
  assert.deepEqual(identifyKernel(head), { flavor: 'vm', arch: 'arm64', release: null });
});

test('identifyKernel() refuses programs for other machines and other files', () => {
  const arm = umlHead();
  arm.writeUInt16LE(183, 18);
  for (const head of [
    arm,
    Buffer.from('#!/bin/sh\n'),
    Buffer.alloc(0),
    umlHead().subarray(0, 10),
  ]) {
    assert.equal(identifyKernel(head), null);
  }
});

test('identifyKernel() reads any bytes without failing', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 700 }), fc.nat(0xffff), (bytes, offset) => {
      const head = Buffer.alloc(700);
      head.set(bytes);
      identifyKernel(Buffer.from(bytes));
      head.write('HdrS', 0x202, 'latin1');
      head.writeUInt16LE(offset, 0x20e);
      assert.equal(identifyKernel(head)?.flavor, 'vm');
    }),
  );
});
