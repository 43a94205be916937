/** The reasons a BoxLite operation can fail: the 18 names of the API reference. */
export const boxliteErrorKinds = [
  'UnsupportedEngine',
  'Engine',
  'Config',
  'Storage',
  'Image',
  'Portal',
  'Network',
  'Rpc',
  'RpcTransport',
  'Internal',
  'Run',
  'Unsupported',
  'NotFound',
  'AlreadyExists',
  'InvalidState',
  'Database',
  'MetadataError',
  'InvalidArgument',
] as const;

/** One of {@link boxliteErrorKinds}. */
export type BoxliteErrorKind = (typeof boxliteErrorKinds)[number];

/**
 * The only error this library throws on purpose. `kind` says what sort of failure it is, the message
 * says what failed, on what, and what to do about it.
 */
export class BoxliteError extends Error {
  /** The kind, for programs to branch on. */
  readonly kind: BoxliteErrorKind;
  /** The kind as a constant, `BOXLITE_NOT_FOUND` for `NotFound`. */
  readonly code: string;
  /** What a box's kernel said of a file, by its name in `node:fs`: `ENOENT`. Absent elsewhere. */
  readonly systemCode?: string;

  constructor(
    kind: BoxliteErrorKind,
    message: string,
    options?: { cause?: unknown; systemCode?: string },
  ) {
    super(message, options);
    this.name = 'BoxliteError';
    this.kind = kind;
    this.code = errorCode(kind);
    if (options?.systemCode !== undefined) this.systemCode = options.systemCode;
  }

  /** Whether `error` is a BoxliteError, of the given kind if one is named. */
  static is<K extends BoxliteErrorKind = BoxliteErrorKind>(
    error: unknown,
    kind?: K,
  ): error is BoxliteError & { readonly kind: K } {
    return error instanceof BoxliteError && (kind === undefined || error.kind === kind);
  }
}

/** `RpcTransport` -> `BOXLITE_RPC_TRANSPORT`. */
export function errorCode(kind: BoxliteErrorKind): string {
  return `BOXLITE_${kind.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase()}`;
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The `code` of a Node system error such as `ENOENT`, or null. */
export function systemCode(error: unknown): string | null {
  if (!(error instanceof Error) || !('code' in error)) return null;
  return typeof error.code === 'string' ? error.code : null;
}
