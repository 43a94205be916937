import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { BoxliteError } from '../../src/base/errors.ts';
import { parseImageDocument } from '../../src/image/config.ts';

const parse = (document: unknown) =>
  parseImageDocument(Buffer.from(JSON.stringify(document)), 'the configuration');

describe('parseImageDocument()', () => {
  test('reads everything an image says', () => {
    const document = parse({
      os: 'linux',
      architecture: 'arm64',
      variant: 'v8',
      config: {
        Entrypoint: ['/entry', ''],
        Cmd: ['a b', 'ü'],
        Env: ['PATH=/bin', 'A=1=2', 'PATH=/usr/bin', 'EMPTY=', 'none', '=x'],
        User: '1000:users',
        WorkingDir: 'srv//app/../www/',
        StopSignal: 'SIGRTMIN+3',
        Volumes: { '/data': {}, 'rel/': {} },
        Labels: { maintainer: 'x' },
      },
      rootfs: { type: 'layers', diff_ids: ['sha256:1', 'sha256:2'] },
    });
    assert.deepEqual(document, {
      config: {
        entrypoint: ['/entry', ''],
        cmd: ['a b', 'ü'],
        env: [
          ['PATH', '/usr/bin'],
          ['A', '1=2'],
          ['EMPTY', ''],
        ],
        user: '1000:users',
        workingDir: '/srv/www',
        stopSignal: 'SIGRTMIN+3',
        volumes: ['/data', '/rel'],
        labels: { maintainer: 'x' },
      },
      platform: { os: 'linux', architecture: 'arm64', variant: 'v8' },
      diffIds: ['sha256:1', 'sha256:2'],
    });
  });

  test('takes what is missing, and null, for nothing', () => {
    const nothing = {
      entrypoint: [],
      cmd: [],
      env: [],
      user: '',
      workingDir: '/',
      stopSignal: null,
      volumes: [],
      labels: {},
    };
    assert.deepEqual(parse({}), { config: nothing, platform: null, diffIds: [] });
    const nulls = {
      Entrypoint: null,
      Cmd: null,
      Env: null,
      Volumes: null,
      Labels: null,
      User: null,
    };
    const document = { config: nulls, rootfs: { diff_ids: null }, variant: '' };
    assert.deepEqual(parse(document).config, nothing);
    assert.deepEqual(parse({ config: null }).config, nothing);
  });

  test('names what it refuses', () => {
    const refuses = (document: unknown, path: string) =>
      assert.throws(
        () => parse(document),
        (error) => BoxliteError.is(error, 'Image') && error.message.includes(path),
      );
    refuses([], 'not a JSON object');
    refuses({ config: [] }, '"config"');
    refuses({ config: { Cmd: 'sh' } }, '"config.Cmd"');
    refuses({ config: { Cmd: ['a', 1] } }, '"config.Cmd[1]"');
    refuses({ config: { Env: ['A=\0'] } }, '"config.Env[0]"');
    refuses({ config: { Env: ['A='.padEnd(200_000, 'x')] } }, '"config.Env[0]"');
    refuses({ config: { Env: Array.from({ length: 10_001 }, () => 'A=1') } }, '"config.Env"');
    refuses({ config: { User: 'x'.repeat(5000) } }, '"config.User"');
    refuses({ config: { WorkingDir: 7 } }, '"config.WorkingDir"');
    refuses({ config: { StopSignal: 'rm -rf' } }, '"config.StopSignal"');
    refuses({ config: { Volumes: ['/data'] } }, '"config.Volumes"');
    refuses({ config: { Labels: { a: 1 } } }, '"config.Labels.a"');
    refuses({ rootfs: { diff_ids: 'sha256:1' } }, '"rootfs.diff_ids"');
    refuses({ rootfs: { diff_ids: [1] } }, '"rootfs.diff_ids"');
    refuses({ os: 1 }, '"os"');
  });

  test('gives a configuration or an Image error for any JSON, and for no JSON', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        const config = `{"config":${text},"rootfs":{"diff_ids":${text}}}`;
        for (const each of [text, config, text.slice(1)]) {
          try {
            parseImageDocument(Buffer.from(each), 'it');
          } catch (error) {
            assert.ok(BoxliteError.is(error, 'Image'), String(error));
          }
        }
      }),
    );
  });
});
