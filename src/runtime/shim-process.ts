import { fileURLToPath } from 'node:url';
import { compileCacheIn } from '../base/compile-cache.ts';
import { wholeEnvironment } from '../base/env.ts';
import { BoxliteError, type BoxliteErrorKind } from '../base/errors.ts';
import { startDetached } from '../process/detached.ts';
import type { RootImage } from './root-image.ts';

/** What a shim is told. */
export interface ShimOrder {
  readonly homeDir: string;
  readonly id: string;
  readonly image: RootImage;
}

/** What it says when it is done starting: nothing wrong, or what was. */
export interface ShimReport {
  readonly error: {
    readonly kind: BoxliteErrorKind;
    readonly message: string;
    /** Of its cause: which of its kind it is. */
    readonly code: string | null;
  } | null;
}

/** Compiled or not, it lies beside this file. */
const SHIM = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? 'shim.ts' : 'shim.js', import.meta.url),
);

/**
 * A shim lives long and does little. V8 lets dead buffers of up to 64 MiB lie about while output streams through a
 * program whose young objects have much room; with 1 MiB for those it looks often, and finds little.
 */
const SHIM_OPTIONS = ['--max-semi-space-size=1'];

/**
 * Starts a program that owns one box and outlives this one; resolves when the box runs.
 * @throws BoxliteError what booting the box throws there
 */
export async function startShim(
  order: ShimOrder,
  { cacheDir, signal }: { readonly cacheDir: string; readonly signal?: AbortSignal | undefined },
): Promise<void> {
  const line = await startDetached(process.execPath, [...SHIM_OPTIONS, SHIM], {
    input: JSON.stringify(order),
    env: { ...wholeEnvironment(), NODE_COMPILE_CACHE: compileCacheIn(cacheDir) },
    signal,
  });
  const { error } = JSON.parse(line) as ShimReport;
  if (error === null) return;
  const { kind, message, code } = error;
  throw new BoxliteError(kind, message, code === null ? {} : { cause: { code } });
}
