import type { Seconds } from '../base/durations.ts';
import type { Bytes } from '../base/sizes.ts';
import type { EngineName } from './parts.ts';
import type { SecurityOptions } from './security.ts';
import type { VolumeProvider } from './volume-provider.ts';

/** What a box runs on. `auto`: the first of the others, in this order, that works on this host. */
export type EngineChoice = 'auto' | EngineName;

/**
 * How to make a box. Everything is optional. A wrong type, a value out of range or an unknown
 * property is an `InvalidArgument` error that names the property and what was expected.
 */
export interface BoxOptions {
  /** Virtual processors, 1 to the host's. Default: 2, or all of the host's if it has fewer. */
  cpus?: number | undefined;
  /** Memory of the guest in MiB, 64 to the host's. Default: 512. */
  memoryMib?: number | Bytes | undefined;
  /** Space the box may write, in GiB, 1 to 16384. Sparse; survives restarts. Default: 10. */
  diskSizeGb?: number | Bytes | undefined;
  /** Absolute directory commands start in. Default: the image's, else `/`. */
  workingDir?: string | undefined;
  /** Variables of every command, over the image's own. In a list the last of a name wins. */
  env?: EnvironmentVariables | undefined;
  /** Who commands run as: `name`, `uid`, `uid:gid`, `name:group`. Default: the image's, else root. */
  user?: string | undefined;
  /** The main command's first words, instead of the image's. An empty list means none. */
  entrypoint?: readonly string[] | undefined;
  /** The main command's further words, instead of the image's. An empty list means none. */
  cmd?: readonly string[] | undefined;
  /** Notes of the caller's, to find the box by. */
  labels?: Readonly<Record<string, string>> | undefined;
  /** What the box's files are at first. Default: `'alpine:latest'`. */
  rootfs?: RootfsSpec | undefined;
  /** Host directories and files the box sees. */
  volumes?: readonly VolumeSpec[] | undefined;
  /** What the box may reach. Default: `'enabled'`, without limits. */
  network?: NetworkSpec | undefined;
  /** Values that reach their hosts without ever being in the box. */
  secrets?: readonly Secret[] | undefined;
  /** Ports of the box that the host listens on. Needs the network. */
  ports?: readonly PortSpec[] | undefined;
  /** Whether stopping removes the box. Default: true; false with `detach`, which excludes it. */
  autoRemove?: boolean | undefined;
  /** Whether the box outlives the process that made it. Default: false. */
  detach?: boolean | undefined;
  /** What this box runs on. Default: the runtime's choice. */
  engine?: EngineChoice | undefined;
  /** How long booting may take, in ms. Default: 30 000, and 120 000 with the engine `tcg`. */
  bootTimeoutMs?: number | Seconds | undefined;
  /** For experts; the defaults are secure. */
  advanced?: AdvancedBoxOptions | undefined;
  /** The older place of `advanced.security`; only one of the two may be given. */
  security?: SecurityOptions | undefined;
  /** The older place of `advanced.isolateMounts`; only one of the two may be given. */
  isolateMounts?: boolean | undefined;
}

/** Names and values. A name has neither `=` nor NUL, a value no NUL. */
export type EnvironmentVariables =
  | Readonly<Record<string, string>>
  | readonly (readonly [name: string, value: string])[];

/**
 * What a box's files are at first.
 *
 * A text is an image reference such as `python:3.12`, or `builtin:base`, the minimal root file
 * system that comes with BoxLite. `rootfsPath` is an OCI layout, a docker or OCI archive, or a
 * directory that holds a root file system; a relative one is seen from the working directory.
 */
export type RootfsSpec = string | { readonly image: string } | { readonly rootfsPath: string };

/**
 * A host directory or a single file that the box sees, or a file system that this program makes itself. `docs/VOLUMES.md`
 * tells who owns the files, and where a volume differs from a disk.
 */
export type VolumeSpec = {
  /** Absolute, in the box. No two volumes may have the same. */
  guestPath: string;
  /** Refuses the box's writes. Default: false. */
  readOnly?: boolean | undefined;
} & (
  | {
      /** On the host. It must exist; a relative one is seen from the working directory. */
      hostPath: string;
      provider?: undefined;
    }
  | {
      hostPath?: undefined;
      /** Lives in this program: not for a box with `detach`. */
      provider: VolumeProvider;
    }
);

/** `isolated` is the older name of `enabled`. `disabled`: the box has no network interface at all. */
export type NetworkMode = 'enabled' | 'disabled' | 'isolated';

/** What a box may reach. */
export type NetworkSpec =
  | NetworkMode
  | {
      readonly mode: NetworkMode;
      /**
       * What alone may be reached; empty means everything. Each is a host name (`example.com`), a
       * wildcard (`*.example.com`: every name below it, not the name itself), an address or a CIDR
       * block (`10.0.0.0/8`), and may end with a port: `example.com:443`, `10.0.0.0/8:5432`,
       * `[2001:db8::/32]:443`. Excluded by the mode `disabled`.
       */
      readonly allowNet?: readonly string[] | undefined;
    };

/**
 * A value that only the listed hosts get. The box sees the placeholder, also in the variable
 * `BOXLITE_SECRET_<NAME>`; on the way to a listed host it is replaced by the value.
 */
export interface Secret {
  /** Unique; also as a variable's name, where letters are upper case and the rest but digits `_`. */
  name: string;
  /** Host names, wildcards and addresses, as in `allowNet`. At least one. */
  hosts: readonly string[];
  /** One line. */
  value: string;
  /** What the box has in the value's place. Unique. Default: `<BOXLITE_SECRET:name>`. */
  placeholder?: string | undefined;
}

/** What a port carries. */
export type PortProtocol = 'tcp' | 'udp';

/** A port of the box that the host listens on. */
export interface PortSpec {
  /** 1 to 65535. */
  guestPort: number;
  /** 0 to 65535; 0 lets the host choose, and `info().ports` tells. Default: 0. */
  hostPort?: number | undefined;
  /** Default: `tcp`. */
  protocol?: PortProtocol | undefined;
  /** The host's address to listen on. Default: `0.0.0.0`, which is all of IPv4. */
  hostIp?: string | undefined;
}

/** A port that the host listens on for a box. A `PublishedPort` is one. */
export interface PortName {
  hostPort: number;
  /** Default: `tcp`. */
  protocol?: PortProtocol | undefined;
  /** Default: whichever address it is. */
  hostIp?: string | undefined;
  /** Default: whichever port of the box it is. */
  guestPort?: number | undefined;
}

/** Options most programs never need. */
export interface AdvancedBoxOptions {
  /** How tightly the VMM is locked in. Default: `SecurityOptions.enabled()`. */
  security?: SecurityOptions | undefined;
  /** Isolate bind mounts; Linux only. Default: false. */
  isolateMounts?: boolean | undefined;
}

/** How files are copied into and out of a box. */
export interface CopyOptions {
  /** Whether directories are copied with what is in them. Default: true. */
  recursive?: boolean | undefined;
  /** Whether existing files are replaced. Default: true. */
  overwrite?: boolean | undefined;
  /** Whether what a symbolic link names is copied, and not the link. Default: false. */
  followSymlinks?: boolean | undefined;
  /** Whether a directory is copied itself, and not only what is in it. Default: true. */
  includeParent?: boolean | undefined;
  /**
   * Who owns what is copied in, as the `user` of a command: `name`, `uid`, `uid:gid`, `name:group`.
   * Default: root. What is copied out belongs to the user of this program.
   */
  owner?: string | undefined;
  /** Ends the copy; what was copied so far stays, but no half of a file. */
  signal?: AbortSignal | undefined;
}
