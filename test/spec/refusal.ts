import assert from 'node:assert/strict';
import { parseBoxOptions } from '../../src/spec/parse-options.ts';

/** A host with two processors and 4 GiB, on which `/home/me` is the working directory. */
export const testHost = {
  cpus: 2,
  memoryMib: 4096,
  platform: 'linux',
  cwd: '/home/me',
} as const;

/** Checks that something is refused as an invalid argument, with exactly this message. */
export function refuses(act: () => unknown, message: string): void {
  assert.throws(act, { name: 'BoxliteError', kind: 'InvalidArgument', message });
}

/** Checks that a box's options are refused with exactly this message. */
export function refusesOptions(options: unknown, message: string): void {
  refuses(() => parseBoxOptions(options, testHost), message);
}

/** What a box's options read as on the test host. */
export function parse(options: unknown) {
  return parseBoxOptions(options, testHost);
}
