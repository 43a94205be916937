import assert from 'node:assert/strict';
import { constants } from 'node:fs';
import { describe, it } from 'node:test';
import { BoxliteError, type BoxliteErrorKind } from '../../src/index.ts';
import { forEachEngine, sharedBox, shell } from './fixture.ts';

/** Whether an error has this kind and Node's code. */
function coded(kind: BoxliteErrorKind, systemCode: string) {
  return (error: unknown) => {
    assert.ok(BoxliteError.is(error), String(error));
    assert.deepEqual([error.kind, error.systemCode], [kind, systemCode]);
    assert.equal((error.cause as { code?: string }).code, systemCode);
    assert.ok(error.message.startsWith(`${systemCode}: `), error.message);
    return true;
  };
}

const notFound = coded('NotFound', 'ENOENT');

forEachEngine((engine) => {
  describe('files of a box', () => {
    const box = sharedBox(engine);
    const fs = () => box().fs;
    const say = async (script: string) => (await shell(box(), script)).stdout;

    it('are written and read as text and as bytes', async () => {
      const bytes = Buffer.from([0, 1, 0xff, 0xfe, 10, 13, 0]);
      await fs().writeFile('/tmp/text', 'ünïcødé\n');
      await fs().writeFile('/tmp/bytes', bytes);
      assert.equal(await fs().readFile('/tmp/text', 'utf8'), 'ünïcødé\n');
      assert.equal(
        await fs().readFile('/tmp/text', { encoding: 'hex' }),
        Buffer.from('ünïcødé\n').toString('hex'),
      );
      assert.deepEqual(await fs().readFile('/tmp/bytes'), bytes);
      assert.equal(await say('od -An -tx1 /tmp/bytes'), ' 00 01 ff fe 0a 0d 00\n');
    });

    it('of any size read as they were written', async () => {
      for (const size of [0, 1, 4095, 4096, 65_535, 65_536, 65_537, 1_048_577, 3_000_001]) {
        const bytes = Buffer.alloc(size, `${size},`);
        await fs().writeFile('/tmp/sized', bytes);
        assert.ok((await fs().readFile('/tmp/sized')).equals(bytes), String(size));
        assert.equal((await fs().stat('/tmp/sized')).size, size);
      }
    });

    it('are written from iterables and streams', async () => {
      async function* pieces() {
        for (let i = 0; i < 100; i++) yield i % 2 === 0 ? `${i},` : Buffer.from(`${i},`);
      }
      const wanted = Array.from({ length: 100 }, (_, i) => `${i},`).join('');
      await fs().writeFile('/tmp/pieces', pieces());
      assert.equal(await fs().readFile('/tmp/pieces', 'utf8'), wanted);
      await fs().writeFile('/tmp/pieces', ['a', 'b', Buffer.from('c')]);
      assert.equal(await fs().readFile('/tmp/pieces', 'utf8'), 'abc');
    });

    it('are made, kept or added to, as the flag says', async () => {
      await fs().writeFile('/tmp/flags', 'one', { flag: 'wx', mode: 0o600 });
      assert.equal((await fs().stat('/tmp/flags')).mode & 0o7777, 0o600);
      await assert.rejects(
        fs().writeFile('/tmp/flags', 'two', { flag: 'wx' }),
        coded('AlreadyExists', 'EEXIST'),
      );
      await fs().appendFile('/tmp/flags', ' two');
      await fs().writeFile('/tmp/flags', ' three', { flag: 'a' });
      assert.equal(await fs().readFile('/tmp/flags', 'utf8'), 'one two three');
      await fs().writeFile('/tmp/flags', 'ONE', { flag: 'r+' });
      assert.equal(await fs().readFile('/tmp/flags', 'utf8'), 'ONE two three');
      await assert.rejects(fs().writeFile('/tmp/flags', '', { flag: 'rw' as 'r' }), (error) =>
        BoxliteError.is(error, 'InvalidArgument'),
      );
    });

    it('fail with the codes of node:fs', async () => {
      await say('mkdir -p /tmp/errors/full/x; touch /tmp/errors/file; ln -s loop /tmp/errors/loop');
      await assert.rejects(fs().readFile('/tmp/errors/none'), notFound);
      await assert.rejects(fs().stat('/tmp/errors/none'), notFound);
      await assert.rejects(fs().readdir('/tmp/errors/none'), notFound);
      await assert.rejects(fs().opendir('/tmp/errors/none'), notFound);
      await assert.rejects(fs().open('/tmp/errors/none'), notFound);
      await assert.rejects(fs().writeFile('/tmp/errors/none/x', ''), notFound);
      await assert.rejects(fs().readFile('/tmp/errors'), coded('Storage', 'EISDIR'));
      await assert.rejects(fs().readdir('/tmp/errors/file'), coded('Storage', 'ENOTDIR'));
      await assert.rejects(fs().stat('/tmp/errors/file/x'), coded('Storage', 'ENOTDIR'));
      await assert.rejects(fs().readFile('/tmp/errors/loop'), coded('Storage', 'ELOOP'));
      await assert.rejects(fs().rmdir('/tmp/errors/full'), coded('Storage', 'ENOTEMPTY'));
      await assert.rejects(fs().rm('/tmp/errors/full'), coded('Storage', 'EISDIR'));
      await assert.rejects(fs().mkdir('/tmp/errors'), coded('AlreadyExists', 'EEXIST'));
      await assert.rejects(fs().readlink('/tmp/errors/file'), coded('InvalidArgument', 'EINVAL'));
      await assert.rejects(fs().rename('/tmp/errors/none', '/tmp/x'), (error) => {
        notFound(error);
        assert.equal(
          (error as Error).message,
          "ENOENT: no such file or directory, rename '/tmp/errors/none' -> '/tmp/x'",
        );
        return true;
      });
    });

    it('may have hostile names', async () => {
      await fs().mkdir('/tmp/names');
      const names = [
        'new\nline',
        ' ',
        '"quoted"',
        '\\',
        '-rf',
        '...',
        'ünïcødé 🎁',
        'n'.repeat(255),
        '\u0001',
      ];
      for (const name of names) await fs().writeFile(`/tmp/names/${name}`, name);
      assert.deepEqual((await fs().readdir('/tmp/names')).sort(), [...names].sort());
      for (const name of names)
        assert.equal(await fs().readFile(`/tmp/names/${name}`, 'utf8'), name);
      await fs().rm('/tmp/names', { recursive: true });
    });

    it('may have names that are no UTF-8', async () => {
      const name = Buffer.from([0x66, 0xff, 0xfe, 0x80]);
      const path = Buffer.concat([Buffer.from('/tmp/bytes-names/'), name]);
      await fs().mkdir('/tmp/bytes-names');
      await fs().writeFile(path, 'x');
      assert.equal(await say('cd /tmp/bytes-names; printf %s * | od -An -tx1'), ' 66 ff fe 80\n');
      assert.deepEqual(await fs().readdir('/tmp/bytes-names', 'buffer'), [name]);
      const [entry] = await fs().readdir('/tmp/bytes-names', {
        withFileTypes: true,
        encoding: 'buffer',
      });
      assert.deepEqual(entry?.name, name);
      await fs().symlink(path, '/tmp/bytes-link');
      assert.deepEqual(await fs().readlink('/tmp/bytes-link', 'buffer'), path);
      assert.deepEqual(await fs().realpath('/tmp/bytes-link', { encoding: 'buffer' }), path);
      assert.equal(await fs().readFile(path, 'utf8'), 'x');
      await fs().unlink(path);
      await assert.rejects(fs().stat(path), notFound);
    });

    it('refuse paths that no kernel takes', async () => {
      const invalid = (error: unknown) => BoxliteError.is(error, 'InvalidArgument');
      await assert.rejects(fs().readFile('/tmp/a\0b'), invalid);
      await assert.rejects(fs().readFile(Buffer.from('/tmp/a\0b')), invalid);
      await assert.rejects(fs().readFile(7 as unknown as string), invalid);
      await assert.rejects(fs().stat(`/${'n'.repeat(256)}`), coded('Storage', 'ENAMETOOLONG'));
      await assert.rejects(fs().stat(`/${'a/'.repeat(2048)}`), coded('Storage', 'ENAMETOOLONG'));
      await assert.rejects(fs().stat('/'.repeat(1_000_000)), coded('Storage', 'ENAMETOOLONG'));
      await assert.rejects(fs().stat(''), notFound);
      assert.ok((await fs().stat(`/${'./'.repeat(2046)}`)).isDirectory());
      assert.ok((await fs().stat(new URL('file:///tmp'))).isDirectory());
    });

    it('tell what they are', async () => {
      await say(
        'mkdir /tmp/kinds; cd /tmp/kinds; mkdir d; echo hello > f; ln -s f l; mkfifo p; mknod c c 1 3; chown 5:6 f; chmod 2750 f; touch -d @1234567890 f',
      );
      const kinds = {
        d: 'isDirectory',
        f: 'isFile',
        l: 'isSymbolicLink',
        p: 'isFIFO',
        c: 'isCharacterDevice',
      } as const;
      const entries = await fs().readdir('/tmp/kinds', { withFileTypes: true });
      for (const [name, method] of Object.entries(kinds)) {
        const found = await fs().lstat(`/tmp/kinds/${name}`);
        const entry = entries.find((each) => each.name === name);
        for (const other of Object.values(kinds)) {
          assert.equal(found[other](), other === method, `${name} ${other}`);
          assert.equal(entry?.[other](), other === method, `${name} ${other}`);
        }
        assert.equal(entry?.parentPath, '/tmp/kinds');
      }
      const found = await fs().stat('/tmp/kinds/l');
      assert.equal(found.size, 6);
      assert.equal(found.mode, 0o102750);
      assert.deepEqual([found.uid, found.gid, found.nlink], [5, 6, 1]);
      assert.equal(found.mtime.getTime(), 1_234_567_890_000);
      assert.ok(Math.abs(found.birthtimeMs - Date.now()) < 600_000);
      assert.equal((await fs().stat('/tmp/kinds/c')).rdev, 0x103);
    });

    it('are listed with all below', async () => {
      await fs().mkdir('/tmp/tree/a/b', { recursive: true });
      await fs().writeFile('/tmp/tree/a/b/c', '');
      await fs().symlink('..', '/tmp/tree/a/up');
      assert.deepEqual((await fs().readdir('/tmp/tree', { recursive: true })).sort(), [
        'a',
        'a/b',
        'a/b/c',
        'a/up',
      ]);
      const entries = await fs().readdir('/tmp/tree/', { recursive: true, withFileTypes: true });
      assert.deepEqual(entries.map((entry) => `${entry.parentPath} ${entry.name}`).sort(), [
        '/tmp/tree/ a',
        '/tmp/tree/a b',
        '/tmp/tree/a up',
        '/tmp/tree/a/b c',
      ]);
    });

    it('are removed with all below, however deep', async () => {
      // Deeper than a path is long, and two processes to make it: each may take a while where machines are busy.
      const half = 'directory-name/'.repeat(150);
      await say(
        `mkdir -p /tmp/deep/${half}; cd /tmp/deep/${half}; mkdir -p ${half}; cd /tmp/deep; while cd -P directory-name 2>/dev/null; do : > file; done`,
      );
      await say(
        'cd /tmp/deep/directory-name/directory-name; touch a b c; mkdir d e; touch d/x; ln -s / root',
      );
      await fs().rm('/tmp/deep', { recursive: true });
      await assert.rejects(fs().rm('/tmp/deep', { recursive: true }), notFound);
      await fs().rm('/tmp/deep', { recursive: true, force: true });
      await fs().rm('/tmp/deep', { force: true });
      assert.ok((await fs().stat('/bin')).isDirectory());
    });

    it('are made with what is missing above', async () => {
      assert.equal(await fs().mkdir('/tmp/made/a/b', { recursive: true }), '/tmp/made');
      assert.equal(await fs().mkdir('/tmp/made/a/b', { recursive: true }), undefined);
      assert.equal(
        await fs().mkdir('/tmp/made/a/c/d/', { recursive: true, mode: 0o700 }),
        '/tmp/made/a/c',
      );
      assert.equal(await fs().mkdir('/tmp/made/e'), undefined);
      assert.equal((await fs().stat('/tmp/made/a')).mode & 0o7777, 0o755);
      assert.equal((await fs().stat('/tmp/made/a/c')).mode & 0o7777, 0o700);
      await fs().writeFile('/tmp/made/file', '');
      await assert.rejects(
        fs().mkdir('/tmp/made/file', { recursive: true }),
        coded('AlreadyExists', 'EEXIST'),
      );
      await assert.rejects(
        fs().mkdir('/tmp/made/file/x', { recursive: true }),
        coded('Storage', 'ENOTDIR'),
      );
      const [one, other] = [await fs().mkdtemp('/tmp/made/t-'), await fs().mkdtemp('/tmp/made/t-')];
      assert.notEqual(one, other);
      assert.equal((await fs().stat(one)).mode & 0o7777, 0o700);
    });

    it('are renamed, linked, copied and cut', async () => {
      await fs().writeFile('/tmp/one', 'content');
      await fs().link('/tmp/one', '/tmp/two');
      assert.equal((await fs().stat('/tmp/two')).nlink, 2);
      await fs().rename('/tmp/two', '/tmp/three');
      await assert.rejects(fs().access('/tmp/two'), notFound);
      await fs().copyFile('/tmp/three', '/tmp/four');
      await assert.rejects(
        fs().copyFile('/tmp/three', '/tmp/four', constants.COPYFILE_EXCL),
        coded('AlreadyExists', 'EEXIST'),
      );
      await fs().copyFile('/proc/version', '/tmp/version');
      assert.equal(
        await fs().readFile('/tmp/version', 'utf8'),
        await fs().readFile('/proc/version', 'utf8'),
      );
      await fs().truncate('/tmp/four', 3);
      assert.equal(await fs().readFile('/tmp/four', 'utf8'), 'con');
      await fs().truncate('/tmp/four', 5);
      assert.equal(await fs().readFile('/tmp/four', 'utf8'), 'con\0\0');
      assert.equal(await fs().readFile('/tmp/one', 'utf8'), 'content');
      await fs().symlink('one', '/tmp/symlink');
      assert.equal(await fs().readlink('/tmp/symlink'), 'one');
      assert.equal(await fs().realpath('/tmp/../tmp/symlink'), '/tmp/one');
      await assert.rejects(fs().symlink('x', '/tmp/one'), (error) => {
        coded('AlreadyExists', 'EEXIST')(error);
        assert.match((error as Error).message, /symlink 'x' -> '\/tmp\/one'/);
        return true;
      });
    });

    it('have modes, owners and times to set', async () => {
      await fs().writeFile('/tmp/set', '');
      await fs().symlink('set', '/tmp/set-link');
      await fs().chmod('/tmp/set', 0o4711);
      await fs().chown('/tmp/set', 1000, 1001);
      await fs().lchown('/tmp/set-link', 7, 8);
      await fs().chmod('/tmp/set', '640');
      await fs().utimes('/tmp/set', 1.25, new Date(2_000_000_000_500));
      await fs().lutimes('/tmp/set-link', '3', -1.5);
      const found = await fs().stat('/tmp/set');
      assert.deepEqual([found.mode & 0o7777, found.uid, found.gid], [0o640, 1000, 1001]);
      assert.deepEqual([found.atimeMs, found.mtimeMs], [1250, 2_000_000_000_500]);
      const link = await fs().lstat('/tmp/set-link');
      assert.deepEqual([link.uid, link.gid, link.atimeMs, link.mtimeMs], [7, 8, 3000, -1500]);
    });

    it('say what may be done with them', async () => {
      await fs().writeFile('/tmp/access', '', { mode: 0o600 });
      await fs().access('/tmp/access');
      await fs().access('/tmp/access', constants.R_OK | constants.W_OK);
      await assert.rejects(fs().access('/tmp/access', constants.X_OK), coded('Storage', 'EACCES'));
    });

    it('of the kernel, which have no size, are read to their end', async () => {
      assert.match(await fs().readFile('/proc/version', 'utf8'), /^Linux version /);
      assert.match(await fs().readFile('/proc/meminfo', 'utf8'), /^MemTotal.*\n(.+\n)+$/);
    });

    it('that are pipes are waited for, and the wait can be given up', async () => {
      // Two, because who opens the first one next may yet meet the reader that was given up, as it dies.
      await say('mkfifo /tmp/fifo /tmp/another');
      const abort = new AbortController();
      const waiting = fs().readFile('/tmp/fifo', { encoding: 'utf8', signal: abort.signal });
      // The agent is not held up.
      assert.equal(await say('echo still there'), 'still there\n');
      assert.ok((await fs().stat('/tmp/fifo')).isFIFO());
      const reason = new Error('enough');
      abort.abort(reason);
      await assert.rejects(waiting, reason);
      const [text] = await Promise.all([
        fs().readFile('/tmp/another', 'utf8'),
        fs().writeFile('/tmp/another', 'through'),
      ]);
      assert.equal(text, 'through');
    });

    it('that are devices are used as such', async () => {
      await fs().writeFile('/dev/null', 'gone');
      assert.equal((await fs().readFile('/dev/null')).length, 0);
      await using random = await fs().open('/dev/urandom');
      const { bytesRead, buffer } = await random.read(Buffer.alloc(1000));
      assert.equal(bytesRead, 1000);
      assert.ok(new Set(buffer).size > 100);
    });

    it('that vanish while they are read are read to their end', async () => {
      const bytes = Buffer.alloc(4 * 1024 * 1024, 'abc');
      await fs().writeFile('/tmp/vanishing', bytes);
      const read: Buffer[] = [];
      for await (const piece of fs().createReadStream('/tmp/vanishing')) {
        if (read.length === 0) await fs().unlink('/tmp/vanishing');
        read.push(piece);
      }
      assert.ok(Buffer.concat(read).equals(bytes));
    });

    it('never leave the box by a link', async () => {
      await say('ln -s /../../../.. /tmp/out; ln -s ../../../../../../proc/self/root /tmp/root');
      assert.deepEqual((await fs().readdir('/tmp/out')).sort(), (await fs().readdir('/')).sort());
      assert.equal(await fs().realpath('/../..'), '/');
    });

    it('are worked on many at a time', async () => {
      await fs().mkdir('/tmp/parallel');
      const numbers = Array.from({ length: 200 }, (_, i) => i);
      await Promise.all(numbers.map((i) => fs().writeFile(`/tmp/parallel/${i}`, String(i))));
      const read = await Promise.all(
        numbers.map((i) => fs().readFile(`/tmp/parallel/${i}`, 'utf8')),
      );
      assert.deepEqual(read, numbers.map(String));
    });

    it('fill the disk with an error, not with a silence', async () => {
      await assert.rejects(
        fs().writeFile('/dev/full', Buffer.alloc(1_000_000)),
        coded('Storage', 'ENOSPC'),
      );
    });
  });

  describe('a directory of a hundred thousand files', () => {
    // A tmpfs holds a file for two pages of memory.
    const box = sharedBox(engine, { memoryMib: 1024 });

    it('is listed, begun to be listed, and removed', async () => {
      const { fs } = box();
      await shell(box(), 'mkdir /dev/shm/many; cd /dev/shm/many; seq 100000 | xargs touch');
      const names = await fs.readdir('/dev/shm/many');
      assert.equal(names.length, 100_000);
      assert.equal(new Set(names).size, 100_000);
      let first: string | null = null;
      for await (const entry of await fs.opendir('/dev/shm/many')) {
        first = entry.name;
        break;
      }
      assert.ok(first !== null);
      await fs.rm('/dev/shm/many', { recursive: true });
      await assert.rejects(fs.stat('/dev/shm/many'), notFound);
    });
  });

  describe('an open file of a box', () => {
    const box = sharedBox(engine);

    it('is read and written where one likes', async () => {
      await using handle = await box().fs.open('/tmp/handle', 'w+', 0o600);
      assert.equal((await handle.write('hello world')).bytesWritten, 11);
      await handle.write('W', 6);
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(5), { position: 6 });
      assert.equal(bytesRead, 5);
      assert.equal(buffer.toString(), 'World');
      assert.equal((await handle.read(Buffer.alloc(5), { position: 100 })).bytesRead, 0);
      // The other ways in which Node has it.
      const bytes = Buffer.from('-hello-');
      assert.equal((await handle.write(bytes, 1, 5, 0)).bytesWritten, 5);
      assert.equal((await handle.write(bytes, { offset: 6, position: 5 })).bytesWritten, 1);
      const part = Buffer.alloc(8, '.');
      assert.equal((await handle.read(part, 1, 6, 2)).bytesRead, 6);
      assert.equal(part.toString(), '.llo-Wo.');
      assert.equal((await handle.read({ buffer: part, length: 2, position: 0 })).buffer, part);
      assert.equal(part.toString(), 'helo-Wo.');
      await assert.rejects(handle.read(part, 9), /^BoxliteError: offset: expected/);
      await handle.write(' ', 5);
      assert.equal((await handle.stat()).size, 11);
      await handle.truncate(5);
      await handle.chmod(0o640);
      await handle.chown(1, 2);
      await handle.utimes(1, 2);
      await handle.sync();
      const found = await handle.stat();
      assert.deepEqual(
        [found.size, found.mode & 0o777, found.uid, found.gid, found.mtimeMs],
        [5, 0o640, 1, 2, 2000],
      );
    });

    it('reads on from where it was, in order, also when asked at once', async () => {
      const bytes = Buffer.alloc(3_000_000, 'abcdefg');
      await box().fs.writeFile('/tmp/order', bytes);
      await using handle = await box().fs.open('/tmp/order');
      const [one, other] = await Promise.all([
        handle.read(Buffer.alloc(1_500_000)),
        handle.read(Buffer.alloc(1_000_000)),
      ]);
      const rest = (await handle.readFile()) as Buffer;
      assert.ok(Buffer.concat([one.buffer, other.buffer, rest]).equals(bytes));
    });

    it('tells what went wrong and can be used on', async () => {
      await box().fs.writeFile('/tmp/readonly', 'x');
      const handle = await box().fs.open('/tmp/readonly');
      await assert.rejects(handle.write('y'), coded('Storage', 'EBADF'));
      assert.equal(await handle.readFile('utf8'), 'x');
      await handle.close();
      await handle.close();
      await assert.rejects(handle.read(), coded('Storage', 'EBADF'));
    });
  });
});
