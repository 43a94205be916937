import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { EngineName, Vmm } from '../spec/parts.ts';
import { writeWhole } from './whole-file.ts';

/** What was found out about an engine, and from what. */
export interface Verdict {
  /** Changes with the host's boot and the engine's files: an older verdict does not count. */
  readonly key: string;
  /** Null if the engine does not work. */
  readonly vmm: Vmm | null;
  readonly loopsPerJiffy: number | null;
  readonly bootMs: number | null;
  /** Why it does not work; empty if it does. */
  readonly reason: string;
}

/** Verdicts of this host, in `<cacheDir>/engines.json`. A file that cannot be read is as good as none. */
export class Verdicts {
  readonly #path: string;
  #known: Map<EngineName, Verdict> | null = null;

  constructor(cacheDir: string) {
    this.#path = join(cacheDir, 'engines.json');
  }

  async get(engine: EngineName, key: string): Promise<Verdict | null> {
    const verdict = (await this.#load()).get(engine);
    return verdict?.key === key ? verdict : null;
  }

  async set(engine: EngineName, verdict: Verdict): Promise<void> {
    // Another program may have probed another engine meanwhile.
    this.#known = null;
    const known = await this.#load();
    known.set(engine, verdict);
    await this.#save(known);
  }

  /** Takes back every verdict. */
  async forget(): Promise<void> {
    await this.#save(new Map());
  }

  async #load(): Promise<Map<EngineName, Verdict>> {
    this.#known ??= await readFile(this.#path, 'utf8').then(parse, () => new Map());
    return this.#known;
  }

  async #save(verdicts: Map<EngineName, Verdict>): Promise<void> {
    this.#known = verdicts;
    await writeWhole(this.#path, JSON.stringify(Object.fromEntries(verdicts), null, 2));
  }
}

function parse(json: string): Map<EngineName, Verdict> {
  try {
    return new Map(Object.entries(JSON.parse(json)) as [EngineName, Verdict][]);
  } catch {
    return new Map();
  }
}
