import { readFileSync } from 'node:fs';

/** One line of test/vectors/archive.txt. */
export interface ArchiveVector {
  readonly title: string;
  readonly ok: boolean;
  readonly record: Buffer;
  /** Of good entries. */
  readonly entry: {
    readonly mode: number;
    readonly link: number;
    readonly seconds: number;
    readonly nanoseconds: number;
    readonly name: Buffer;
    readonly target: Buffer;
  } | null;
}

export function readArchiveVectors(): ArchiveVector[] {
  const text = readFileSync(new URL('../vectors/archive.txt', import.meta.url), 'utf8');
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return lines.map((line) => {
    const [title = '', verdict, record, mode, link, seconds, nanoseconds, name, target] =
      line.split(' ');
    const entry = {
      mode: Number(mode),
      link: Number(link),
      seconds: Number(seconds),
      nanoseconds: Number(nanoseconds),
      name: fromHex(name),
      target: fromHex(target),
    };
    return {
      title,
      ok: verdict === 'ok',
      record: fromHex(record),
      entry: name === undefined ? null : entry,
    };
  });
}

function fromHex(text: string | undefined): Buffer {
  return text === undefined || text === '-' ? Buffer.alloc(0) : Buffer.from(text, 'hex');
}
