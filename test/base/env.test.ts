import assert from 'node:assert/strict';
import { homedir } from 'node:os';
import { after, beforeEach, test } from 'node:test';
import {
  boxliteHome,
  cacheDir,
  dockerConfigDir,
  programPath,
  proxySettings,
  userHome,
} from '../../src/base/env.ts';

const before = { ...process.env };

beforeEach(() => {
  process.env = { HOME: '/home/me' };
});
after(() => {
  process.env = before;
});

test('boxliteHome() is BOXLITE_HOME or a folder of the user', () => {
  assert.equal(boxliteHome(), '/home/me/.boxlite');
  process.env.BOXLITE_HOME = '';
  assert.equal(boxliteHome(), '/home/me/.boxlite');
  process.env.BOXLITE_HOME = '/srv/boxes';
  assert.equal(boxliteHome(), '/srv/boxes');
});

test('boxliteHome() refuses a relative path', () => {
  process.env.BOXLITE_HOME = 'boxes';
  assert.throws(() => boxliteHome(), {
    kind: 'Config',
    message: 'BOXLITE_HOME: expected an absolute path, got "boxes"',
  });
});

test('cacheDir() is BOXLITE_CACHE or a folder in the cache of the user', () => {
  assert.equal(cacheDir(), '/home/me/.cache/boxlite');
  process.env.XDG_CACHE_HOME = 'relative';
  assert.equal(cacheDir(), '/home/me/.cache/boxlite');
  process.env.XDG_CACHE_HOME = '/var/cache/me';
  assert.equal(cacheDir(), '/var/cache/me/boxlite');
  process.env.BOXLITE_CACHE = '/tmp/cache';
  assert.equal(cacheDir(), '/tmp/cache');
});

test('userHome() is known without HOME', () => {
  assert.equal(userHome(), '/home/me');
  delete process.env.HOME;
  assert.equal(userHome(), homedir());
});

test('programPath() adds the folders of the system, last', () => {
  process.env.PATH = '/opt/bin:/usr/sbin';
  assert.equal(programPath(), '/opt/bin:/usr/sbin:/usr/local/sbin:/sbin');
  delete process.env.PATH;
  assert.equal(programPath(), '/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin');
});

test('dockerConfigDir() is DOCKER_CONFIG or a folder of the user', () => {
  assert.equal(dockerConfigDir(), '/home/me/.docker');
  process.env.DOCKER_CONFIG = '/etc/docker';
  assert.equal(dockerConfigDir(), '/etc/docker');
});

test('proxySettings() reads what every client reads', () => {
  assert.deepEqual(proxySettings(), { http: null, https: null, none: null });
  process.env.ALL_PROXY = 'http://all:1';
  assert.deepEqual(proxySettings(), { http: 'http://all:1', https: 'http://all:1', none: null });
  Object.assign(process.env, { http_proxy: 'http://a:1', HTTPS_PROXY: 'http://b:1' });
  process.env.NO_PROXY = 'localhost';
  assert.deepEqual(proxySettings(), {
    http: 'http://a:1',
    https: 'http://b:1',
    none: 'localhost',
  });
});

test('proxySettings() does not trust HTTP_PROXY, which a request header can set', () => {
  process.env.HTTP_PROXY = 'http://evil:1';
  assert.equal(proxySettings().http, null);
});
