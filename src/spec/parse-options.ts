// pure
/** Options as users write them in, checked and complete ones out. No I/O happens here. */

import { type BoxSpec, DEFAULT_IMAGE, type RuntimeSpec } from './box-spec.ts';
import { durationMs } from './duration.ts';
import { environment, guestPath, user, words } from './guest-values.ts';
import { absoluteHostPath } from './host-path.ts';
import { imageRegistries } from './image-registry.ts';
import { rootfs, volumes } from './parse-files.ts';
import { network, ports, secrets } from './parse-network.ts';
import {
  flag,
  invalid,
  list,
  oneOf,
  optional,
  quote,
  shape,
  text,
  textRecord,
  wholeNumber,
} from './reader.ts';
import { SecurityOptions, securityOptions } from './security.ts';
import { diskSizeGb, mebibytes } from './size.ts';

/** What the limits and defaults of options depend on. */
export interface HostFacts {
  readonly cpus: number;
  readonly memoryMib: number;
  readonly platform: NodeJS.Platform;
  /** Where relative host paths start. Without it they are refused. */
  readonly cwd?: string;
}

const DEFAULT_CPUS = 2;
const DEFAULT_MEMORY_MIB = 512;
const DEFAULT_DISK_GIB = 10;
const MEMORY_MIB_MIN = 64;
const DEFAULT_ROOTFS = Object.freeze({ kind: 'image', reference: DEFAULT_IMAGE } as const);
const DEFAULT_NETWORK = Object.freeze({ mode: 'enabled', allowNet: Object.freeze([]) } as const);
const BOX_NAME = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$/;

const engine = oneOf(['auto', 'kvm', 'hvf', 'uml', 'tcg']);

const advancedFields = shape({
  security: optional(securityOptions, null),
  isolateMounts: optional(flag, null),
});
const noneAdvanced = { security: null, isolateMounts: null };

/**
 * What a box is to be.
 *
 * @throws BoxliteError `InvalidArgument` that names the property at fault and what was expected.
 */
export function parseBoxOptions(options: unknown, host: HostFacts): BoxSpec {
  const given = boxFields(host)(options === undefined ? {} : options, '');
  refuseTwoSpellings(given);
  const { advanced, ...fields } = given;
  const security = fields.security ?? advanced.security ?? SecurityOptions.enabled();
  const spec: BoxSpec = {
    ...fields,
    autoRemove: fields.autoRemove ?? !fields.detach,
    security: security.toSettings(),
    isolateMounts: fields.isolateMounts ?? advanced.isolateMounts ?? false,
  };
  refuseConflicts(spec, host);
  return Object.freeze(spec);
}

/**
 * How a runtime is to be. `defaults` is looked at only for what the options leave out.
 *
 * @throws BoxliteError `InvalidArgument` that names the property at fault and what was expected.
 */
export function parseBoxliteOptions(
  options: unknown,
  defaults: { readonly homeDir: string },
): RuntimeSpec {
  const read = shape({
    homeDir: optional(absoluteHostPath, null),
    imageRegistries: optional(imageRegistries, Object.freeze([])),
    engine: optional(engine, 'auto'),
  });
  const given = read(options === undefined ? {} : options, '');
  return Object.freeze({ ...given, homeDir: given.homeDir ?? defaults.homeDir });
}

/**
 * A box's name: 1 to 63 letters, digits, `.`, `_` and `-`, of which the first is a letter or digit.
 *
 * @throws BoxliteError `InvalidArgument`
 */
export function parseBoxName(name: unknown, path = 'name'): string {
  const read = text(name, path);
  if (BOX_NAME.test(read)) return read;
  throw invalid(path, '1..63 of [a-zA-Z0-9][a-zA-Z0-9._-]*', quote(read));
}

function boxFields(host: HostFacts) {
  const memory = mebibytes(MEMORY_MIB_MIN, host.memoryMib, "this host's memory");
  return shape({
    cpus: optional(
      wholeNumber(1, host.cpus, "this host's CPUs"),
      Math.min(DEFAULT_CPUS, host.cpus),
    ),
    memoryMib: optional(memory, Math.min(DEFAULT_MEMORY_MIB, host.memoryMib)),
    diskSizeGb: optional(diskSizeGb, DEFAULT_DISK_GIB),
    workingDir: optional(guestPath, null),
    env: optional(environment, Object.freeze([])),
    user: optional(user, null),
    entrypoint: optional(words, null),
    cmd: optional(list(text), null),
    labels: optional(textRecord, Object.freeze({})),
    rootfs: optional(rootfs(host.cwd), DEFAULT_ROOTFS),
    volumes: optional(volumes(host.cwd), Object.freeze([])),
    network: optional(network, DEFAULT_NETWORK),
    secrets: optional(secrets, Object.freeze([])),
    ports: optional(ports, Object.freeze([])),
    autoRemove: optional(flag, null),
    detach: optional(flag, false),
    engine: optional(engine, null),
    bootTimeoutMs: optional(durationMs(), null),
    advanced: optional(advancedFields, noneAdvanced),
    security: optional(securityOptions, null),
    isolateMounts: optional(flag, null),
  });
}

type Given = ReturnType<ReturnType<typeof boxFields>>;

function refuseTwoSpellings(given: Given): void {
  for (const name of ['security', 'isolateMounts'] as const) {
    if (given[name] !== null && given.advanced[name] !== null) {
      throw invalid(name, `only one of ${name} and advanced.${name}`, 'both');
    }
  }
}

function refuseConflicts(spec: BoxSpec, host: HostFacts): void {
  const disabled = spec.network.mode === 'disabled';
  if (spec.detach && spec.autoRemove) {
    throw invalid('autoRemove', 'false with detach: true, as a detached box is kept', 'true');
  }
  const provided = spec.volumes.findIndex(({ hostPath }) => hostPath === null);
  if (spec.detach && provided >= 0) {
    const expected = 'none with detach: true, as it lives and ends with this program';
    throw invalid(`volumes[${provided}].provider`, expected, 'one');
  }
  if (disabled && spec.ports.length > 0) {
    throw invalid('ports', 'none with network "disabled"', `${spec.ports.length}`);
  }
  if (!disabled && !spec.security.networkEnabled) {
    throw invalid('network', '"disabled" with security.networkEnabled(false)', '"enabled"');
  }
  if (spec.isolateMounts && !spec.security.jailerEnabled) {
    throw invalid('isolateMounts', 'false without the jailer, which isolates them', 'true');
  }
  if (spec.isolateMounts && host.platform !== 'linux') {
    throw invalid('isolateMounts', 'false but on Linux', `true on ${host.platform}`);
  }
}
