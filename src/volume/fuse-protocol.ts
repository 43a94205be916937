// pure
/**
 * The numbers of Linux's FUSE protocol (include/uapi/linux/fuse.h), version 7.31: the newest whose messages all kernels
 * that run boxes write alike. Everything is little-endian, as every guest we run is.
 */

/** The version we speak. Kernels before 7.28 (Linux 4.20) know no messages of more than 128 KiB. */
export const FUSE_MAJOR = 7;
export const FUSE_MINOR = 31;
export const FUSE_MINOR_MIN = 28;

/** Bytes before every request and every reply. */
export const IN_HEADER_BYTES = 40;
export const OUT_HEADER_BYTES = 16;
/** Largest message either way: one frame of the portal, so that the agent needs no memory of its own for it. */
export const MESSAGE_BYTES_MAX = 256 * 1024;
/** Largest piece of a file in one message, in whole pages. The rest is room for headers. */
export const TRANSFER_BYTES_MAX = MESSAGE_BYTES_MAX - 4096;
export const TRANSFER_PAGES_MAX = TRANSFER_BYTES_MAX / 4096;
/** Of a name, as everywhere in Linux. */
export const NAME_BYTES_MAX = 255;
/** Of a link's text, and of an attribute's name and value. */
export const PATH_BYTES_MAX = 4095;
export const ATTRIBUTE_NAME_BYTES_MAX = 255;
export const ATTRIBUTE_BYTES_MAX = 65536;
/** The node that is there without having been looked up. */
export const ROOT_NODE = 1;

export const opcodes = {
  lookup: 1,
  forget: 2,
  getattr: 3,
  setattr: 4,
  readlink: 5,
  symlink: 6,
  mknod: 8,
  mkdir: 9,
  unlink: 10,
  rmdir: 11,
  rename: 12,
  link: 13,
  open: 14,
  read: 15,
  write: 16,
  statfs: 17,
  release: 18,
  fsync: 20,
  setxattr: 21,
  getxattr: 22,
  listxattr: 23,
  removexattr: 24,
  flush: 25,
  init: 26,
  opendir: 27,
  readdir: 28,
  releasedir: 29,
  fsyncdir: 30,
  access: 34,
  create: 35,
  interrupt: 36,
  destroy: 38,
  batchForget: 42,
  fallocate: 43,
  readdirplus: 44,
  rename2: 45,
  lseek: 46,
  copyFileRange: 47,
} as const;

/** Flags of INIT: what the kernel offers and we take. */
export const initFlags = {
  ASYNC_READ: 1 << 0,
  ATOMIC_O_TRUNC: 1 << 3,
  BIG_WRITES: 1 << 5,
  AUTO_INVAL_DATA: 1 << 12,
  DO_READDIRPLUS: 1 << 13,
  READDIRPLUS_AUTO: 1 << 14,
  ASYNC_DIO: 1 << 15,
  PARALLEL_DIROPS: 1 << 18,
  MAX_PAGES: 1 << 22,
  /** We take away set-user-id and set-group-id bits; otherwise the kernel looks for them before it writes. */
  HANDLE_KILLPRIV_V2: 1 << 28,
} as const;

/** Which fields of SETATTR count. */
export const setattrFields = {
  MODE: 1 << 0,
  UID: 1 << 1,
  GID: 1 << 2,
  SIZE: 1 << 3,
  ATIME: 1 << 4,
  MTIME: 1 << 5,
  FH: 1 << 6,
  ATIME_NOW: 1 << 7,
  MTIME_NOW: 1 << 8,
  KILL_SUIDGID: 1 << 11,
} as const;

/** Whether OPEN, which may cut a file, and WRITE take set-id bits away. */
export const OPEN_KILL_SUIDGID = 1;
export const WRITE_KILL_SUIDGID = 1 << 2;
/** Whether GETATTR names an open file. */
export const GETATTR_FH = 1;
/** Whether FSYNC is of the content alone. */
export const FSYNC_DATA_ONLY = 1;
/** The pages of the file that the kernel has are still right. */
export const OPEN_KEEP_CACHE = 1 << 1;

/** A message that nobody asked for, in place of an error: what the kernel knows of a node is old. */
export const NOTIFY_INVAL_INODE = 2;

/** Flags of open(2) that mean the same on every architecture. */
export const openFlags = { ACCESS: 3, WRONLY: 1, RDWR: 2, EXCL: 0o200, TRUNC: 0o1000 } as const;
/** Flags of renameat2(2), setxattr(2) and what to seek, of lseek(2). */
export const renameFlags = { NOREPLACE: 1, EXCHANGE: 2 } as const;
export const xattrFlags = { CREATE: 1, REPLACE: 2 } as const;
export const seekWhence = { DATA: 3, HOLE: 4 } as const;

/** Types of files in `st_mode`; a directory's entries have them shifted by 12. */
export const modeTypes = {
  fifo: 0o010000,
  character: 0o020000,
  directory: 0o040000,
  block: 0o060000,
  file: 0o100000,
  symlink: 0o120000,
  socket: 0o140000,
} as const;
export const MODE_TYPE = 0o170000;
