import type { Seconds } from '../base/durations.ts';
import type { Bytes } from '../base/sizes.ts';
import { ID_MAX, variableName } from './guest-values.ts';
import { absoluteHostPath } from './host-path.ts';
import { flag, invalid, list, mistyped, type Read, wholeNumber } from './reader.ts';
import {
  limitBytes,
  limitCount,
  limitSeconds,
  type ResourceLimitsOptions,
  resourceLimits,
} from './resource-limits.ts';
import * as presets from './security-presets.ts';
import type { ResourceLimits, SecuritySettings } from './security-settings.ts';

const hostId = wholeNumber(0, ID_MAX);

/**
 * How tightly a box's VMM is locked in. Immutable. The default, `enabled()`, is right for code
 * nobody has read; `builder()` starts there and changes single switches.
 *
 * @example
 * const security = SecurityOptions.builder().maxProcesses(200).build();
 */
export class SecurityOptions implements SecuritySettings {
  declare readonly jailerEnabled: boolean;
  declare readonly seccompEnabled: boolean;
  declare readonly uid: number | null;
  declare readonly gid: number | null;
  declare readonly newPidNs: boolean;
  declare readonly newNetNs: boolean;
  declare readonly chrootBase: string | null;
  declare readonly chrootEnabled: boolean;
  declare readonly closeFds: boolean;
  declare readonly sanitizeEnv: boolean;
  declare readonly envAllowlist: readonly string[];
  declare readonly resourceLimits: ResourceLimits;
  declare readonly allowUnjailed: boolean;
  declare readonly umlPtrace: boolean;
  declare readonly sandboxProfile: string | null;
  declare readonly networkEnabled: boolean;
  readonly #settings: SecuritySettings;

  private constructor(settings: SecuritySettings) {
    this.#settings = settings;
    Object.freeze(Object.assign(this, settings));
  }

  /** Checked settings as options. @internal */
  static of(settings: SecuritySettings): SecurityOptions {
    return new SecurityOptions(Object.freeze(settings));
  }

  /** Everything on, as user and group 65534. The default. */
  static enabled(): SecurityOptions {
    return SecurityOptions.of(presets.enabled);
  }
  /** Everything off: for debugging, and for hosts that cannot jail. */
  static disabled(): SecurityOptions {
    return SecurityOptions.of(presets.disabled);
  }
  /** An older preset, for debugging: no jailer, no seccomp, descriptors stay open. */
  static development(): SecurityOptions {
    return SecurityOptions.of(presets.development);
  }
  /** An older preset: jailer and seccomp, without limits, as a user chosen for the box. */
  static standard(): SecurityOptions {
    return SecurityOptions.of(presets.standard);
  }
  /** An older preset: the same as `enabled()`. */
  static maximum(): SecurityOptions {
    return SecurityOptions.of(presets.enabled);
  }

  /** Starts from `enabled()`. */
  static builder(): SecurityOptionsBuilder {
    return new SecurityOptionsBuilder();
  }

  /** The same as plain data. @internal */
  toSettings(): SecuritySettings {
    return this.#settings;
  }
}

/** The option `security`. */
export const securityOptions: Read<SecurityOptions> = (value, path) => {
  if (value instanceof SecurityOptions) return value;
  throw mistyped(path, 'SecurityOptions, as SecurityOptions.enabled() gives', value);
};

/**
 * Makes SecurityOptions. Each method changes the builder and returns it; `build()` may be called
 * more than once. Every method throws BoxliteError `InvalidArgument` for a value out of range.
 */
export class SecurityOptionsBuilder {
  readonly #base: SecuritySettings;
  readonly #changes: { -readonly [K in keyof SecuritySettings]?: SecuritySettings[K] } = {};

  /** Starts from `base`, or from `SecurityOptions.enabled()`. */
  constructor(base: SecurityOptions = SecurityOptions.enabled()) {
    this.#base = securityOptions(base, 'base').toSettings();
  }

  /** Starts from the defaults, `SecurityOptions.enabled()`. */
  static new(): SecurityOptionsBuilder {
    return new SecurityOptionsBuilder();
  }
  /** Starts from `SecurityOptions.enabled()`. */
  static enabled(): SecurityOptionsBuilder {
    return new SecurityOptionsBuilder(SecurityOptions.enabled());
  }
  /** Starts from `SecurityOptions.disabled()`. */
  static disabled(): SecurityOptionsBuilder {
    return new SecurityOptionsBuilder(SecurityOptions.disabled());
  }
  /** Starts from `SecurityOptions.development()`. */
  static development(): SecurityOptionsBuilder {
    return new SecurityOptionsBuilder(SecurityOptions.development());
  }
  /** Starts from `SecurityOptions.standard()`. */
  static standard(): SecurityOptionsBuilder {
    return new SecurityOptionsBuilder(SecurityOptions.standard());
  }
  /** Starts from `SecurityOptions.maximum()`. */
  static maximum(): SecurityOptionsBuilder {
    return new SecurityOptionsBuilder(SecurityOptions.maximum());
  }

