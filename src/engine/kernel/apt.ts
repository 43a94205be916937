/**
 * Debian packages without touching the host: apt with sources, lists and cache in a folder of our
 * own. It needs no root, installs nothing, and checks signatures and hashes as it always does.
 */

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { programPath, proxySettings, userHome } from '../../base/env.ts';
import { BoxliteError } from '../../base/errors.ts';
import type { Architecture, CommandResult, RunCommand } from '../../spec/parts.ts';
import { listFolder } from './files.ts';
import type { AptSource } from './mirror.ts';

/** What a private apt works on. */
export interface AptOptions {
  /** An empty or absent folder of ours. */
  readonly dir: string;
  readonly sources: readonly AptSource[];
  readonly keyring: string;
  readonly arch: Architecture;
  readonly run: RunCommand;
  readonly signal?: AbortSignal;
}

/** What a package's record says, as far as we ask. */
export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  /** The names of packages it depends on, without versions. */
  readonly depends: readonly string[];
}

/** Follows a download in percent. */
export type OnPercent = (percent: number) => void;

/** apt over private lists. Make one with {@link openApt}. */
export class Apt {
  readonly #options: AptOptions;

  constructor(options: AptOptions) {
    this.#options = options;
  }

  /** The names of known packages that begin with `prefix`. */
  async names(prefix: string): Promise<readonly string[]> {
    const result = await this.#run('apt-cache', ['pkgnames', prefix]);
    return result.stdout.split('\n').filter((line) => line !== '');
  }

  /** The newest version of a package, or null if there is none of that name. */
  async show(name: string): Promise<DebianPackage | null> {
    const result = await this.#run('apt-cache', ['show', '--no-all-versions', name]);
    return parsePackage(result.stdout);
  }

  /** Fetches the package file and returns its path. One that is whole in `into` is not fetched again. */
  async download(
    { name, version }: Pick<DebianPackage, 'name' | 'version'>,
    into: string,
    onPercent?: OnPercent,
  ): Promise<string> {
    await mkdir(into, { recursive: true });
    const args = ['-q', '-o', 'APT::Status-Fd=1', 'download', `${name}=${version}`];
    const result = await this.#run('apt-get', args, { cwd: into, ...percentLines(onPercent) });
    // apt writes the colon of an epoch like this. There may be other versions beside it.
    const start = `${name}_${version.replaceAll(':', '%3a')}_`;
    const file = (await listFolder(into)).find(
      (entry) => entry.startsWith(start) && entry.endsWith('.deb'),
    );
    if (result.code === 0 && file !== undefined) return join(into, file);
    throw aptError(`Cannot download the Debian package "${name}"`, result);
  }

  /** Fetches the package lists. */
  async update(onPercent?: OnPercent): Promise<void> {
    const args = ['-q', '-o', 'APT::Status-Fd=1', 'update'];
    const result = await this.#run('apt-get', args, percentLines(onPercent));
    if (result.code === 0) return;
    const suites = this.#options.sources.map((source) => source.suite).join(', ');
    throw aptError(`Cannot fetch Debian's package lists of ${suites}`, result);
  }

  #run(
    command: string,
    args: readonly string[],
    more: { cwd?: string; onLine?: (line: string) => void } = {},
  ): Promise<CommandResult> {
    const { dir, run, signal } = this.#options;
    return run(command, ['-c', join(dir, 'apt.conf'), ...args], {
      env: aptEnvironment(),
      ...more,
      ...(signal === undefined ? {} : { signal }),
    });
  }
}

/**
 * Sets up a private apt and fetches its lists.
 *
 * @throws BoxliteError `Network` if the lists cannot be had.
 */
export async function openApt(options: AptOptions, onPercent?: OnPercent): Promise<Apt> {
  const { dir, sources, keyring, arch } = options;
  for (const folder of ['lists/partial', 'cache/archives/partial', 'none']) {
    await mkdir(join(dir, folder), { recursive: true });
  }
  const lines = sources.map(
    ({ uri, suite }) => `deb [signed-by=${keyring}] ${uri} ${suite} main\n`,
  );
  await writeFile(join(dir, 'sources.list'), lines.join(''));
  await writeFile(join(dir, 'status'), '');
  await writeFile(join(dir, 'apt.conf'), aptConfiguration(dir, arch));
  const apt = new Apt(options);
  await apt.update(onPercent);
  return apt;
}

/** The host's own options (proxies, certificates) stay; its sources, lists and hooks do not count. */
function aptConfiguration(dir: string, arch: Architecture): string {
  if (/["\\\n]/.test(dir)) {
    throw new BoxliteError('Config', `apt cannot work in a folder with this name: "${dir}"`);
  }
  const settings = {
    'Dir::Etc::sourcelist': `${dir}/sources.list`,
    'Dir::Etc::sourceparts': `${dir}/none`,
    'Dir::Etc::preferences': `${dir}/none/preferences`,
    'Dir::Etc::preferencesparts': `${dir}/none`,
    'Dir::State::lists': `${dir}/lists`,
    'Dir::State::status': `${dir}/status`,
    'Dir::Cache': `${dir}/cache`,
    'Acquire::Languages': 'none',
    'APT::Architecture': arch === 'x64' ? 'amd64' : 'arm64',
    'APT::Architectures': arch === 'x64' ? 'amd64' : 'arm64',
  };
  const hooks = ['Pre-Invoke', 'Post-Invoke', 'Post-Invoke-Success'].map(
    (hook) => `#clear APT::Update::${hook};\n`,
  );
  const values = Object.entries(settings).map(([key, value]) => `${key} "${value}";\n`);
  return [...hooks, '#clear APT::Architectures;\n', ...values].join('');
}

function aptEnvironment(): Record<string, string> {
  const { http, https, none } = proxySettings();
  return {
    PATH: programPath(),
    HOME: userHome(),
    LANG: 'C.UTF-8',
    ...(http === null ? {} : { http_proxy: http }),
    ...(https === null ? {} : { https_proxy: https }),
    ...(none === null ? {} : { no_proxy: none }),
  };
}

/** apt's status lines: `dlstatus:2:58.6195:Retrieving file 2 of 2`. */
function percentLines(onPercent: OnPercent | undefined): { onLine?: (line: string) => void } {
  if (onPercent === undefined) return {};
  return {
    onLine(line) {
      const percent = /^dlstatus:\d+:(\d+(?:\.\d+)?):/.exec(line)?.[1];
      if (percent !== undefined) onPercent(Number(percent));
    },
  };
}

function aptError(what: string, result: CommandResult): BoxliteError {
  const lines = result.stderr.split('\n').filter((line) => /^[EW]:/.test(line));
  const errors = lines.filter((line) => line.startsWith('E:'));
  const why = (errors.length > 0 ? errors : lines).slice(0, 3).join(' ') || `exit ${result.code}`;
  return new BoxliteError('Network', `${what}: ${why}`);
}

/** The first record in the output of `apt-cache show`; null if there is none. Pure. */
export function parsePackage(text: string): DebianPackage | null {
  const record = text.split('\n\n')[0] ?? '';
  const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(record)?.[1] ?? null;
  const name = field('Package');
  const version = field('Version');
  if (name === null || version === null) return null;
  const depends = (field('Depends') ?? '')
    .split(/[,|]/)
    .map((part) => part.trim().split(/[ (:]/)[0] ?? '')
    .filter((word) => word !== '');
  return { name, version, depends };
}
