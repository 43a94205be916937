import { constants } from 'node:fs';
import {
  type FileHandle,
  link,
  mkdir,
  mkdtemp,
  open,
  readFile,
  rename,
  rm,
} from 'node:fs/promises';
import { join } from 'node:path';
import { BoxliteError, messageOf, systemCode } from '../base/errors.ts';
import { O_TMPFILE } from '../base/unnamed-file.ts';
import type { CommandResult, RunCommand } from '../spec/parts.ts';
import { ext4Bytes, ext4Condition, SUPERBLOCK } from './ext4-state.ts';
import { parseSparseTar, type SparseImage } from './sparse.ts';

const GIB = 1024 ** 3;

/**
 * An ext4 whose metadata lies together and is written late: an empty one of 10 GiB has 60 KiB that are
 * not holes. The journal is there because a VMM can be killed at any moment.
 */
const MKE2FS_ARGUMENTS = [
  '-q',
  '-F',
  '-t',
  'ext4',
  '-m',
  '0',
  '-O',
  '^resize_inode,sparse_super2',
  '-E',
  'num_backup_sb=0,packed_meta_blocks=1,lazy_itable_init=1,lazy_journal_init=1,nodiscard,root_owner=0:0',
  '-J',
  'size=8',
];

/** Programs that read a file system which a guest has written, and may be made to do what they should not. */
export type DiskTool = 'e2fsck' | 'resize2fs';

/**
 * Runs one of them on an open disk, whose path takes the place of the word {@link DISK}; no disk has more than
 * `bytesMax` bytes afterwards.
 */
export type RunDiskTool = (
  tool: DiskTool,
  args: readonly string[],
  disk: { readonly fd: number; readonly bytesMax: number },
) => Promise<CommandResult>;

/** Stands for the disk in the arguments of a {@link RunDiskTool}. */
export const DISK = '{disk}';

/** The highest status with which e2fsck says that the file system is sound now. */
const FSCK_REPAIRED = 1;

/** What the guest's overlay needs there. debugfs makes them root's, whoever runs it. */
const DIRECTORIES = ['upper', 'work'];

/** Part of the template's name: raise it when what is made changes. */
const RECIPE = 2;

/** Makes the writable disks of boxes. An empty file system is made once a size, then stamped. */
export class BoxDisks {
  readonly #directory: string;
  readonly #run: RunCommand;
  readonly #templates = new Map<number, Promise<SparseImage>>();

  /** Templates are kept in `<cacheDir>/disks`. */
  constructor(cacheDir: string, run: RunCommand) {
    this.#directory = join(cacheDir, 'disks');
    this.#run = run;
  }

  /**
   * Makes an empty disk and opens it. With a path it is a file there, which must not exist; without one
   * it has no name, and is gone when the last descriptor is closed, however that happens.
   * @throws BoxliteError `Storage` if it cannot be made.
   */
  async create(
    options: { path: string } | { unnamedIn: string },
    sizeGb: number,
  ): Promise<FileHandle> {
    const template = await this.#template(sizeGb);
    const where = 'path' in options ? options.path : options.unnamedIn;
    // A crash in the middle must not leave half a disk under its name.
    const unfinished = `${where}.new`;
    let file: FileHandle | null = null;
    try {
      file = 'path' in options ? await open(unfinished, 'w+', 0o600) : await openUnnamed(where);
      await file.truncate(template.size);
      for (const { offset, data } of template.pieces) await writeAll(file, data, offset);
      // Unlike a rename, this does not take the place of another.
      if ('path' in options) await link(unfinished, where);
      return file;
    } catch (cause) {
      await file?.close();
      throw storageError(`make the box's disk in "${where}"`, cause);
    } finally {
      if ('path' in options) await rm(unfinished, { force: true });
    }
  }

