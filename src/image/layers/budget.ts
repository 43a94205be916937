// pure
/** How much an image may unpack to. What counts is what its layers claim, so a bomb ends early. */
import { BoxliteError } from '../../base/errors.ts';
import type { TarEntry } from '../tar/entry.ts';

const GIB = 1024 ** 3;

export interface UnpackLimits {
  /** All layers uncompressed; and, counted apart, all files with their holes filled. */
  readonly bytes: number;
  /** Members of all layers, also those that a later layer replaces. */
  readonly entries: number;
  /** Names, link targets and extended attributes, which are kept in memory. */
  readonly metadataBytes: number;
  /** Names that symbolic links on the way to members put in their place: a short path can lead through thousands. */
  readonly linkedNames: number;
}

/** The largest images known have half a million files. A million take up to 1 GiB of memory. */
export const defaultUnpackLimits: UnpackLimits = {
  bytes: 20 * GIB,
  entries: 1_000_000,
  metadataBytes: GIB / 4,
  // A dozen for each of a million members, and seconds of our time.
  linkedNames: 12_000_000,
};

/** What is left of the limits. */
export class UnpackBudget {
  readonly #limits: UnpackLimits;
  #stream = 0;
  #content = 0;
  #entries = 0;
  #metadata = 0;
  #linkedNames = 0;

  constructor(limits: UnpackLimits) {
    this.#limits = limits;
  }

  /** Members seen so far. */
  get entries(): number {
    return this.#entries;
  }

  /** Accounts for bytes of an uncompressed layer. @throws BoxliteError `Image` */
  spendStream(bytes: number): void {
    this.#stream += bytes;
    if (this.#stream > this.#limits.bytes) throw this.#exceeded('bytes', 'bytes uncompressed');
  }

  /** Accounts for a member, before anything of its content is read. @throws BoxliteError `Image` */
  spendEntry(entry: TarEntry): void {
    this.#entries += 1;
    this.#content += entry.size;
    this.#metadata += entry.name.length + entry.linkName.length;
    for (const { name, value } of entry.attributes.xattrs) {
      this.#metadata += name.length + value.length;
    }
    this.#check();
  }

  /** Accounts for a directory that no layer describes. @throws BoxliteError `Image` */
  spendDirectory(): void {
    this.#entries += 1;
    this.#check();
  }

  /** Accounts for a symbolic link that is followed to such a number of names. @throws BoxliteError `Image` */
  spendLink(names: number): void {
    this.#linkedNames += names;
    if (this.#linkedNames > this.#limits.linkedNames) {
      throw this.#exceeded('linkedNames', 'names behind symbolic links');
    }
  }

  #check(): void {
    if (this.#entries > this.#limits.entries) throw this.#exceeded('entries', 'files');
    if (this.#content > this.#limits.bytes) throw this.#exceeded('bytes', 'bytes of files');
    if (this.#metadata > this.#limits.metadataBytes) {
      throw this.#exceeded('metadataBytes', 'bytes of names and attributes');
    }
  }

  #exceeded(limit: keyof UnpackLimits, what: string): BoxliteError {
    return new BoxliteError(
      'Image',
      `Cannot unpack the image: it has more than ${this.#limits[limit]} ${what}; ` +
        `raise the limit "${limit}" if you trust it`,
    );
  }
}
