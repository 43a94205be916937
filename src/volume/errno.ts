// pure
/** Linux's error numbers (asm-generic/errno.h), which the guest expects whatever the host is. */

const numbers = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOTTY: 25,
  ETXTBSY: 26,
  EFBIG: 27,
  ENOSPC: 28,
  ESPIPE: 29,
  EROFS: 30,
  EMLINK: 31,
  EPIPE: 32,
  ERANGE: 34,
  EDEADLK: 35,
  ENAMETOOLONG: 36,
  ENOLCK: 37,
  ENOSYS: 38,
  ENOTEMPTY: 39,
  ELOOP: 40,
  ENODATA: 61,
  EPROTO: 71,
  EOVERFLOW: 75,
  ENOTSUP: 95,
  EOPNOTSUPP: 95,
  ETIMEDOUT: 110,
  ESTALE: 116,
  EDQUOT: 122,
} as const;

/** The name of an error that a guest can be told of. */
export type ErrorName = keyof typeof numbers;

/** An operation's failure, as the box is told of it. */
export class VolumeError extends Error {
  readonly code: ErrorName;

  constructor(code: ErrorName) {
    super(code);
    this.code = code;
  }
}

/** The number that goes to the guest for whatever was thrown. What has no code of Linux's is EIO. */
export function errnoOf(error: unknown): number {
  const { code } = (error ?? {}) as { code?: unknown };
  if (typeof code === 'string' && Object.hasOwn(numbers, code)) return numbers[code as ErrorName];
  return numbers.EIO;
}
