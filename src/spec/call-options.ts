// pure
/** The small options of single calls, read as strictly as those of a box. */

import type { CopyOptions, PortName } from './box-options.ts';
import type { PortMapping } from './box-spec.ts';
import { type BoxStatus, boxStatuses } from './box-status.ts';
import { durationMs } from './duration.ts';
import { user } from './guest-values.ts';
import { type NetworkRule, networkRule } from './network-rule.ts';
import { port, portName } from './parse-network.ts';
import {
  flag,
  list,
  mistyped,
  nonEmptyText,
  oneOf,
  optional,
  type Read,
  shape,
  text,
  textRecord,
} from './reader.ts';
import { diskSizeGb } from './size.ts';

const signal: Read<AbortSignal> = (value, path) => {
  if (!(value instanceof AbortSignal)) throw mistyped(path, 'an AbortSignal', value);
  return value;
};

const signalFields = { signal: optional(signal, null) };

/** What `run`, `publish` and `images.export` take. */
export const parseSignalOptions = outermost(shape(signalFields));

/** What `start` takes. */
export const parseStartOptions = outermost(
  shape({ diskSizeGb: optional(diskSizeGb, null), ...signalFields }),
);

/** What `stop` takes. No time at all ends the box without asking it. */
export const parseStopOptions = outermost(shape({ timeoutMs: optional(durationMs(0), null) }));

/** Something to be called, such as `onProgress`. */
function callback(value: unknown, path: string): unknown {
  if (typeof value !== 'function') throw mistyped(path, 'a function', value);
  return value;
}

const progressFields = { onProgress: optional(callback, null), ...signalFields };

/** Refuses what `images.pull` does not take. */
export const checkPullOptions: (options: unknown) => void = outermost(shape(progressFields));

/** Refuses what `images.import` does not take. */
export const checkImportOptions: (options: unknown) => void = outermost(
  shape({ reference: optional(text, null), ...progressFields }),
);

/** Refuses what `buildKernels` does not take. */
export const checkBuildOptions: (options: unknown) => void = outermost(
  shape({
    flavors: optional(list(oneOf(['uml', 'vm'])), null),
    source: optional(nonEmptyText, null),
    ...progressFields,
  }),
);

/** What `images.prune` takes. */
export const parsePruneOptions = outermost(shape({ all: optional(flag, false), ...signalFields }));

/** What `engines` takes. */
export const parseEnginesOptions = outermost(
  shape({ retry: optional(flag, false), ...signalFields }),
);

/** What `logs` takes. */
export const parseLogsOptions = outermost(
  shape({ follow: optional(flag, false), ...signalFields }),
);

/** What `network.events` takes. */
export const parseEventsOptions = outermost(
  shape({ follow: optional(flag, true), ...signalFields }),
);

/** What `network.setRules` takes. */
export const parseAllowNet: (allowNet: unknown) => readonly NetworkRule[] = (value) =>
  list(networkRule)(value, 'allowNet');

/** What `network.publish` takes. */
export const parsePort: (port: unknown) => PortMapping = (value) => port(value, '');

/** What `network.unpublish` takes. */
export const parsePortName: (port: unknown) => PortName = (value) => portName(value, '');

/** What `copyIn` and `copyOut` take. */
export const parseCopyOptions: (options: unknown) => CopySpec = outermost(
  shape({
    recursive: optional(flag, true),
    overwrite: optional(flag, true),
    followSymlinks: optional(flag, false),
    includeParent: optional(flag, true),
    owner: optional(user, null),
    ...signalFields,
  }),
);

/** What `listInfo` takes. No status means all of them. */
export const parseListFilter: (options: unknown) => ListFilter = outermost(
  shape({
    status: optional(list(oneOf(boxStatuses)), boxStatuses),
    labels: optional(textRecord, {}),
  }),
);

/** CopyOptions with every default filled in. */
export type CopySpec = {
  readonly [K in keyof Omit<CopyOptions, 'owner' | 'signal'>]-?: boolean;
} & { readonly owner: string | null; readonly signal: AbortSignal | null };

/** Which boxes to list. */
export interface ListFilter {
  readonly status: readonly BoxStatus[];
  /** A box has all of these. */
  readonly labels: Readonly<Record<string, string>>;
}

/** Options that a call may leave out altogether. */
function outermost<T>(read: Read<T>): (options: unknown) => T {
  return (options) => read(options === undefined ? {} : options, '');
}
