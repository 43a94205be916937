/** Writes tar archives for tests, also such as no tool would write. */

export interface TarMember {
  readonly name: string | Buffer;
  /** The character in the header; `0` is a file. */
  readonly flag?: string;
  readonly content?: string | Uint8Array;
  readonly linkName?: string | Buffer;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: number;
  readonly major?: number;
  readonly minor?: number;
  /** Claimed size, where it is not that of the content. */
  readonly size?: number;
  /** Records of an extended header before it. */
  readonly pax?: Readonly<Record<string, string | Buffer>>;
  /** Changes the header before its checksum is taken. */
  readonly patch?: (header: Buffer) => void;
  /** `gnu` has no prefix field. */
  readonly magic?: 'ustar' | 'gnu' | 'v7';
}

const MAGIC = { ustar: 'ustar\x0000', gnu: 'ustar  \0', v7: '\0'.repeat(8) };

/** An archive with the two blocks of zeros at its end. */
export function tar(...members: readonly TarMember[]): Buffer {
  return Buffer.concat([...members.map(member), Buffer.alloc(1024)]);
}

/** One member: extended header, header, content. */
export function member(options: TarMember): Buffer {
  const content = Buffer.from(options.content ?? '');
  const parts = [header(options, options.size ?? content.length), padded(content)];
  if (options.pax !== undefined) {
    const records = paxRecords(Object.entries(options.pax));
    parts.unshift(header({ name: 'pax', flag: 'x' }, records.length), padded(records));
  }
  return Buffer.concat(parts);
}

/** `LENGTH KEY=VALUE\n`, where the length counts itself. */
export function paxRecords(records: Iterable<readonly [string, string | Buffer]>): Buffer {
  return Buffer.concat(
    [...records].map(([key, value]) => {
      const body = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value), Buffer.from('\n')]);
      let length = body.length + 1;
      while (`${length}`.length + body.length !== length) length++;
      return Buffer.concat([Buffer.from(`${length}`), body]);
    }),
  );
}

export function padded(content: Buffer): Buffer {
  return Buffer.concat([content, Buffer.alloc(-content.length & 511)]);
}

export function header(options: TarMember, size: number): Buffer {
  const block = Buffer.alloc(512);
  const number = (value: number, at: number, width: number) =>
    block.write(value.toString(8).padStart(width - 1, '0'), at, width - 1, 'latin1');
  Buffer.from(options.name).copy(block, 0, 0, 100);
  const isDirectory = options.flag === '5';
  number(options.mode ?? (isDirectory ? 0o755 : 0o644), 100, 8);
  number(options.uid ?? 0, 108, 8);
  number(options.gid ?? 0, 116, 8);
  number(size, 124, 12);
  number(options.mtime ?? 1_600_000_000, 136, 12);
  block.write(options.flag ?? '0', 156, 1, 'latin1');
  Buffer.from(options.linkName ?? '').copy(block, 157, 0, 100);
  block.write(MAGIC[options.magic ?? 'ustar'], 257, 8, 'latin1');
  number(options.major ?? 0, 329, 8);
  number(options.minor ?? 0, 337, 8);
  options.patch?.(block);
  return sealed(block);
}

/** The header with its checksum made right. */
export function sealed(block: Buffer): Buffer {
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 8, 'latin1');
  return block;
}
