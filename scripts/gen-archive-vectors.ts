/**
 * Writes test/vectors/archive.txt, which the tests of both sides of a copy read; with --check, compares. The
 * records are put together here, byte by byte, and not by the codec they are to prove.
 */
import { keepGenerated } from './generated.ts';

const KINDS = { directory: 1, file: 2, symlink: 3, link: 4, bytes: 5, hole: 6, up: 7, end: 8 };

interface Parts {
  mode: number;
  link: number;
  seconds: bigint;
  nanoseconds: number;
  name: Buffer;
  /** Null: no NUL and no target at all. */
  target: Buffer | null;
}

const lines: string[] = [];
const hex = (bytes: Uint8Array | null) => Buffer.from(bytes ?? []).toString('hex') || '-';
const text = (value: string) => Buffer.from(value);

/** A record with a header that may lie about its length. */
function record(kind: number, payload: Uint8Array, length = payload.length): Buffer {
  const header = Buffer.alloc(5);
  header.writeUInt32LE(length, 0);
  header.writeUInt8(kind, 4);
  return Buffer.concat([header, payload]);
}

function entryBytes(parts: Parts): Buffer {
  const fixed = Buffer.alloc(18);
  fixed.writeUInt16LE(parts.mode, 0);
  fixed.writeUInt32LE(parts.link, 2);
  fixed.writeBigInt64LE(parts.seconds, 6);
  fixed.writeUInt32LE(parts.nanoseconds, 14);
  const target = parts.target === null ? [] : [Buffer.from([0]), parts.target];
  return Buffer.concat([fixed, parts.name, ...target]);
}

function entry(
  title: string,
  verdict: 'ok' | 'bad',
  kind: keyof typeof KINDS,
  given: Partial<Parts>,
): void {
  const parts: Parts = {
    mode: 0o644,
    link: 0,
    seconds: 1_700_000_000n,
    nanoseconds: 0,
    name: text('name'),
    target: null,
    ...given,
  };
  const bytes = record(KINDS[kind], entryBytes(parts));
  const { mode, link, seconds, nanoseconds, name, target } = parts;
  const fields = verdict === 'ok' ? [mode, link, seconds, nanoseconds, hex(name), hex(target)] : [];
  lines.push([title, verdict, hex(bytes), ...fields].join(' '));
}

function plain(title: string, verdict: 'ok' | 'bad', bytes: Buffer): void {
  lines.push([title, verdict, hex(bytes)].join(' '));
}

entry('directory', 'ok', 'directory', { mode: 0o755 });
entry('file', 'ok', 'file', {});
entry('file-set-id', 'ok', 'file', { mode: 0o7777 });
entry('file-of-no-mode', 'ok', 'file', { mode: 0 });
entry('file-numbered', 'ok', 'file', { link: 1 });
entry('file-highest-number', 'ok', 'file', { link: 0xffff_ffff });
entry('file-before-1970', 'ok', 'file', { seconds: -1n, nanoseconds: 999_999_999 });
entry('file-far-future', 'ok', 'file', { seconds: 2n ** 53n - 1n });
entry('file-one-letter', 'ok', 'file', { name: text('x') });
entry('file-three-dots', 'ok', 'file', { name: text('...') });
entry('file-dot-in-front', 'ok', 'file', { name: text('.x') });
entry('file-longest-name', 'ok', 'file', { name: Buffer.alloc(255, 'n') });
entry('file-name-no-utf8', 'ok', 'file', { name: Buffer.from([0xff, 0xfe, 0x80]) });
entry('file-name-newline', 'ok', 'file', { name: text('a\nb') });
entry('symlink', 'ok', 'symlink', { target: text('../elsewhere') });
entry('symlink-absolute', 'ok', 'symlink', { target: text('/etc/passwd') });
entry('symlink-longest', 'ok', 'symlink', {
  name: Buffer.alloc(255, 'n'),
  target: Buffer.alloc(4095, 't'),
});
entry('link', 'ok', 'link', { link: 7 });
plain('bytes', 'ok', record(KINDS.bytes, text('content')));
plain('bytes-one', 'ok', record(KINDS.bytes, Buffer.from([0])));
plain('hole', 'ok', record(KINDS.hole, Buffer.from([0, 0, 0, 0, 1, 0, 0, 0])));
plain('up', 'ok', record(KINDS.up, Buffer.alloc(0)));
plain('end', 'ok', record(KINDS.end, Buffer.alloc(0)));

entry('name-empty', 'bad', 'file', { name: text('') });
entry('name-dot', 'bad', 'file', { name: text('.') });
entry('name-dots', 'bad', 'directory', { name: text('..') });
entry('name-dots-of-a-link', 'bad', 'symlink', { name: text('..'), target: text('x') });
entry('name-slash', 'bad', 'file', { name: text('a/b') });
entry('name-absolute', 'bad', 'file', { name: text('/etc/passwd') });
entry('name-climbing', 'bad', 'file', { name: text('../x') });
entry('name-nul', 'bad', 'file', { name: text('a\0b') });
entry('name-too-long', 'bad', 'file', { name: Buffer.alloc(256, 'n') });
entry('name-too-long-of-a-link', 'bad', 'symlink', {
  name: Buffer.alloc(256, 'n'),
  target: text('x'),
});
entry('mode-too-large', 'bad', 'file', { mode: 0o10000 });
entry('nanoseconds-too-large', 'bad', 'file', { nanoseconds: 1_000_000_000 });
entry('number-of-a-directory', 'bad', 'directory', { link: 1 });
entry('number-of-a-symlink', 'bad', 'symlink', { link: 1, target: text('x') });
entry('link-without-number', 'bad', 'link', {});
entry('symlink-without-target', 'bad', 'symlink', {});
entry('symlink-to-nothing', 'bad', 'symlink', { name: text('names'), target: text('') });
entry('symlink-target-nul', 'bad', 'symlink', { target: text('a\0b') });
entry('symlink-target-too-long', 'bad', 'symlink', { target: Buffer.alloc(4096, 't') });
plain('kind-zero', 'bad', record(0, Buffer.alloc(0)));
plain('kind-after-last', 'bad', record(9, Buffer.alloc(0)));
plain('kind-highest', 'bad', record(255, Buffer.alloc(0)));
plain('bytes-none', 'bad', record(KINDS.bytes, Buffer.alloc(0)));
plain('bytes-too-many', 'bad', record(KINDS.bytes, Buffer.alloc(0), 1024 * 1024 + 1));
plain('entry-too-short', 'bad', record(KINDS.file, Buffer.alloc(18)));
plain('entry-too-long', 'bad', record(KINDS.file, Buffer.alloc(0), 18 + 256));
plain('hole-too-short', 'bad', record(KINDS.hole, Buffer.alloc(7)));
plain('hole-too-long', 'bad', record(KINDS.hole, Buffer.alloc(9)));
plain('up-with-payload', 'bad', record(KINDS.up, Buffer.alloc(1)));
plain('end-with-payload', 'bad', record(KINDS.end, Buffer.alloc(1)));
plain('length-highest', 'bad', record(KINDS.file, Buffer.alloc(0), 0xffff_ffff));

keepGenerated(
  'test/vectors/archive.txt',
  [
    '# Records of the copy archive, read by the tests of both sides. Generated by scripts/gen-archive-vectors.ts.',
    '# name verdict record; of good entries also: mode link seconds nanoseconds name target',
    ...lines,
    '',
  ].join('\n'),
);