  /** The master switch: off, it turns off seccomp, namespaces, chroot and the drop to a user. */
  jailerEnabled(enable: boolean): this {
    return this.#set('jailerEnabled', flag(enable, 'jailerEnabled'));
  }
  /** Filter the VMM's system calls. */
  seccompEnabled(enable: boolean): this {
    return this.#set('seccompEnabled', flag(enable, 'seccompEnabled'));
  }
  /** Drop to this user. */
  uid(uid: number): this {
    return this.#set('uid', hostId(uid, 'uid'));
  }
  /** Drop to this group. */
  gid(gid: number): this {
    return this.#set('gid', hostId(gid, 'gid'));
  }
  /** A process namespace of its own. */
  newPidNs(enable: boolean): this {
    return this.#set('newPidNs', flag(enable, 'newPidNs'));
  }
  /** A network namespace of its own. */
  newNetNs(enable: boolean): this {
    return this.#set('newNetNs', flag(enable, 'newNetNs'));
  }
  /**
   * Make the root of the jail in this directory, an absolute path: `<chrootBase>/<box id>`, gone when the box stops. It
   * is made if it is not there, and may be nobody else's to write. By default roots are in memory.
   */
  chrootBase(path: string): this {
    return this.#set('chrootBase', absoluteHostPath(path, 'chrootBase'));
  }
  /** A root with nothing in it but what the VMM needs. */
  chrootEnabled(enable: boolean): this {
    return this.#set('chrootEnabled', flag(enable, 'chrootEnabled'));
  }
  /** Close inherited file descriptors. */
  closeFds(enable: boolean): this {
    return this.#set('closeFds', flag(enable, 'closeFds'));
  }
  /** Clear the environment. */
  sanitizeEnv(enable: boolean): this {
    return this.#set('sanitizeEnv', flag(enable, 'sanitizeEnv'));
  }
  /** The variables that `sanitizeEnv` leaves. */
  envAllowlist(names: readonly string[]): this {
    return this.#set('envAllowlist', list(variableName)(names, 'envAllowlist'));
  }
  /** One more variable that `sanitizeEnv` leaves. */
  allowEnv(name: string): this {
    const names = [...this.#merged().envAllowlist, variableName(name, 'allowEnv')];
    return this.#set('envAllowlist', Object.freeze(names));
  }
  /** All limits at once; those left out are none. */
  resourceLimits(limits: ResourceLimitsOptions): this {
    return this.#set('resourceLimits', resourceLimits(limits, 'resourceLimits'));
  }
  /** RLIMIT_NOFILE. */
  maxOpenFiles(n: number): this {
    return this.#limit({ maxOpenFiles: limitCount(n, 'maxOpenFiles') });
  }
  /** RLIMIT_FSIZE. The box's disk and memory always fit; in the jail nothing larger does. */
  maxFileSizeBytes(n: number | Bytes): this {
    return this.#limit({ maxFileSize: limitBytes(n, 'maxFileSizeBytes') });
  }
  /** RLIMIT_NPROC. */
  maxProcesses(n: number): this {
    return this.#limit({ maxProcesses: limitCount(n, 'maxProcesses') });
  }
  /** RLIMIT_AS. */
  maxMemoryBytes(n: number | Bytes): this {
    return this.#limit({ maxMemory: limitBytes(n, 'maxMemoryBytes') });
  }
  /** RLIMIT_CPU. A number is seconds. On the engine `uml` each program in the box has them for itself. */
  maxCpuTimeSeconds(n: number | Seconds): this {
    return this.#limit({ maxCpuTime: limitSeconds(n, 'maxCpuTimeSeconds') });
  }
  /** Let the engine `uml` run without the jailer, which is all that keeps its guest in. Only for your own code. */
  allowUnjailed(allow: boolean): this {
    return this.#set('allowUnjailed', flag(allow, 'allowUnjailed'));
  }
  /** Protect the guest kernel of `uml` from the guest's programs: system calls take three to ten times longer. */
  umlPtrace(enable: boolean): this {
    return this.#set('umlPtrace', flag(enable, 'umlPtrace'));
  }
  /** A sandbox profile of yours, an absolute path. macOS only; ignored elsewhere. */
  sandboxProfile(path: string): this {
    return this.#set('sandboxProfile', absoluteHostPath(path, 'sandboxProfile'));
  }
  /** Whether the sandbox lets the box's network work. If not, the box's network must be off. */
  networkEnabled(enable: boolean): this {
    return this.#set('networkEnabled', flag(enable, 'networkEnabled'));
  }

  /**
   * The options. Without the jailer what needs it is off.
   *
   * @throws BoxliteError `InvalidArgument` if something that needs the jailer was asked for without it, or a
   *   `chrootBase` without `chrootEnabled`.
   */
  build(): SecurityOptions {
    const settings = this.#merged();
    if (settings.jailerEnabled) {
      if (settings.chrootEnabled) return SecurityOptions.of(settings);
      if (this.#changes.chrootBase !== undefined) {
        throw invalid(
          'chrootBase',
          'chrootEnabled(true) with it, for there is no root to make',
          'false',
        );
      }
      return SecurityOptions.of({ ...settings, chrootBase: null });
    }
    for (const [name, off] of Object.entries(presets.withoutJailer)) {
      const asked = this.#changes[name as keyof typeof presets.withoutJailer];
      if (asked !== undefined && asked !== off) {
        throw invalid(name, 'jailerEnabled(true) with it, because the jailer does this', 'false');
      }
    }
    return SecurityOptions.of({ ...settings, ...presets.withoutJailer });
  }

  #merged(): SecuritySettings {
    return { ...this.#base, ...this.#changes };
  }

  #set<K extends keyof SecuritySettings>(name: K, value: SecuritySettings[K]): this {
    Object.assign(this.#changes, { [name]: value });
    return this;
  }

  #limit(change: Partial<ResourceLimits>): this {
    const limits = { ...this.#merged().resourceLimits, ...change };
    return this.#set('resourceLimits', Object.freeze(limits));
  }
}
