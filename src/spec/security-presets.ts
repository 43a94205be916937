import type { ResourceLimits, SecuritySettings } from './security-settings.ts';

/** nobody and nogroup. */
const NOBODY = 65_534;

/** What needs the jailer, and what it is without. */
export const withoutJailer = {
  seccompEnabled: false,
  uid: null,
  gid: null,
  newPidNs: false,
  newNetNs: false,
  chrootBase: null,
  chrootEnabled: false,
} as const satisfies Partial<SecuritySettings>;

const noLimits: ResourceLimits = Object.freeze({
  maxOpenFiles: null,
  maxFileSize: null,
  maxProcesses: null,
  maxMemory: null,
  maxCpuTime: null,
});

/** Everything on, as an unprivileged user. */
export const enabled: SecuritySettings = Object.freeze({
  jailerEnabled: true,
  seccompEnabled: true,
  uid: NOBODY,
  gid: NOBODY,
  newPidNs: true,
  newNetNs: true,
  chrootBase: null,
  chrootEnabled: true,
  closeFds: true,
  sanitizeEnv: true,
  envAllowlist: Object.freeze([]),
  // Not the size of files: it depends on the disk's, and a fixed one kills the VMM half-way.
  resourceLimits: Object.freeze({ ...noLimits, maxOpenFiles: 1024, maxProcesses: 1024 }),
  allowUnjailed: false,
  umlPtrace: false,
  sandboxProfile: null,
  networkEnabled: true,
});

/** Everything off. */
export const disabled: SecuritySettings = Object.freeze({
  ...enabled,
  ...withoutJailer,
  jailerEnabled: false,
  closeFds: false,
  sanitizeEnv: false,
  resourceLimits: noLimits,
});

/** No jail and no closed descriptors, but a clean environment. */
export const development: SecuritySettings = Object.freeze({ ...disabled, sanitizeEnv: true });

/** The jail with every part, but no fixed user and no limits. */
export const standard: SecuritySettings = Object.freeze({
  ...enabled,
  uid: null,
  gid: null,
  resourceLimits: noLimits,
});
