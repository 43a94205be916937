import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Duplex } from 'node:stream';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { BoxliteError } from '../../src/base/errors.ts';
import { MailboxLink } from '../../src/portal/mailbox-link.ts';
import { frameFlags, frameRules, HEADER_BYTES } from '../../src/portal/messages.ts';
import type { Mailbox, MailboxUse } from '../../src/spec/parts.ts';

/** A terminal's buffer in the guest. */
const TERMINAL_BYTES = 4096;

const TERMINAL: MailboxUse = { payloadBytesMin: 128, lineBytesMax: TERMINAL_BYTES / 2 };

/** A mailbox of `places` pieces. */
class TestMailbox implements Mailbox {
  readonly descriptor = -1;
  readonly use: MailboxUse;
  readonly pieces: Uint8Array[] = [];
  readonly #places: number;

  constructor(places: number, use: MailboxUse = TERMINAL) {
    this.#places = places;
    this.use = use;
  }
  get roomy() {
    return this.pieces.length < this.#places;
  }
  put(payload: Uint8Array) {
    if (!this.roomy) return null;
    this.pieces.push(payload);
    return { offset: 0, length: payload.length };
  }
  taken(count: number) {
    this.pieces.splice(0, count);
  }
  [Symbol.dispose]() {}
}

/** A line whose other end reads when it is told to. */
class TestLine extends Duplex {
  unread: Buffer = Buffer.alloc(0);
  override _write(chunk: Buffer, _encoding: string, done: () => void) {
    this.unread = Buffer.concat([this.unread, chunk]);
    done();
  }
  override _read() {}
}

const frames = fc.array(
  fc.record({
    name: fc.constantFrom('DATA' as const, 'CONTROL' as const, 'WINDOW' as const, 'OPEN' as const),
    size: fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 20_000 })),
  }),
  { maxLength: 200 },
);

