/** Finds the login for a registry: the one configured, else the one Docker has. */

import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { BoxliteError, messageOf, systemCode } from '../base/errors.ts';
import type { ImageRegistry } from '../spec/image-registry.ts';
import type { RunCommand } from '../spec/parts.ts';
import {
  type Credentials,
  type DockerConfig,
  loginSource,
  parseDockerConfig,
  parseHelperAnswer,
} from './docker-config.ts';
import { printable } from './json-document.ts';

/** Where Docker's logins are, and how to ask for them. */
export interface DockerLogins {
  /** The folder of `config.json`: `DOCKER_CONFIG`, or `~/.docker`. */
  readonly configDir: string;
  readonly run: RunCommand;
  /** The environment of credential helpers, which look for a session bus, a browser, a cloud account. */
  readonly helperEnv?: Readonly<Record<string, string>>;
}

/** A login, and where it came from for messages. */
export interface Login {
  readonly credentials: Credentials;
  readonly origin: string;
}

/** A file larger than this is not a configuration. */
const CONFIG_BYTES_MAX = 4 * 1024 * 1024;
/** What helpers print, on stdout, when they have no login (docker-credential-helpers, errors.go). */
const NOT_FOUND = 'credentials not found in native keychain';

/**
 * The login for a registry; anonymous if nobody has one.
 *
 * @throws BoxliteError `Config` if Docker's configuration or a credential helper is broken.
 */
export async function findLogin(
  registry: ImageRegistry,
  docker: DockerLogins | null,
  signal?: AbortSignal,
): Promise<Login> {
  if (registry.auth.kind !== 'anonymous' || docker === null) {
    return { credentials: registry.auth, origin: 'the ImageRegistry' };
  }
  const path = join(docker.configDir, 'config.json');
  const config = await readConfig(path);
  if (config === null) return { credentials: { kind: 'anonymous' }, origin: `"${path}"` };
  const source = loginSource(config, registry.domain);
  if (source.kind === 'file') return { credentials: source.credentials, origin: `"${path}"` };
  const credentials = await askHelper(source.program, source.server, docker, signal);
  return { credentials, origin: `"${source.program}"` };
}

async function readConfig(path: string): Promise<DockerConfig | null> {
  try {
    const { size } = await stat(path);
    if (size > CONFIG_BYTES_MAX) throw new Error(`it has ${size} bytes`);
    return parseDockerConfig(await readFile(path, 'utf8'), path);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return null;
    if (error instanceof BoxliteError) throw error;
    throw new BoxliteError(
      'Config',
      `Cannot read "${path}": ${messageOf(error)}; it holds Docker's registry logins`,
      { cause: error },
    );
  }
}

async function askHelper(
  program: string,
  server: string,
  docker: DockerLogins,
  signal: AbortSignal | undefined,
): Promise<Credentials> {
  const { code, stdout, stderr } = await docker.run(program, ['get'], {
    input: server,
    ...(docker.helperEnv === undefined ? {} : { env: docker.helperEnv }),
    ...(signal === undefined ? {} : { signal }),
  });
  if (code === 0) return parseHelperAnswer(stdout, program);
  if (stdout.includes(NOT_FOUND)) return { kind: 'anonymous' };
  const why = printable(stderr || stdout) || `it ended with ${code ?? 'a signal'}`;
  throw new BoxliteError(
    'Config',
    `Cannot get the login for "${server}" from "${program}": ${why};` +
      ` it is named in "${join(docker.configDir, 'config.json')}"`,
  );
}
