import type { EngineChoice, PortProtocol } from './box-options.ts';
import type { ImageRegistry } from './image-registry.ts';
import type { NetworkRule } from './network-rule.ts';
import type { SecuritySettings } from './security-settings.ts';

/**
 * A box as asked for, checked, with every default filled in but those that come from the image or
 * the runtime, which are null. Deeply frozen plain data: it can be written as JSON and read back.
 */
export interface BoxSpec {
  readonly rootfs: RootfsSource;
  readonly cpus: number;
  readonly memoryMib: number;
  /** In GiB. */
  readonly diskSizeGb: number;
  /** Each name once. */
  readonly env: readonly EnvironmentPair[];
  /** Null: the image's. */
  readonly workingDir: string | null;
  /** Null: the image's. */
  readonly user: string | null;
  /** Null: the image's. Empty: none. */
  readonly entrypoint: readonly string[] | null;
  /** Null: the image's. Empty: none. */
  readonly cmd: readonly string[] | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly volumes: readonly VolumeMount[];
  readonly network: NetworkAccess;
  /** Contains values that must not be printed. */
  readonly secrets: readonly SecretRule[];
  readonly ports: readonly PortMapping[];
  readonly autoRemove: boolean;
  readonly detach: boolean;
  /** Null: the runtime's choice. */
  readonly engine: EngineChoice | null;
  /** Null: the engine's own. */
  readonly bootTimeoutMs: number | null;
  readonly security: SecuritySettings;
  readonly isolateMounts: boolean;
}

/** What the box's files are at first: an image, a host path, or BoxLite's own `builtin:base`. */
export type RootfsSource =
  | { readonly kind: 'image'; readonly reference: string }
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'base' };

/** A variable's name and its value. */
export type EnvironmentPair = readonly [name: string, value: string];

/** Both paths are absolute; the guest's has no `.`, `..`, double or final slash. */
export interface VolumeMount {
  /** Null: a provider of the program that made the box. */
  readonly hostPath: string | null;
  readonly guestPath: string;
  readonly readOnly: boolean;
}

/** An enabled network without rules may reach everything. */
export type NetworkAccess =
  | { readonly mode: 'enabled'; readonly allowNet: readonly NetworkRule[] }
  | { readonly mode: 'disabled' };

/** A value that only requests to `hosts` get in place of the placeholder. */
export interface SecretRule {
  readonly name: string;
  /** The guest's variable that holds the placeholder: `BOXLITE_SECRET_<NAME>`. */
  readonly variable: string;
  /** No address blocks. */
  readonly hosts: readonly NetworkRule[];
  readonly placeholder: string;
  readonly value: string;
}

/** A port of the box that the host listens on. */
export interface PortMapping {
  readonly guestPort: number;
  /** Null: the host chooses. */
  readonly hostPort: number | null;
  readonly protocol: PortProtocol;
  readonly hostIp: string;
}

/** A runtime as asked for, checked, with every default filled in. */
export interface RuntimeSpec {
  readonly homeDir: string;
  /** Empty: docker.io. */
  readonly imageRegistries: readonly ImageRegistry[];
  readonly engine: EngineChoice;
}

/** The image of boxes that nothing is said about. */
export const DEFAULT_IMAGE = 'alpine:latest';

/** The name of the root file system that comes with BoxLite. */
export const BUILTIN_BASE = 'builtin:base';

/** A root file system in one word, as `BoxInfo.image` has it. */
export function rootfsName(rootfs: RootfsSource): string {
  switch (rootfs.kind) {
    case 'image':
      return rootfs.reference;
    case 'path':
      return rootfs.path;
    case 'base':
      return BUILTIN_BASE;
  }
}
