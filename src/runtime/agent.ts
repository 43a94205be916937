import { readFile, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { BoxliteError } from '../base/errors.ts';
import type { Architecture } from '../spec/parts.ts';

/** The guest agent's binary. */
export interface Agent {
  readonly path: string;
  /** Changes whenever the binary does. */
  readonly identity: string;
}

/**
 * Finds the agent: in a package next to the compiled code, in a checkout where `make` leaves it.
 * @throws BoxliteError `Config` if there is none for this architecture.
 */
export async function findAgent(arch: Architecture): Promise<Agent> {
  return findBuilt(`the guest agent for ${arch}`, [
    `../guest/agent-${arch}`,
    '../../guest/build/agent',
  ]);
}

/**
 * Finds the library that old UML kernels load first, in the same places.
 * @throws BoxliteError `Config` if it is not there.
 */
export async function findUmlPreload(): Promise<string> {
  const name = 'uml-xstate.so';
  return (await findBuilt(name, [`../guest/${name}`, `../../guest/build/${name}`])).path;
}

async function findBuilt(what: string, candidates: readonly string[]): Promise<Agent> {
  for (const candidate of candidates) {
    const path = fileURLToPath(new URL(candidate, import.meta.url));
    const found = await stat(path).catch(() => null);
    if (found !== null) return { path, identity: `${found.size}-${found.mtimeMs}` };
  }
  throw new BoxliteError(
    'Config',
    `Cannot find ${what}: reinstall the package, or run "make -C guest" in a checkout`,
  );
}

export function readAgent(agent: Agent): Promise<Uint8Array> {
  return readFile(agent.path);
}
