import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ImageRegistry } from '../../src/spec/image-registry.ts';
import { parseBoxliteOptions } from '../../src/spec/parse-options.ts';
import { refuses } from './refusal.ts';

const defaults = { homeDir: '/home/me/.boxlite' };

test('parseBoxliteOptions() fills in the defaults of the contract', () => {
  for (const options of [undefined, {}, { homeDir: undefined, engine: undefined }]) {
    assert.deepEqual(parseBoxliteOptions(options, defaults), {
      homeDir: '/home/me/.boxlite',
      imageRegistries: [],
      engine: 'auto',
    });
  }
});

test('parseBoxliteOptions() takes what it is given', () => {
  const own = ImageRegistry.http('localhost:5000');
  const imageRegistries = ['ghcr.io/me', own];
  const spec = parseBoxliteOptions({ homeDir: '/srv', imageRegistries, engine: 'uml' }, defaults);
  assert.equal(spec.homeDir, '/srv');
  assert.equal(spec.engine, 'uml');
  assert.equal(spec.imageRegistries[0]?.search, true);
  assert.equal(spec.imageRegistries[1], own);
});

test('parseBoxliteOptions() does not look for a home that is not needed', () => {
  const broken = {
    get homeDir(): string {
      throw new Error('looked');
    },
  };
  assert.equal(parseBoxliteOptions({ homeDir: '/srv' }, broken).homeDir, '/srv');
  assert.throws(() => parseBoxliteOptions({}, broken), /looked/);
});

test('parseBoxliteOptions() refuses what is wrong', () => {
  const cases: [unknown, string][] = [
    [null, 'options: expected an object, got null'],
    [{ homeDir: 'boxes' }, 'homeDir: expected an absolute path, got "boxes"'],
    [{ homeDir: '' }, 'homeDir: expected a string that is not empty, got ""'],
    [{ homeDir: '/a\0' }, 'homeDir: expected a string without NUL, got one with NUL'],
    [
      { engine: 'docker' },
      'engine: expected one of "auto", "kvm", "hvf", "uml", "tcg", got "docker"',
    ],
    [{ imageRegistries: 'ghcr.io' }, 'imageRegistries: expected an array, got a string'],
    [
      { imageRegistries: [{}] },
      'imageRegistries[0]: expected a string or an ImageRegistry, got an object',
    ],
    [{ home: '/srv' }, 'home: unknown option, expected one of homeDir, imageRegistries, engine'],
  ];
  for (const [options, message] of cases) {
    refuses(() => parseBoxliteOptions(options, defaults), message);
  }
});
