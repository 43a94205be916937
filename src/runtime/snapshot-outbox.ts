import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { BoxliteError, messageOf } from '../base/errors.ts';
import type { PlanFile } from '../spec/parts.ts';
import { socketPath } from './owner-address.ts';

/** What a kernel fills with its notes of 10 GiB of memory, and then some: we hold all of it twice. */
const STREAM_BYTES_MAX = 256 * 1024 ** 2;
/** Larger than any image is, and all of it a hole. */
const IMAGE_BYTES = 2 ** 40;
/** Its name in the jail. */
const INSIDE = '/box/outbox';
const SOCKET = 'socket';

/**
 * Where a VMM puts what it saves: QEMU cannot be given a descriptor to write it to, but connects to a socket in a folder.
 * Only we can enter the folder's own, and the VMM the one inside of it, which it is given.
 */
export class SnapshotOutbox implements Disposable {
  /** In place of an image, of which a guest learns no more than how large it is. */
  readonly image: string;
  /** The folder, for the plan of the VMM. */
  readonly file: PlanFile;
  /** All that the VMM puts there. Rejects with BoxliteError `Engine` if it is too much; with what a socket throws. */
  readonly saved: Promise<Buffer>;
  readonly #opened: DisposableStack;

  private constructor(base: string, server: Server, opened: DisposableStack) {
    this.#opened = opened;
    this.image = join(base, 'image');
    this.file = { hostPath: folderIn(base), inside: INSIDE, ours: true };
    this.saved = new Promise((resolve, reject) => {
      server.once('connection', (socket) => collect(socket).then(resolve, reject));
    });
    // It may be of no interest any more.
    this.saved.catch(() => undefined);
  }

  /** In a folder of the cache. @throws BoxliteError `Storage` if it cannot be made there. */
  static async open(folder: string): Promise<SnapshotOutbox> {
    using opened = new DisposableStack();
    try {
      mkdirSync(folder, { recursive: true });
      const base = mkdtempSync(join(folder, 'new-'));
      opened.defer(() => rmSync(base, { recursive: true, force: true }));
      writeFileSync(join(base, 'image'), '');
      truncateSync(join(base, 'image'), IMAGE_BYTES);
      mkdirSync(folderIn(base));
      const server = createServer();
      opened.defer(() => server.close());
      using socket = socketPath(folderIn(base), SOCKET);
      await once(server.listen(socket.path), 'listening');
      // Whoever the VMM runs as; nobody else gets as far.
      chmodSync(folderIn(base), 0o755);
      chmodSync(socket.path, 0o666);
      return new SnapshotOutbox(base, server, opened.move());
    } catch (cause) {
      const message = `Cannot make room for a snapshot in "${folder}": ${messageOf(cause)}`;
      throw new BoxliteError('Storage', message, { cause });
    }
  }

  /** The socket, as QEMU is to be told: by where it is in a root of the VMM's own, or by where it is on the host. */
  uri(inOwnRoot: boolean): string {
    return `unix:${join(inOwnRoot ? INSIDE : this.file.hostPath, SOCKET)}`;
  }

  [Symbol.dispose](): void {
    this.#opened.dispose();
  }
}

function folderIn(base: string): string {
  return join(base, 'outbox');
}

async function collect(socket: Socket): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of socket) {
    pieces.push(piece);
    length += piece.length;
    if (length > STREAM_BYTES_MAX) {
      throw new BoxliteError('Engine', 'What QEMU saves of a guest is too much');
    }
  }
  return Buffer.concat(pieces);
}
