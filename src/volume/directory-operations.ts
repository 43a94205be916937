// pure
import type { VolumeEntry, VolumeFound } from '../spec/volume-provider.ts';
import { VolumeError } from './errno.ts';
import { TRANSFER_BYTES_MAX } from './fuse-protocol.ts';
import { DirectoryWriter, encodeOpen } from './fuse-reply.ts';
import type { RequestOf } from './fuse-request.ts';
import type { OpenDirectory } from './handles.ts';
import type { KnownNode } from './nodes.ts';
import { can, type Finish, NOTHING, VALIDITY, type VolumeState } from './volume-state.ts';

/** Nodes of a directory that are looked at together. */
const BATCH = 64;
/** Bytes before the name in a directory's entry, and what comes before that in READDIRPLUS. */
const ENTRY_HEAD_BYTES = 24;
const PLUS_BYTES = 128;

/** Requests about open directories. */
export class DirectoryOperations {
  readonly #state: VolumeState;

  constructor(state: VolumeState) {
    this.#state = state;
  }

  async opendir({ node }: RequestOf<'opendir'>): Promise<Finish> {
    this.#state.handles.requireRoom();
    const known = this.#state.nodes.get(node);
    can(known.node, 'list', 'ENOTDIR');
    return {
      body: () => [
        encodeOpen(this.#state.handles.add({ kind: 'directory', known, entries: [] }), 0),
      ],
    };
  }

  async readdir(request: RequestOf<'readdir'>): Promise<Finish> {
    const directory = this.#state.handles.directory(request.handle);
    const size = Math.min(request.size, TRANSFER_BYTES_MAX);
    if (request.position === 0) await this.#readEntries(directory);
    const writer = new DirectoryWriter(size, request.plus);
    const steps: (() => void)[] = [];
    let at = Math.min(request.position, directory.entries.length);
    while (at < directory.entries.length) {
      const batch = fitting(directory.entries, at, size, request.plus);
      const found = await Promise.all(
        batch.map((entry) => (request.plus ? this.#foundIn(directory.known, entry) : null)),
      );
      const start = at;
      steps.push(() => this.#addEntries(writer, batch, start, found, request.plus));
      at += batch.length;
      // What has gone meanwhile must not look like the end.
      if (!request.plus || found.some((entry) => entry !== null)) break;
    }
    return {
      body: () => {
        for (const step of steps) step();
        return [writer.bytes];
      },
    };
  }

  async #readEntries(directory: OpenDirectory): Promise<void> {
    const entries = await can(directory.known.node, 'list', 'ENOTDIR')();
    const dots = ['.', '..'].map(
      (name) => ({ name: Buffer.from(name), type: 'directory' }) as const,
    );
    this.#state.handles.setEntries(directory, [...dots, ...entries]);
  }

  async #foundIn(
    directory: KnownNode,
    { name }: VolumeEntry,
  ): Promise<VolumeFound | 'dots' | null> {
    if (isDots(name)) return 'dots';
    // One that cannot be looked at is still listed; whoever looks at it learns why.
    return can(directory.node, 'lookup', 'ENOTDIR')(name).catch(() => 'dots' as const);
  }

  #addEntries(
    writer: DirectoryWriter,
    batch: readonly VolumeEntry[],
    start: number,
    found: readonly (VolumeFound | 'dots' | null)[],
    plus: boolean,
  ): void {
    for (const [i, entry] of batch.entries()) {
      const seen = found[i] ?? null;
      if (plus && seen === null) continue;
      if (!writer.fits(entry.name)) return;
      if (seen === null || seen === 'dots') {
        writer.add(entry, start + i + 1, null);
        continue;
      }
      const known = this.#state.nodes.lookedUp(seen.node);
      const attributes = this.#state.attributes(known, seen.stat);
      const told = { name: entry.name, type: seen.stat.type, inode: attributes.inode };
      writer.add(told, start + i + 1, { id: known.id, attributes, validity: VALIDITY });
    }
  }

  releasedir({ handle }: RequestOf<'releasedir'>): Finish {
    this.#state.handles.remove(handle, 'directory');
    return NOTHING;
  }
}

/** The entries from `at` on that fit a reply, no more than are looked at together. */
function fitting(
  entries: readonly VolumeEntry[],
  at: number,
  size: number,
  plus: boolean,
): readonly VolumeEntry[] {
  let room = size;
  let end = at;
  const limit = plus ? at + BATCH : entries.length;
  while (end < Math.min(entries.length, limit)) {
    const head = ENTRY_HEAD_BYTES + (plus ? PLUS_BYTES : 0);
    room -= Math.ceil((head + (entries[end]?.name.length ?? 0)) / 8) * 8;
    if (room < 0) break;
    end++;
  }
  // A reply too small for a single entry is EINVAL, as getdents(2) has it.
  if (end === at && at < entries.length) throw new VolumeError('EINVAL');
  return entries.slice(at, end);
}

function isDots(name: Uint8Array): boolean {
  return name.length <= 2 && name.every((byte) => byte === 0x2e);
}
