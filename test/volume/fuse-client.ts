/** A guest's kernel for tests: makes FUSE requests, byte by byte as linux/fuse.h has them, and reads the replies. */
import assert from 'node:assert/strict';
import type { VolumeProvider } from '../../src/index.ts';
import { opcodes } from '../../src/volume/fuse-protocol.ts';
import { VolumeServer } from '../../src/volume/server.ts';

/** Parts of a request's body: numbers by their size, and bytes. */
export const u32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
export const u64 = (value: number | bigint) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
};
export const name = (text: string | Uint8Array) => Buffer.concat([Buffer.from(text), Buffer.of(0)]);

/** A whole request. */
export function request(
  opcode: number,
  unique: number | bigint,
  node: number | bigint,
  ...body: Uint8Array[]
): Buffer {
  const rest = Buffer.concat(body);
  const caller = [u32(0), u32(0), u32(1), u32(0)];
  return Buffer.concat([
    ...[u32(40 + rest.length), u32(opcode), u64(unique), u64(node), ...caller],
    rest,
  ]);
}

/** What stat() would tell. */
export interface Seen {
  readonly node: number;
  readonly mode: number;
  readonly size: number;
  readonly links: number;
  readonly mtime: number;
}

/** The errno of a reply, as an error. */
export class Refused extends Error {
  readonly errno: number;

  constructor(errno: number) {
    super(`errno ${errno}`);
    this.errno = errno;
  }
}

/** See the top of this file. */
export class FuseClient implements AsyncDisposable {
  readonly server: VolumeServer;
  /** Set when the server has given the volume up. */
  failure: Error | null = null;
  /** Bytes that were given back. */
  consumed = 0;
  /** Nodes of which the server has said that they have changed. */
  readonly invalidated: number[] = [];
  #unique = 2;
  readonly #waiting = new Map<bigint, (reply: Buffer) => void>();

  constructor(server: (options: object) => VolumeServer) {
    this.server = server({
      send: async (reply: Uint8Array) => {
        this.#arrived(Buffer.from(reply));
        return true;
      },
      consumed: (bytes: number) => {
        this.consumed += bytes;
      },
      failed: (reason: Error) => {
        this.failure = reason;
      },
    });
  }

  static async of(
    provider: VolumeProvider,
    { readOnly = false, now = Date.now } = {},
  ): Promise<FuseClient> {
    const root = await provider.root();
    const fixed = { provider, root, readOnly, now, owner: { uid: 7, gid: 8 } };
    const client = new FuseClient((options) => new VolumeServer({ ...fixed, ...options } as never));
    const init = await client.ask(opcodes.init, 0, u32(7), u32(36), u32(1 << 20), u32(0x7fffffff));
    assert.equal(init.readUInt32LE(0), 7);
    return client;
  }