describe('MailboxLink', () => {
  it('ends the line when the mailbox cannot be written, and sends nothing more', async () => {
    const line = new TestLine();
    const mailbox = new TestMailbox(4);
    mailbox.put = () => {
      throw new BoxliteError('Storage', 'no room');
    };
    const link = new MailboxLink(line, mailbox, () => undefined);
    const failed = once(line, 'error');
    link.send('DATA', 1, 0, new Uint8Array(1000));
    link.send('DATA', 1, 0, new Uint8Array(10));
    const [error] = await failed;
    assert.ok(BoxliteError.is(error, 'Storage'));
    assert.deepEqual([line.unread.length, link.backlog], [0, 0]);
  });

  it('delivers every frame in order, and never fills the terminal', () => {
    fc.assert(
      fc.property(frames, fc.integer({ min: 1, max: 4 }), fc.nat(), (list, places, seed) => {
        const line = new TestLine();
        const mailbox = new TestMailbox(places);
        const link = new MailboxLink(line, mailbox, () => undefined);
        const seen: string[] = [];
        let pings = 0;
        let random = seed;
        const read = () => {
          // The agent takes some of what is there; frames are cut anywhere, so they are parsed by hand here.
          const bytes = line.unread;
          let at = 0;
          while (bytes.length - at >= HEADER_BYTES) {
            const length = bytes.readUInt32LE(at + 4);
            if (bytes.length - at < HEADER_BYTES + length) break;
            const type = bytes[at + 8];
            const name =
              Object.entries(frameRules).find(([, rule]) => rule.type === type)?.[0] ?? '';
            const placed = ((bytes[at + 9] ?? 0) & frameFlags.MAILBOX) !== 0;
            if (name === 'PING') pings++;
            else seen.push(`${name} ${placed ? mailbox.pieces[0]?.length : length}`);
            at += HEADER_BYTES + length;
            line.unread = bytes.subarray(at);
            if (placed) link.mailboxTaken(1);
            if (name === 'PING') link.ponged();
            if (line.unread !== bytes.subarray(at)) return read();
          }
        };
        for (const { name, size } of list) {
          const length = name === 'WINDOW' ? 4 : size;
          link.send(name, 1, 0, new Uint8Array(length));
          assert.ok(line.unread.length < TERMINAL_BYTES, `${line.unread.length} bytes wait`);
          random = (random * 1103515245 + 12345) % 2 ** 31;
          if (random % 3 === 0) read();
        }
        for (let i = 0; i < list.length + 10; i++) read();
        assert.deepEqual(
          seen,
          list.map(({ name, size }) => `${name} ${name === 'WINDOW' ? 4 : size}`),
        );
        assert.equal(link.backlog, line.writableLength);
        assert.ok(pings <= list.length);
      }),
      { numRuns: 200 },
    );
  });

  it('takes no notice of an answer to a PING it has not sent', () => {
    const line = new TestLine();
    const link = new MailboxLink(line, new TestMailbox(1), () => undefined);
    for (let i = 0; i < 100; i++) link.ponged();
    for (let i = 0; i < 500; i++) link.send('WINDOW', 1, 0, new Uint8Array(4));
    assert.ok(line.unread.length < TERMINAL_BYTES);
    assert.ok(link.backlog > 0);
    assert.equal(link.writable, false);
  });

  it('asks nothing of a line that holds any amount, and leaves small pieces to it', () => {
    const line = new TestLine();
    const mailbox = new TestMailbox(1, { payloadBytesMin: 1000, lineBytesMax: null });
    let writable = 0;
    const link = new MailboxLink(line, mailbox, () => writable++);
    for (let i = 0; i < 100; i++) link.send('DATA', 1, 0, new Uint8Array(999));
    assert.equal(line.unread.length, 100 * (HEADER_BYTES + 999));
    assert.deepEqual([mailbox.pieces.length, link.writable], [0, true]);
    link.send('DATA', 1, 0, new Uint8Array(1000));
    link.send('DATA', 1, 0, new Uint8Array(2000));
    // It waits for the one before it, and so does what comes after it.
    link.send('WINDOW', 1, 0, new Uint8Array(4));
    assert.deepEqual([mailbox.pieces.length, link.writable, link.backlog], [1, false, 2004]);
    link.mailboxTaken(1);
    assert.equal(mailbox.pieces[0]?.length, 2000);
    assert.equal(link.backlog, 0);
    link.mailboxTaken(1);
    assert.deepEqual([link.writable, writable > 0], [true, true]);
  });

  it('reminds a side that is silent, ever more seldom, until it is heard or has been asked often', (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const line = new TestLine();
    const link = new MailboxLink(line, new TestMailbox(1), () => undefined);
    link.send('WINDOW', 1, 0, new Uint8Array(4));
    assert.deepEqual(namesIn(line), ['WINDOW']);
    const reminded: string[][] = [];
    for (let ms = 0; ms < 5000; ms += 4) {
      t.mock.timers.tick(4);
      const names = namesIn(line);
      if (names.length > 0) reminded.push([`${ms + 4} ms`, ...names]);
    }
    assert.deepEqual(reminded, [
      ['4 ms', 'PING'],
      ...[12, 28, 60, 124, 252, 508, 1020].map((ms) => [`${ms} ms`, 'PONG']),
    ]);
    // From then on only when there is something new to say.
    link.send('WINDOW', 1, 0, new Uint8Array(4));
    t.mock.timers.tick(4);
    assert.deepEqual(namesIn(line), ['WINDOW', 'PONG']);
    line.emit('data', Buffer.alloc(1));
    link.ponged();
    t.mock.timers.tick(5000);
    assert.deepEqual(namesIn(line), []);
  });

  it('reminds nobody who has answered in time, nor a line that has closed or is always noticed', (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const [heard, closed, other] = [new TestLine(), new TestLine(), new TestLine()];
    const use = { payloadBytesMin: 1000, lineBytesMax: null };
    const links = [heard, closed].map(
      (line) => new MailboxLink(line, new TestMailbox(1), () => undefined),
    );
    links.push(new MailboxLink(other, new TestMailbox(1, use), () => undefined));
    for (const link of links) link.send('WINDOW', 1, 0, new Uint8Array(4));
    heard.emit('data', Buffer.alloc(1));
    closed.emit('close');
    t.mock.timers.tick(5000);
    for (const line of [heard, closed, other]) assert.deepEqual(namesIn(line), ['WINDOW']);
  });
});

/** What is on the line, which is empty then. */
function namesIn(line: TestLine): string[] {
  const names: string[] = [];
  const bytes = line.unread;
  for (let at = 0; at < bytes.length; at += HEADER_BYTES + bytes.readUInt32LE(at + 4)) {
    const found = Object.entries(frameRules).find(([, { type }]) => type === bytes[at + 8]);
    names.push(found?.[0] ?? '');
  }
  line.unread = Buffer.alloc(0);
  return names;
}