  /**
   * Opens a disk that has been used before; one that was not unmounted in order is repaired first, and one
   * that is smaller than it should be is grown, both by what `run` starts. Null if there is none.
   * @throws BoxliteError `Storage` if it cannot be opened, not be repaired, or not grow.
   */
  async reopen(path: string, sizeGb: number, run: RunDiskTool): Promise<FileHandle | null> {
    const file = await open(path, 'r+').catch((cause: unknown) => {
      if (systemCode(cause) === 'ENOENT') return null;
      throw storageError(`open the box's disk "${path}"`, cause);
    });
    if (file === null) return null;
    try {
      const bytesMax = Math.max((await file.stat()).size, sizeGb * GIB);
      const disk: OldDisk = {
        path,
        sizeGb,
        run: (tool, args) => run(tool, args, { fd: file.fd, bytesMax }),
      };
      if (ext4Condition(await readSuperblock(file)) !== 'clean') await repair(disk);
      if (ext4Bytes(await readSuperblock(file)) < sizeGb * GIB) await grow(disk);
      return file;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  #template(sizeGb: number): Promise<SparseImage> {
    const known = this.#templates.get(sizeGb);
    if (known !== undefined) return known;
    const template = this.#loadOrMake(sizeGb);
    this.#templates.set(sizeGb, template);
    template.catch(() => this.#templates.delete(sizeGb));
    return template;
  }

  async #loadOrMake(sizeGb: number): Promise<SparseImage> {
    const path = join(this.#directory, `ext4-${RECIPE}-${sizeGb}.tar`);
    try {
      return parseSparseTar(await readFile(path));
    } catch {
      // Missing, or cut short by a crash: make it anew.
      return this.#make(path, sizeGb);
    }
  }

  async #make(path: string, sizeGb: number): Promise<SparseImage> {
    await mkdir(this.#directory, { recursive: true });
    const scratch = await mkdtemp(join(this.#directory, 'new-'));
    try {
      const disk = join(scratch, 'disk');
      const size = `${(sizeGb * GIB) / 1024}k`;
      await this.#must('mke2fs', [...MKE2FS_ARGUMENTS, disk, size]);
      for (const name of DIRECTORIES) {
        await this.#must('debugfs', ['-w', '-R', `mkdir ${name}`, disk]);
      }
      const archive = join(scratch, 'disk.tar');
      const format = ['--format=pax', '--sparse', '--sparse-version=1.0'];
      await this.#must('tar', [...format, '-C', scratch, '-cf', archive, 'disk']);
      const template = parseSparseTar(await readFile(archive));
      await rename(archive, path);
      return template;
    } catch (cause) {
      throw BoxliteError.is(cause) ? cause : storageError(`make a disk of ${sizeGb} GiB`, cause);
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  }

  async #must(command: string, args: readonly string[]): Promise<void> {
    const { code, stderr } = await this.#run(command, args);
    if (code === 0) return;
    throw new BoxliteError('Storage', `Cannot make a disk: ${command} says "${stderr.trim()}"`);
  }
}

/** Where the file system or the host knows no such files, one whose name is taken away at once. */
async function openUnnamed(directory: string): Promise<FileHandle> {
  await mkdir(directory, { recursive: true });
  if (process.platform === 'linux') {
    const unnamed = await open(directory, O_TMPFILE | constants.O_RDWR, 0o600).catch(() => null);
    if (unnamed !== null) return unnamed;
  }
  const scratch = await mkdtemp(join(directory, 'new-'));
  try {
    return await open(join(scratch, 'disk'), 'wx+', 0o600);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** A write may take less than it was given, as when the host's disk is just full; the next one then says so. */
async function writeAll(file: FileHandle, data: Uint8Array, offset: number): Promise<void> {
  for (let done = 0; done < data.length; ) {
    done += (await file.write(data, done, data.length - done, offset + done)).bytesWritten;
  }
}

async function readSuperblock(file: FileHandle): Promise<Uint8Array> {
  const superblock = new Uint8Array(SUPERBLOCK.bytes);
  await file.read(superblock, 0, superblock.length, SUPERBLOCK.offset);
  return superblock;
}

function storageError(what: string, cause: unknown): BoxliteError {
  return new BoxliteError('Storage', `Cannot ${what}: ${messageOf(cause)}`, { cause });
}

/** A disk that has been used, and how its programs are run. */
interface OldDisk {
  readonly path: string;
  readonly sizeGb: number;
  readonly run: (tool: DiskTool, args: readonly string[]) => Promise<CommandResult>;
}

/** e2fsck(8): 0 and 1 are fine, 4 and more are left for it to decide without asking. */
async function repair({ path, run }: OldDisk, { thoroughly = false } = {}): Promise<void> {
  const preen = await run('e2fsck', [...(thoroughly ? ['-f'] : []), '-p', DISK]);
  if (preen.code !== null && preen.code <= FSCK_REPAIRED) return;
  const forced = await run('e2fsck', ['-f', '-y', DISK]);
  if (forced.code !== null && forced.code <= FSCK_REPAIRED) return;
  throw new BoxliteError(
    'Storage',
    `Cannot repair the box's disk "${path}": e2fsck ${lastWords(forced)}`,
  );
}

/**
 * resize2fs(8) wants the file system checked at once before it. One that is killed in the middle leaves what the
 * next e2fsck repairs, and a size that the next start sees to be too small still.
 */
async function grow(disk: OldDisk): Promise<void> {
  const { path, sizeGb, run } = disk;
  await repair(disk, { thoroughly: true });
  const result = await run('resize2fs', [DISK, `${(sizeGb * GIB) / 1024}K`]);
  if (result.code === 0) return;
  throw new BoxliteError(
    'Storage',
    `Cannot grow the box's disk "${path}" to ${sizeGb} GiB: resize2fs ${lastWords(result)}`,
  );
}

function lastWords({ stdout, stderr, signal }: CommandResult): string {
  if (signal !== null) return `was ended by ${signal}`;
  return `says "${`${stdout}\n${stderr}`.trim().split('\n').at(-1)}"`;
}
