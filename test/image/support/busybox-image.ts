/** An image that boots: busybox in two layers, of which the upper one hides a file of the lower one. */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeImage, type TestImage } from '../image-fixture.ts';

const APPLETS = ['sh', 'cat', 'ls', 'id', 'pwd', 'env', 'test', 'echo'];
const PASSWD = 'root:x:0:0::/root:/bin/sh\nworker:x:1234:1234::/work:/bin/sh\n';
/** A busybox is a megabyte or two. */
const TAR_BYTES_MAX = 1 << 26;

/** It runs `sh` as `worker`, uid 1234, in `/work`, with `FROM_IMAGE=yes`, unless `config` says otherwise. */
export function busyboxImage(workingDir = '/work', config: object = {}): TestImage {
  const tree = mkdtempSync(join(tmpdir(), 'busybox-image-'));
  try {
    for (const folder of ['bin', 'etc', 'work']) mkdirSync(join(tree, folder));
    copyFileSync(realpathSync('/bin/busybox'), join(tree, 'bin/busybox'));
    for (const name of APPLETS) symlinkSync('busybox', join(tree, 'bin', name));
    writeFileSync(join(tree, 'etc/passwd'), PASSWD);
    writeFileSync(join(tree, 'etc/lower'), 'lower\n');
    const lower = execFileSync('tar', ['-C', tree, '--owner=0', '--group=0', '-c', '.'], {
      maxBuffer: TAR_BYTES_MAX,
    });
    return makeImage({
      layers: [lower, { 'etc/.wh.lower': '', 'etc/upper': 'upper\n' }],
      config: {
        config: {
          Env: ['FROM_IMAGE=yes', 'PATH=/bin'],
          User: 'worker',
          WorkingDir: workingDir,
          Cmd: ['sh'],
          ...config,
        },
      },
    });
  } finally {
    rmSync(tree, { recursive: true });
  }
}
