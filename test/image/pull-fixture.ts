/** A store in a fresh folder, and what every pull in a test needs. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BlobStore } from '../../src/image/blobs.ts';
import { DEADLINES } from '../../src/image/http.ts';
import { boxPlatform } from '../../src/image/platform.ts';
import type { PullOptions } from '../../src/image/pull.ts';
import { RETRY_POLICY } from '../../src/image/retry.ts';

/** Tries again at once. */
export const QUICK_RETRY = { ...RETRY_POLICY, pauseMs: 1, pauseMsMax: 4 };
/** Gives up soon: only for servers that are meant to be given up. */
export const SHORT_DEADLINES = {
  ...DEADLINES,
  answerMs: 400,
  pace: { bytes: 1024, windowMs: 300 },
};

export class TestStore implements AsyncDisposable {
  readonly folder: string;
  readonly store: BlobStore;

  private constructor(folder: string, store: BlobStore) {
    this.folder = folder;
    this.store = store;
  }

  static async create(): Promise<TestStore> {
    const folder = await mkdtemp(join(tmpdir(), 'boxlite-store-'));
    return new TestStore(folder, await BlobStore.open(folder));
  }

  /** Options for `pullImage` into this store. */
  options(changes: Partial<PullOptions> = {}): PullOptions {
    return {
      store: this.store,
      registries: [],
      platform: boxPlatform('x64'),
      proxy: { http: null, https: null, none: null },
      docker: null,
      retry: QUICK_RETRY,
      ...changes,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** All of a stream. */
export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
}
