import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { BoxliteError, type BoxliteErrorKind } from '../../src/index.ts';
import { folders, forEachEngine, sharedBox, shell } from './fixture.ts';
import { eventually, inTime } from './polling.ts';

const MEBIBYTE = 1024 * 1024;

function coded(kind: BoxliteErrorKind, systemCode: string) {
  return (error: unknown) => {
    assert.ok(BoxliteError.is(error), String(error));
    assert.deepEqual([error.kind, error.systemCode], [kind, systemCode], error.message);
    return true;
  };
}

forEachEngine((engine) => {
  describe('a copy', () => {
    const box = sharedBox(engine);
    const say = async (script: string) => (await shell(box(), script)).stdout;
    /** Asks until the box says it. */
    const untilSaid = (script: string, wanted: RegExp) =>
      inTime(
        String(wanted),
        (async () => {
          while (!wanted.test(await say(script)));
        })(),
      );
    let host: string;

    before(() => {
      // Beside the homes, so that it is not taken for something left behind.
      host = mkdtempSync(join(folders.homes, '..', 'copy-'));
    });
    after(() => void execFileSync('rm', ['-rf', host]));

    /** A fresh directory on the host. */
    const fresh = (): string => mkdtempSync(join(host, 't-'));

    it('brings a file in and out as it was', async () => {
      const here = fresh();
      for (const size of [0, 1, 65_536, 3 * MEBIBYTE + 7]) {
        const bytes = Buffer.alloc(size, `${size},`);
        writeFileSync(join(here, 'file'), bytes, { mode: 0o640 });
        utimesSync(join(here, 'file'), 5, 1_234_567_890.5);
        await box().copyIn(join(here, 'file'), '/tmp/file');
        const found = await box().fs.stat('/tmp/file');
        assert.deepEqual(
          [found.size, found.mode & 0o7777, found.uid, found.gid, found.mtimeMs],
          [size, 0o640, 0, 0, 1_234_567_890_500],
        );
        await box().copyOut('/tmp/file', join(here, 'back'));
        assert.ok(readFileSync(join(here, 'back')).equals(bytes), String(size));
        const back = statSync(join(here, 'back'));
        assert.deepEqual([back.mode & 0o7777, back.mtimeMs], [0o640, 1_234_567_890_500]);
      }
    });

    it('brings a tree in and out as it was', async () => {
      const here = fresh();
      const tree = join(here, 'tree');
      mkdirSync(join(tree, 'a/empty'), { recursive: true });
      writeFileSync(join(tree, 'a/file'), 'content');
      writeFileSync(join(tree, 'a/with space\nand line'), '');
      linkSync(join(tree, 'a/file'), join(tree, 'hard'));
      symlinkSync('a/file', join(tree, 'soft'));
      symlinkSync('/nowhere', join(tree, 'broken'));
      writeFileSync(Buffer.concat([Buffer.from(`${tree}/`), Buffer.from([0xff, 0xfe])]), 'bytes');
      execFileSync('chmod', ['2751', join(tree, 'a')]);
      utimesSync(join(tree, 'a'), 1, 1000.5);
      await box().copyIn(tree, '/tmp');
      assert.equal(
        await say(
          'cd /tmp/tree; cat soft; stat -c %a,%Y a; stat -c %h hard; readlink broken; ls | wc -l',
        ),
        'content2751,1000\n2\n/nowhere\n5\n',
      );
      await box().copyOut('/tmp/tree', join(here, 'back'));
      const listing = (root: string) =>
        execFileSync('find', ['.', '-printf', '%P %y %s %n %l\\n'], { cwd: root })
          .toString('latin1')
          .split('\n')
          .sort();
      assert.deepEqual(listing(join(here, 'back')), listing(tree));
      assert.equal(readFileSync(join(here, 'back/hard'), 'utf8'), 'content');
      assert.equal(statSync(join(here, 'back/a')).mode & 0o7777, 0o751);
      assert.equal(statSync(join(here, 'back/a')).mtimeMs, 1_000_500);
      assert.equal(readlinkSync(join(here, 'back/broken')), '/nowhere');
    });

    it('puts a directory into one that is there, and makes one that is not', async () => {
      const here = fresh();
      mkdirSync(join(here, 'd'));
      writeFileSync(join(here, 'd/f'), 'x');
      await box().fs.mkdir('/tmp/into');
      await box().copyIn(join(here, 'd'), '/tmp/into');
      await box().copyIn(join(here, 'd'), '/tmp/into/made');
      await box().copyIn(`${join(here, 'd')}/.`, '/tmp/into');
      await box().copyIn(join(here, 'd'), '/tmp/into/flat', { includeParent: false });
      await box().fs.mkdir('/tmp/into/there');
      await box().copyIn(join(here, 'd'), '/tmp/into/there', { includeParent: false });
      assert.equal(
        await say('cd /tmp/into; find . -type f | sort | tr "\\n" " "'),
        './d/f ./f ./flat/f ./made/f ./there/f ',
      );
      await box().copyOut('/tmp/into', join(here, 'out'));
      await box().copyOut('/tmp/into/d', join(here, 'out'));
      await box().copyOut('/tmp/into/d/.', join(here, 'out'));
      await box().copyOut('/tmp/into/d', join(here, 'deep/er'), { includeParent: false });
      assert.deepEqual(readdirSync(join(here, 'out')).sort(), ['d', 'f', 'flat', 'made', 'there']);
      assert.deepEqual(readdirSync(join(here, 'deep/er')), ['f']);
    });

    it('makes what is missing above, and goes by a slash at the end', async () => {
      const here = fresh();
      writeFileSync(join(here, 'f'), 'x');
      await box().copyIn(join(here, 'f'), '/tmp/missing/a/b');
      await box().copyIn(join(here, 'f'), '/tmp/missing/c/');
      await box().copyIn(join(here, 'f'), 'tmp/missing/relative');
      assert.equal(
        await say('cd /tmp/missing; find . -type f | sort | tr "\\n" " "'),
        './a/b ./c/f ./relative ',
      );
      await box().copyOut('/tmp/missing/a/b', join(here, 'x/y'));
      await box().copyOut('/tmp/missing/a/b', `${join(here, 'z')}/`);
      assert.ok(statSync(join(here, 'x/y')).isFile() && statSync(join(here, 'z/b')).isFile());
      await assert.rejects(
        box().copyIn(join(here, 'f'), '/tmp/missing/a/b/'),
        coded('Storage', 'ENOTDIR'),
      );
      await assert.rejects(
        box().copyIn(`${join(here, 'f')}/`, '/tmp/x'),
        coded('Storage', 'ENOTDIR'),
      );
      await assert.rejects(
        box().copyOut('/tmp/missing/a/b/', join(here, 'q')),
        coded('Storage', 'ENOTDIR'),
      );
      await assert.rejects(
        box().copyOut('/tmp/missing/a/b', `${join(here, 'x/y')}/`),
        coded('Storage', 'ENOTDIR'),
      );
      await assert.rejects(
        box().copyIn(join(here, 'f'), '/tmp/missing/a/b/c'),
        coded('Storage', 'ENOTDIR'),
      );
    });

    it('replaces files unless it must not', async () => {
      const here = fresh();
      writeFileSync(join(here, 'f'), 'new');
      await box().fs.writeFile('/tmp/replaced', 'old, and longer');
      await assert.rejects(
        box().copyIn(join(here, 'f'), '/tmp/replaced', { overwrite: false }),
        coded('AlreadyExists', 'EEXIST'),
      );
      assert.equal(await box().fs.readFile('/tmp/replaced', 'utf8'), 'old, and longer');
      await box().copyIn(join(here, 'f'), '/tmp/replaced');
      assert.equal(await box().fs.readFile('/tmp/replaced', 'utf8'), 'new');
      writeFileSync(join(here, 'g'), 'kept');
      await assert.rejects(
        box().copyOut('/tmp/replaced', join(here, 'g'), { overwrite: false }),
        coded('AlreadyExists', 'EEXIST'),
      );
      assert.equal(readFileSync(join(here, 'g'), 'utf8'), 'kept');
      await box().copyOut('/tmp/replaced', join(here, 'g'));
      assert.equal(readFileSync(join(here, 'g'), 'utf8'), 'new');
      await box().copyOut('/tmp/replaced', join(here, 'h'), { overwrite: false });
    });

    it('never puts a directory in the place of a file, nor a file in that of a directory', async () => {
      const here = fresh();
      mkdirSync(join(here, 'd/x'), { recursive: true });
      writeFileSync(join(here, 'f'), '');
      await say(
        'mkdir -p /tmp/kinds/x /tmp/kinds/d; touch /tmp/kinds/file /tmp/kinds/d/x; mkdir /tmp/kinds/f',
      );
      await assert.rejects(
        box().copyIn(join(here, 'd'), '/tmp/kinds/file'),
        coded('Storage', 'ENOTDIR'),
      );
      await assert.rejects(
        box().copyIn(join(here, 'd'), '/tmp/kinds'),
        coded('Storage', 'ENOTDIR'),
      );
      await assert.rejects(box().copyIn(join(here, 'f'), '/tmp/kinds'), coded('Storage', 'EISDIR'));
      await assert.rejects(
        box().copyOut('/tmp/kinds', join(here, 'f')),
        coded('Storage', 'ENOTDIR'),
      );
    });

    it('replaces what a link at its end leads to, and a link on its way', async () => {
      const here = fresh();
      writeFileSync(join(here, 'f'), 'new');
      await say('cd /tmp; mkdir real; echo old > real/f; ln -s real/f to-file; ln -s real to-dir');
      await box().copyIn(join(here, 'f'), '/tmp/to-file');
      await box().copyIn(join(here, 'f'), '/tmp/to-dir/g');
      await box().copyIn(join(here, 'f'), '/tmp/to-dir');
      assert.equal(await say('cd /tmp; readlink to-file; cat real/f real/g'), 'real/f\nnewnew');
    });

    it('copies links as links, or what they lead to', async () => {
      const here = fresh();
      mkdirSync(join(here, 'd'));
      writeFileSync(join(here, 'd/f'), 'x');
      symlinkSync('d', join(here, 'link'));
      symlinkSync('f', join(here, 'd/inner'));
      await box().copyIn(join(here, 'link'), '/tmp/link-kept');
      assert.equal(await box().fs.readlink('/tmp/link-kept'), 'd');
      await box().copyIn(join(here, 'link'), '/tmp/link-followed', { followSymlinks: true });
      assert.ok((await box().fs.lstat('/tmp/link-followed/inner')).isFile());
      await box().copyIn(`${join(here, 'link')}/`, '/tmp/link-slash');
      assert.equal(await box().fs.readlink('/tmp/link-slash/inner'), 'f');
      await say('cd /tmp; mkdir e; echo y > e/f; ln -s e out-link; ln -s f e/inner');
      await box().copyOut('/tmp/out-link', join(here, 'kept'));
      assert.equal(readlinkSync(join(here, 'kept')), 'e');
      await box().copyOut('/tmp/out-link', join(here, 'followed'), { followSymlinks: true });
      assert.ok(lstatSync(join(here, 'followed/inner')).isFile());
      await say('cd /tmp/e; ln -s . circle');
      await assert.rejects(
        box().copyOut('/tmp/e', join(here, 'circle'), { followSymlinks: true }),
        coded('Storage', 'ELOOP'),
      );
    });

    it('refuses what is missing, a directory without recursive, and what is no file', async () => {
      const here = fresh();
      mkdirSync(join(here, 'd'));
      await assert.rejects(box().copyIn(join(here, 'none'), '/tmp/x'), coded('NotFound', 'ENOENT'));
      await assert.rejects(
        box().copyOut('/tmp/none', join(here, 'x')),
        coded('NotFound', 'ENOENT'),
      );
      assert.equal(existsSync(join(here, 'x')), false);
      await assert.rejects(
        box().copyIn(join(here, 'd'), '/tmp/x', { recursive: false }),
        coded('Storage', 'EISDIR'),
      );
      await assert.rejects(
        box().copyOut('/tmp', join(here, 'x'), { recursive: false }),
        coded('Storage', 'EISDIR'),
      );
      await say('mkdir /tmp/special; cd /tmp/special; mkfifo p; touch f');
      await assert.rejects(
        box().copyOut('/tmp/special/p', join(here, 'p')),
        coded('InvalidArgument', 'EINVAL'),
      );
      await assert.rejects(
        box().copyOut('/dev/null', join(here, 'p')),
        coded('InvalidArgument', 'EINVAL'),
      );
      await box().copyOut('/tmp/special', join(here, 'special'));
      assert.deepEqual(readdirSync(join(here, 'special')), ['f']);
      await assert.rejects(box().copyIn('', '/tmp/x'), (error) =>
        BoxliteError.is(error, 'InvalidArgument'),
      );
      await assert.rejects(box().copyIn(here, '/tmp/x', { overwrit: true } as object), (error) =>
        BoxliteError.is(error, 'InvalidArgument'),
      );
    });

    it('keeps holes', async () => {
      const here = fresh();
      const size = 1024 * MEBIBYTE;
      writeFileSync(join(here, 'sparse'), 'start');
      truncateSync(join(here, 'sparse'), size);
      await box().copyIn(join(here, 'sparse'), '/tmp/sparse');
      const found = await box().fs.stat('/tmp/sparse');
      assert.equal(found.size, size);
      assert.ok(found.blocks * 512 < MEBIBYTE, String(found.blocks));
      await say('echo -n end | dd of=/tmp/sparse bs=1 seek=500000000 conv=notrunc');
      await box().copyOut('/tmp/sparse', join(here, 'back'));
      const back = statSync(join(here, 'back'));
      assert.equal(back.size, size);
      assert.ok(back.blocks * 512 < MEBIBYTE, String(back.blocks));
      const tail = execFileSync(
        'dd',
        [`if=${join(here, 'back')}`, 'bs=1', 'skip=499999999', 'count=5'],
        { stdio: ['ignore', 'pipe', 'ignore'] },
      );
      assert.equal(tail.toString(), '\0end\0');
      await box().fs.rm('/tmp/sparse');
    });

    it('gives what it brings in to whom it is told', async () => {
      const here = fresh();
      mkdirSync(join(here, 'd'));
      writeFileSync(join(here, 'd/f'), '', { mode: 0o755 });
      symlinkSync('f', join(here, 'd/l'));
      execFileSync('chmod', ['4755', join(here, 'd/f')]);
      await box().copyIn(join(here, 'd'), '/tmp/owned', { owner: 'nobody' });
      assert.equal(
        await say('cd /tmp; stat -c %u:%g,%a owned owned/f; stat -c %u owned/l'),
        '65534:65534,755\n65534:65534,4755\n65534\n',
      );
      await box().copyIn(join(here, 'd'), '/tmp/owned-by-number', { owner: '7:8' });
      assert.equal(await say('stat -c %u:%g /tmp/owned-by-number/f'), '7:8\n');
      await assert.rejects(
        box().copyIn(join(here, 'd'), '/tmp/x', { owner: 'who-is-this' }),
        coded('InvalidArgument', 'EINVAL'),
      );
    });

    it('reaches every mount of the box', async () => {
      const here = fresh();
      writeFileSync(join(here, 'f'), 'x');
      for (const directory of ['/tmp', '/dev/shm', '/root', '/run', '/']) {
        await box().copyIn(join(here, 'f'), `${directory}/reached`);
        assert.equal(await say(`cat ${directory}/reached; rm ${directory}/reached`), 'x');
      }
      await say('echo out > /dev/shm/out');
      await box().copyOut('/dev/shm/out', here);
      assert.equal(readFileSync(join(here, 'out'), 'utf8'), 'out\n');
      await box().copyOut('/proc/version', here);
      assert.match(readFileSync(join(here, 'version'), 'utf8'), /^Linux version /);
    });

    it('goes on beside others', async () => {
      const here = fresh();
      writeFileSync(join(here, 'f'), Buffer.alloc(MEBIBYTE, 'abc'));
      const numbers = Array.from({ length: 8 }, (_, i) => i);
      await Promise.all(numbers.map((i) => box().copyIn(join(here, 'f'), `/tmp/beside-${i}`)));
      await Promise.all(numbers.map((i) => box().copyOut(`/tmp/beside-${i}`, join(here, `${i}`))));
      for (const i of numbers) {
        assert.ok(readFileSync(join(here, `${i}`)).equals(readFileSync(join(here, 'f'))));
      }
    });

    it('that is given up leaves no half of a file, and the old one', async () => {
      const here = fresh();
      const size = 64 * MEBIBYTE;
      writeFileSync(join(here, 'large'), Buffer.alloc(size, 'abc'));
      await say('mkdir /tmp/half; echo old > /tmp/half/there');
      for (const name of ['new', 'there']) {
        const abort = new AbortController();
        const reason = new Error('enough');
        const copying = box().copyIn(join(here, 'large'), `/tmp/half/${name}`, {
          signal: abort.signal,
        });
        await untilSaid('ls -A /tmp/half', /boxlite|new/);
        abort.abort(reason);
        await assert.rejects(copying, reason);
      }
      // The box's half ends a moment later.
      await untilSaid('ls -A /tmp/half; cat /tmp/half/there', /^there\nold\n$/);
      await say(`dd if=/dev/zero of=/tmp/large bs=1M count=64`);
      writeFileSync(join(here, 'there'), 'old');
      mkdirSync(join(here, 'out'));
      writeFileSync(join(here, 'out/there'), 'old');
      for (const name of ['new', 'there']) {
        const abort = new AbortController();
        const reason = new Error('enough');
        const copying = box().copyOut('/tmp/large', join(here, 'out', name), {
          signal: abort.signal,
        });
        await eventually('the copy to begin', () =>
          readdirSync(join(here, 'out')).some((each) => each.startsWith('.boxlite')) ? true : null,
        );
        abort.abort(reason);
        await assert.rejects(copying, reason);
      }
      assert.deepEqual(readdirSync(join(here, 'out')), ['there']);
      assert.equal(readFileSync(join(here, 'out/there'), 'utf8'), 'old');
    });

    it('of many small files brings all of them', async () => {
      const here = fresh();
      mkdirSync(join(here, 'many'));
      for (let i = 0; i < 1000; i++) writeFileSync(join(here, 'many', `f${i}`), `${i}`.repeat(i));
      await box().copyIn(join(here, 'many'), '/tmp/many');
      await box().copyOut('/tmp/many', join(here, 'back'));
      execFileSync('diff', ['-r', join(here, 'many'), join(here, 'back')]);
      assert.equal(readdirSync(join(here, 'back')).length, 1000);
    });

    it('of a tree deeper than a path is long comes back', async () => {
      const here = fresh();
      await say(
        'cd /tmp; i=0; while [ $i -lt 100 ]; do n=$(printf %060d $i); mkdir $n; cd -P $n || exit 1; i=$((i+1)); done; echo bottom > file',
      );
      await box().copyOut(`/tmp/${'0'.repeat(60)}`, join(here, 'deep'));
      await box().copyIn(join(here, 'deep'), '/tmp/again');
      await box().copyOut('/tmp/again', join(here, 'again'));
      assert.equal(
        execFileSync('find', [join(here, 'again'), '-name', 'file']).toString().length > 4096,
        true,
      );
      for (const path of ['/tmp/again', `/tmp/${'0'.repeat(60)}`])
        await box().fs.rm(path, { recursive: true });
    });
  });
});
