/** `copyIn` and `copyOut`: a tree of files crosses the wire as one archive, either way. */
import { lstat, realpath, stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { BoxliteError, systemCode } from '../../base/errors.ts';
import type { CopySpec } from '../../spec/call-options.ts';
import { nonEmptyText } from '../../spec/reader.ts';
import { encodeMark } from './archive.ts';
import { ArchiveReader } from './archive-reader.ts';
import { ArchiveWriter } from './archive-writer.ts';
import { type CopyDestination, type CopySource, copyTarget, namesContents } from './copy-target.ts';
import { type FileContext, fileError, placeNote } from './file-error.ts';
import type { FileRequest } from './file-request.ts';
import type { FileService } from './file-service.ts';
import type { BoxFileSystem } from './file-system.ts';
import { HostDirectory } from './host-directory.ts';
import { HostReader } from './host-reader.ts';
import { HostWriter } from './host-writer.ts';

/** The box's side of a copy. */
export interface CopyBox {
  readonly fs: BoxFileSystem;
  readonly service: FileService;
}

/** Says what a copy works on, for errors. */
interface Progress {
  readonly current: string;
}

/** Copies a file or a tree of the host into the box. */
export async function copyIn(
  box: CopyBox,
  hostPath: string,
  guestPath: string,
  options: CopySpec,
): Promise<void> {
  const from = nonEmptyText(hostPath, 'hostPath');
  const to = absolute(nonEmptyText(guestPath, 'guestPath'));
  const context = { syscall: 'copyIn', path: from, dest: to };
  const { signal, overwrite, owner } = options;
  signal?.throwIfAborted();
  const source = await hostSource(from, options, context);
  const target = copyTarget(source, await guestDestination(box.fs, to), context);
  const request = await box.service.open({
    op: 'unpack',
    syscall: 'copyIn',
    path: target.directory,
    about: context,
    fields: { overwrite, owner: owner ?? '' },
    signal,
  });
  const out = new ArchiveWriter((chunk) => request.write(chunk));
  const reader = new HostReader(out, { follow: options.followSymlinks });
  await working(request, context, reader, async () => {
    await request.accepted;
    await readSource(reader, source, target.name);
    await out.put(encodeMark('end'));
    await out.finish();
    request.end();
    await request.ended;
  });
}

/** Copies a file or a tree of the box to the host. */
export async function copyOut(
  box: CopyBox,
  guestPath: string,
  hostPath: string,
  options: CopySpec,
): Promise<void> {
  const from = absolute(nonEmptyText(guestPath, 'guestPath'));
  const to = nonEmptyText(hostPath, 'hostPath');
  const context = { syscall: 'copyOut', path: from, dest: to };
  const { signal, overwrite, followSymlinks: follow } = options;
  signal?.throwIfAborted();
  const source = await guestSource(box.fs, from, options, context);
  const target = copyTarget(source, await hostDestination(to, context), context);
  const contents = target.name === null;
  const request = await box.service.open({
    op: 'pack',
    syscall: 'copyOut',
    path: from,
    about: context,
    fields: { contents, follow },
    signal,
  });
  const progress = { current: '' };
  await working(request, context, progress, async () => {
    const directory = await HostDirectory.openOrMake(target.directory);
    const name = target.name === null ? null : Buffer.from(target.name);
    await using writer = new HostWriter(directory, { overwrite, name }, progress);
    const reader = new ArchiveReader();
    for (let piece = await request.read(); piece !== null; piece = await request.read()) {
      for (const record of reader.push(piece)) await writer.apply(record);
    }
    await request.ended;
    reader.finish();
  });
}

/** Does the work; if it fails, the guest's half ends, too. */
async function working(
  request: FileRequest,
  context: FileContext,
  progress: Progress,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    const failure = hostError(error, context, progress.current);
    request.cancel(failure);
    throw failure;
  }
}

async function readSource(
  reader: HostReader,
  source: HostSource,
  name: string | null,
): Promise<void> {
  const as = name === null ? null : Buffer.from(name);
  if (source.isDirectory) {
    await using directory = await HostDirectory.open(source.location);
    return await reader.tree(directory, as);
  }
  await using parent = await HostDirectory.open(dirname(source.location));
  await reader.entry(parent, Buffer.from(basename(source.location)), as ?? undefined);
}

/** A source on the host, and where it is. */
interface HostSource extends CopySource {
  readonly location: string;
}

async function hostSource(
  path: string,
  options: CopySpec,
  context: FileContext,
): Promise<HostSource> {
  try {
    // A slash or a dot at the end leads through a link, as it does everywhere.
    const found = await (options.followSymlinks ? stat(path) : lstat(path));
    const isDirectory = found.isDirectory();
    requireCopyable(found, options, context);
    const location = isDirectory ? await realpath(path) : resolve(path);
    const contentsOnly = !options.includeParent || namesContents(path);
    return { path: resolve(path), location, isDirectory, contentsOnly };
  } catch (error) {
    throw hostError(error, context);
  }
}

async function guestSource(
  fs: BoxFileSystem,
  path: string,
  options: CopySpec,
  context: FileContext,
): Promise<CopySource> {
  const found = await inContext(options.followSymlinks ? fs.stat(path) : fs.lstat(path), context);
  requireCopyable(found, options, context);
  const contentsOnly = !options.includeParent || namesContents(path);
  return { path, isDirectory: found.isDirectory(), contentsOnly };
}

async function hostDestination(path: string, context: FileContext): Promise<CopyDestination> {
  try {
    const found = await stat(path);
    if (found.isDirectory()) return { path, kind: 'directory' };
    return { path: await realpath(path), kind: 'other' };
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return { path, kind: 'missing' };
    throw hostError(error, context);
  }
}

async function guestDestination(fs: BoxFileSystem, path: string): Promise<CopyDestination> {
  try {
    const found = await fs.stat(path);
    if (found.isDirectory()) return { path, kind: 'directory' };
    return { path: await fs.realpath(path), kind: 'other' };
  } catch (error) {
    if (BoxliteError.is(error) && error.systemCode === 'ENOENT') return { path, kind: 'missing' };
    throw error;
  }
}

/** Either side's stat. */
interface Kinds {
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
}

function requireCopyable(found: Kinds, options: CopySpec, context: FileContext): void {
  if (found.isDirectory() && !options.recursive) {
    throw fileError('EISDIR', context, 'set recursive to copy directories');
  }
  if (!found.isFile() && !found.isDirectory() && !found.isSymbolicLink()) {
    throw fileError('EINVAL', context, 'sockets, FIFOs and devices cannot be copied');
  }
}

/** What the host's file system said, in the same words as what the guest's says. */
function hostError(error: unknown, context: FileContext, about = ''): Error {
  const code = systemCode(error);
  if (BoxliteError.is(error) || code === null || !/^E[A-Z0-9]+$/.test(code)) return error as Error;
  return fileError(code, context, placeNote(about));
}

/** The guest's errors name the call that was asked for. */
async function inContext<T>(work: Promise<T>, context: FileContext): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!BoxliteError.is(error) || error.systemCode === undefined) throw error;
    throw fileError(error.systemCode, context);
  }
}

/** As for `docker cp`, paths in the box are seen from its root. */
function absolute(path: string): string {
  return path.startsWith('/') ? path : `/${path}`;
}
