import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';
import { BoxliteError, type BoxliteErrorKind } from '../../base/errors.ts';
import { type FilePath, showPath } from './file-path.ts';

/** What was tried, on what. */
export interface FileContext {
  /** As `node:fs` names it in its messages: `open`, `scandir`, `stat`. */
  readonly syscall: string;
  readonly path: FilePath;
  readonly dest?: FilePath | undefined;
}

const kinds: Readonly<Record<string, BoxliteErrorKind>> = {
  ENOENT: 'NotFound',
  EEXIST: 'AlreadyExists',
  EINVAL: 'InvalidArgument',
};

const descriptions = new Map(getSystemErrorMap().values());

/**
 * The error for a file operation that failed, worded as `node:fs` does: `ENOENT: no such file or directory,
 * open '/x'`. Its kind is `NotFound` for ENOENT, `AlreadyExists` for EEXIST, `InvalidArgument` for EINVAL and
 * `Storage` for all others; `systemCode` is the code, and `cause` the error `node:fs` would have thrown.
 * `note` says what else there is to know.
 */
export function fileError(systemCode: string, context: FileContext, note = ''): BoxliteError {
  const { syscall, path, dest } = context;
  const to = dest === undefined ? '' : ` -> '${showPath(dest)}'`;
  const description = descriptions.get(systemCode) ?? 'failed';
  const plain = `${systemCode}: ${description}, ${syscall} '${showPath(path)}'${to}`;
  const message = note === '' ? plain : `${plain}: ${note}`;
  const number = (constants.errno as Readonly<Record<string, number>>)[systemCode];
  const cause = Object.assign(new Error(message), {
    code: systemCode,
    ...(number === undefined ? {} : { errno: -number }),
    syscall,
    path: showPath(path),
    ...(dest === undefined ? {} : { dest: showPath(dest) }),
  });
  return new BoxliteError(kinds[systemCode] ?? 'Storage', message, { cause, systemCode });
}

/** Where in a tree it happened. */
export function placeNote(name: string): string {
  return name === '' ? '' : `at "${name}"`;
}

/** What became of a request, in the caller's words. Failures of the box itself are left as they are. */
export function refusalError(reason: BoxliteError, context: FileContext): BoxliteError {
  const refusal = reason.cause as { readonly code?: unknown } | undefined;
  const code = typeof refusal?.code === 'string' ? refusal.code : '';
  if (!/^E[A-Z0-9]{1,20}$/.test(code)) return reason;
  return fileError(code, context, placeNote(reason.message));
}
