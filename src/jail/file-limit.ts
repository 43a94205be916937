// pure
import type { SecuritySettings } from '../spec/security-settings.ts';

/**
 * The settings, with a limit of file sizes under which a VMM can write the disk and the memory that it was given. A
 * smaller one would have it killed (SIGXFSZ, setrlimit(2)) as soon as its guest wrote beyond it.
 * @param fileBytes what the plan has to write
 */
export function withRoomFor(fileBytes: number, security: SecuritySettings): SecuritySettings {
  const { maxFileSize } = security.resourceLimits;
  if (maxFileSize === null || maxFileSize >= fileBytes) return security;
  return { ...security, resourceLimits: { ...security.resourceLimits, maxFileSize: fileBytes } };
}
