import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type CopyDestination,
  copyTarget,
  namesContents,
} from '../../src/box/files/copy-target.ts';
import { BoxliteError } from '../../src/index.ts';

const context = { syscall: 'copyIn', path: '/from', dest: '/to' };
const file = { path: '/src/file', isDirectory: false, contentsOnly: false };
const tree = { path: '/src/tree', isDirectory: true, contentsOnly: false };
const contents = { ...tree, contentsOnly: true };

function target(source: typeof file, path: string, kind: CopyDestination['kind']) {
  return copyTarget(source, { path, kind }, context);
}

function refused(code: string, source: typeof file, path: string, kind: CopyDestination['kind']) {
  assert.throws(
    () => target(source, path, kind),
    (error) => BoxliteError.is(error) && error.systemCode === code,
  );
}

describe('copyTarget()', () => {
  it('puts a file into a directory that is there', () => {
    for (const path of ['/to', '/to/', '/to/.', '/']) {
      assert.deepEqual(target(file, path, 'directory'), { directory: path, name: 'file' });
    }
  });

  it('puts a file in the place of a file', () => {
    assert.deepEqual(target(file, '/to/it', 'other'), { directory: '/to', name: 'it' });
    assert.deepEqual(target(file, '/it', 'other'), { directory: '/', name: 'it' });
    assert.deepEqual(target(file, 'it', 'other'), { directory: '.', name: 'it' });
  });

  it('gives a file the name that is missing', () => {
    assert.deepEqual(target(file, '/to/it', 'missing'), { directory: '/to', name: 'it' });
    assert.deepEqual(target(file, 'it', 'missing'), { directory: '.', name: 'it' });
  });

  it('takes a missing path with a slash for a directory', () => {
    assert.deepEqual(target(file, '/to/it/', 'missing'), { directory: '/to/it/', name: 'file' });
    assert.deepEqual(target(file, '/to/it/.', 'missing'), { directory: '/to/it/.', name: 'file' });
  });

  it('puts a directory into one that is there', () => {
    assert.deepEqual(target(tree, '/to', 'directory'), { directory: '/to', name: 'tree' });
    assert.deepEqual(target({ ...tree, path: '/src/a/../tree/' }, '/to', 'directory'), {
      directory: '/to',
      name: 'tree',
    });
  });

  it('puts the contents of a directory into one that is there', () => {
    assert.deepEqual(target(contents, '/to', 'directory'), { directory: '/to', name: null });
    const root = { ...tree, path: '/' };
    assert.deepEqual(target(root, '/to', 'directory'), { directory: '/to', name: null });
  });

  it('makes a missing directory of a directory, or of its contents', () => {
    for (const source of [tree, contents]) {
      for (const path of ['/to/it', '/to/it/']) {
        assert.deepEqual(target(source, path, 'missing'), { directory: '/to', name: 'it' });
      }
    }
  });

  it('refuses to put a directory in the place of a file', () => {
    refused('ENOTDIR', tree, '/to', 'other');
    refused('ENOTDIR', contents, '/to', 'other');
  });

  it('refuses a file as a directory, and a name that is none', () => {
    refused('ENOTDIR', file, '/to/', 'other');
    refused('ENOENT', file, '/to/..', 'missing');
    refused('ENOENT', tree, '/to/..', 'missing');
    refused('ENOENT', tree, '/to/.', 'missing');
  });

  it('uses a file of that name as it is when contents are asked of it', () => {
    const only = { ...file, contentsOnly: true };
    assert.deepEqual(target(only, '/to', 'directory'), { directory: '/to', name: 'file' });
  });
});

describe('namesContents()', () => {
  it('knows a dot of its own at the end', () => {
    for (const path of ['.', './.', '/a/.', 'a/./']) assert.ok(namesContents(path), path);
    for (const path of ['/', 'a', 'a/', '..', 'a/..', 'a.', '.a']) {
      assert.ok(!namesContents(path), path);
    }
  });
});