  /** Sends a request and waits for its reply's body. @throws Refused */
  ask(opcode: number, node: number, ...body: Uint8Array[]): Promise<Buffer> {
    this.#unique += 2;
    const unique = BigInt(this.#unique);
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    this.#waiting.set(unique, (reply) => {
      const errno = -reply.readInt32LE(4);
      if (errno === 0) resolve(reply.subarray(16));
      else reject(new Refused(errno));
    });
    this.server.receive(request(opcode, unique, node, ...body));
    return promise;
  }

  #arrived(reply: Buffer): void {
    assert.equal(reply.readUInt32LE(0), reply.length);
    const unique = reply.readBigUInt64LE(8);
    if (unique === 0n) {
      assert.equal(reply.readInt32LE(4), 2, 'an invalidation of a node');
      assert.equal(reply.readBigInt64LE(24), -1n, 'of its attributes only');
      this.invalidated.push(Number(reply.readBigUInt64LE(16)));
      return;
    }
    const waiter = this.#waiting.get(unique);
    assert.ok(waiter !== undefined, `a reply to ${unique}, which nobody waits for`);
    this.#waiting.delete(unique);
    waiter(reply);
  }

  async lookup(parent: number, text: string | Uint8Array): Promise<Seen> {
    return entry(await this.ask(opcodes.lookup, parent, name(text)));
  }

  /** With a handle, what that open file is like (FUSE_GETATTR_FH). */
  async getattr(node: number, handle: number | null = null): Promise<Seen> {
    const flags = handle === null ? 0 : 1;
    const asked = this.ask(opcodes.getattr, node, u32(flags), u32(0), u64(handle ?? 0));
    return attributes(node, await asked, 16);
  }

  async mkdir(parent: number, text: string | Uint8Array, mode = 0o755): Promise<Seen> {
    return entry(await this.ask(opcodes.mkdir, parent, u32(mode), u32(0), name(text)));
  }

  async symlink(parent: number, text: string, target: string): Promise<Seen> {
    return entry(await this.ask(opcodes.symlink, parent, name(text), name(target)));
  }

  async link(node: number, parent: number, text: string): Promise<Seen> {
    return entry(await this.ask(opcodes.link, parent, u64(node), name(text)));
  }

  async create(
    parent: number,
    text: string | Uint8Array,
    mode = 0o644,
    flags = 0o102,
  ): Promise<Seen & { handle: number }> {
    const body = [u32(flags), u32(mode), u32(0), u32(0), name(text)];
    const reply = await this.ask(opcodes.create, parent, ...body);
    return { ...entry(reply), handle: Number(reply.readBigUInt64LE(128)) };
  }

  async open(node: number, flags: number): Promise<number> {
    return Number((await this.ask(opcodes.open, node, u32(flags), u32(0))).readBigUInt64LE(0));
  }

  read(node: number, handle: number, position: number, size: number): Promise<Buffer> {
    const rest = [u32(0), u64(0), u32(0), u32(0)];
    return this.ask(opcodes.read, node, u64(handle), u64(position), u32(size), ...rest);
  }

  async write(
    node: number,
    handle: number,
    position: number,
    data: Uint8Array,
    flags = 0,
  ): Promise<number> {
    const rest = [u32(flags), u64(0), u32(0), u32(0)];
    const body = [u64(handle), u64(position), u32(data.length), ...rest, data];
    return (await this.ask(opcodes.write, node, ...body)).readUInt32LE(0);
  }

  async truncate(node: number, size: number | bigint, handle?: number): Promise<Seen> {
    return this.setattr(node, handle === undefined ? 8 : 8 | 64, { size, handle: handle ?? 0 });
  }

  async setattr(
    node: number,
    valid: number,
    fields: {
      size?: number | bigint;
      handle?: number;
      mode?: number;
      mtime?: number;
      uid?: number;
    },
  ): Promise<Seen> {
    const { size = 0, handle = 0, mode = 0, mtime = 0, uid = 0 } = fields;
    const body = [
      ...[u32(valid), u32(0), u64(handle), u64(size), u64(0)],
      ...[u64(0), u64(mtime), u64(0), u32(0), u32(0), u32(0)],
      ...[u32(mode), u32(0), u32(uid), u32(0), u32(0)],
    ];
    return attributes(node, await this.ask(opcodes.setattr, node, ...body), 16);
  }

  unlink(parent: number, text: string | Uint8Array): Promise<Buffer> {
    return this.ask(opcodes.unlink, parent, name(text));
  }

  rmdir(parent: number, text: string): Promise<Buffer> {
    return this.ask(opcodes.rmdir, parent, name(text));
  }

  rename(from: number, text: string, to: number, newText: string, flags = 0): Promise<Buffer> {
    const body = [u64(to), u32(flags), u32(0), name(text), name(newText)];
    return this.ask(opcodes.rename2, from, ...body);
  }

  release(node: number, handle: number): Promise<Buffer> {
    return this.ask(opcodes.release, node, u64(handle), u64(0), u64(0));
  }

  /** Names in a directory, as their bytes in characters. */
  async list(node: number, plus = false): Promise<string[]> {
    const opened = await this.ask(opcodes.opendir, node, u32(0), u32(0));
    const handle = opened.readBigUInt64LE(0);
    const names: string[] = [];
    let position = 0n;
    for (;;) {
      const rest = [u32(0), u64(0), u32(0), u32(0)];
      const body = [u64(handle), u64(position), u32(4096), ...rest];
      const opcode = plus ? opcodes.readdirplus : opcodes.readdir;
      const bytes = await this.ask(opcode, node, ...body);
      if (bytes.length === 0) break;
      for (let at = 0; at < bytes.length; ) {
        const head = at + (plus ? 128 : 0);
        position = bytes.readBigUInt64LE(head + 8);
        const length = bytes.readUInt32LE(head + 16);
        names.push(bytes.toString('latin1', head + 24, head + 24 + length));
        at = head + Math.ceil((24 + length) / 8) * 8;
      }
    }
    await this.ask(opcodes.releasedir, node, u64(handle), u64(0), u64(0));
    return names.filter((text) => text !== '.' && text !== '..').toSorted();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.close();
  }
}

function entry(reply: Buffer): Seen {
  return attributes(Number(reply.readBigUInt64LE(0)), reply, 40);
}

function attributes(node: number, reply: Buffer, at: number): Seen {
  return {
    node,
    size: Number(reply.readBigUInt64LE(at + 8)),
    mtime: Number(reply.readBigInt64LE(at + 32)),
    mode: reply.readUInt32LE(at + 60),
    links: reply.readUInt32LE(at + 64),
  };
}

/** Fails unless the request is refused with this number. */
export async function refused(errno: number, work: Promise<unknown>): Promise<void> {
  await assert.rejects(work, (error) => error instanceof Refused && error.errno === errno);
}
