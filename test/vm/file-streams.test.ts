import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe, it } from 'node:test';
import { BoxliteError } from '../../src/index.ts';
import { forEachEngine, sharedBox, shell } from './fixture.ts';
import { eventually, inTime } from './polling.ts';

const MEBIBYTE = 1024 * 1024;

forEachEngine((engine) => {
  describe('a stream of a file', () => {
    const box = sharedBox(engine);

    it('carries what the file has', async () => {
      const bytes = Buffer.alloc(5 * MEBIBYTE + 1, 'abcdefg');
      await pipeline(
        Readable.from([bytes.subarray(0, 1000), bytes.subarray(1000)]),
        box().fs.createWriteStream('/tmp/x'),
      );
      const read = await box().fs.createReadStream('/tmp/x').toArray();
      assert.ok(Buffer.concat(read as Buffer[]).equals(bytes));
    });

    it('carries a part of it, and text', async () => {
      await box().fs.writeFile('/tmp/part', 'zero one two ünï');
      const part = box().fs.createReadStream('/tmp/part', { start: 5, end: 7, encoding: 'utf8' });
      assert.deepEqual(await part.toArray(), ['one']);
      assert.deepEqual(await box().fs.createReadStream('/tmp/part', { start: 100 }).toArray(), []);
      assert.deepEqual(
        await box().fs.createReadStream('/tmp/part', { start: 9, end: 8 }).toArray(),
        [],
      );
      assert.deepEqual(await box().fs.createReadStream('/tmp/part', 'utf8').toArray(), [
        'zero one two ünï',
      ]);
      const stream = box().fs.createWriteStream('/tmp/part', { flags: 'r+', start: 5 });
      stream.write('ONE');
      await new Promise<void>((resolve) => stream.end(resolve));
      assert.equal(await box().fs.readFile('/tmp/part', 'utf8'), 'zero ONE two ünï');
    });

    it('fails when the file cannot be opened', async () => {
      const openers = [
        () => box().fs.createReadStream('/tmp/none/x'),
        () => box().fs.createWriteStream('/tmp/none/x'),
      ];
      for (const openIt of openers) {
        const stream = openIt();
        const error = await new Promise((resolve) => stream.once('error', resolve));
        assert.ok(BoxliteError.is(error, 'NotFound'), String(error));
        assert.equal(stream.destroyed, true);
      }
    });

    it('goes no faster than it is read', async () => {
      const stream = box().fs.createReadStream('/dev/zero');
      let size = 0;
      for await (const piece of stream) {
        size += piece.length;
        if (size > 3 * MEBIBYTE) break;
        assert.ok(stream.readableLength <= MEBIBYTE);
      }
      // Leaving the loop has ended the work in the box.
      await eventually('the stream to close', () => (stream.closed ? true : null));
    });

    it('goes no faster than the box takes it', async () => {
      await shell(box(), 'mkfifo /tmp/slow');
      const stream = box().fs.createWriteStream('/tmp/slow', { flags: 'r+' });
      let written = 0;
      while (stream.write(Buffer.alloc(MEBIBYTE)) && written < 100) written++;
      assert.ok(written < 10);
      stream.destroy();
      await eventually('the stream to close', () => (stream.closed ? true : null));
    });

    it('shows what was written when the writer pauses', async () => {
      const stream = box().fs.createWriteStream('/tmp/paused');
      stream.write('so far');
      await inTime(
        'the text to arrive',
        (async () => {
          while (
            (await box()
              .fs.readFile('/tmp/paused', 'utf8')
              .catch(() => '')) !== 'so far'
          );
        })(),
      );
      await new Promise<void>((resolve) => stream.end(' so good', resolve));
      assert.equal(await box().fs.readFile('/tmp/paused', 'utf8'), 'so far so good');
    });

    it('ends with its signal', async () => {
      const abort = new AbortController();
      const reason = new Error('enough');
      const stream = box().fs.createReadStream('/dev/zero', { signal: abort.signal });
      await assert.rejects(
        (async () => {
          for await (const _ of stream) abort.abort(reason);
        })(),
        reason,
      );
    });
  });

  describe('a watch', () => {
    const box = sharedBox(engine);

    /** What happens during `work`, up to when `last` is told. */
    async function changes(
      path: string,
      recursive: boolean,
      last: string,
      work: () => Promise<unknown>,
    ) {
      const watch = box().fs.watch(path, { recursive });
      await watch.ready;
      const seen: string[] = [];
      const watching = (async () => {
        for await (const { eventType, filename } of watch) {
          seen.push(`${eventType} ${filename}`);
          if (filename === last) return;
        }
      })();
      await work();
      await inTime('the last event', watching);
      return seen;
    }

    it('tells what happens in a directory', async () => {
      await box().fs.mkdir('/tmp/w');
      const seen = await changes('/tmp/w', false, 'last', async () => {
        await shell(
          box(),
          'cd /tmp/w; echo x > f; chmod 600 f; mv f g; rm g; mkdir d; touch d/below; touch last',
        );
      });
      for (const event of ['rename f', 'change f', 'rename g', 'rename d', 'rename last']) {
        assert.ok(seen.includes(event), `${event} in ${seen}`);
      }
      assert.ok(!seen.some((event) => event.includes('below')));
    });

    it('tells what happens to a file', async () => {
      await box().fs.writeFile('/tmp/single', '');
      const watch = box().fs.watch('/tmp/single');
      await watch.ready;
      await box().fs.appendFile('/tmp/single', 'more');
      for await (const change of watch) {
        assert.deepEqual(change, { eventType: 'change', filename: 'single' });
        break;
      }
    });

    it('tells what happens in a tree, also in directories that come later', async () => {
      await box().fs.mkdir('/tmp/tree/old/deep', { recursive: true });
      const seen = await changes('/tmp/tree', true, 'last', async () => {
        await shell(
          box(),
          'cd /tmp/tree; echo x > old/deep/a; mkdir -p new/deeper; echo x > new/deeper/b; touch last',
        );
      });
      for (const event of [
        'rename old/deep/a',
        'rename new',
        'rename new/deeper',
        'rename new/deeper/b',
      ]) {
        assert.ok(seen.includes(event), `${event} in ${seen}`);
      }
    });

    it('knows directories by their new names', async () => {
      await box().fs.mkdir('/tmp/moving/one/below', { recursive: true });
      const seen = await changes('/tmp/moving', true, 'two/below/f', () =>
        shell(box(), 'cd /tmp/moving; mv one two; echo x > two/below/f'),
      );
      assert.ok(seen.includes('rename one') && seen.includes('rename two'), String(seen));
      assert.ok(!seen.includes('rename one/below/f'), String(seen));
    });

    it('of what is not there fails', async () => {
      const watch = box().fs.watch('/tmp/not-there');
      const notFound = (error: unknown) => BoxliteError.is(error, 'NotFound');
      await assert.rejects(watch.ready, notFound);
      await assert.rejects(watch[Symbol.asyncIterator]().next(), notFound);
    });

    it('ends with its signal, and by being closed', async () => {
      const abort = new AbortController();
      const watch = box().fs.watch('/tmp', { signal: abort.signal });
      await watch.ready;
      const next = watch[Symbol.asyncIterator]().next();
      const reason = new Error('enough');
      abort.abort(reason);
      await assert.rejects(next, reason);
      await using other = box().fs.watch('/tmp');
      await other.ready;
    });
  });
});
