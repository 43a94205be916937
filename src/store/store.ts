import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Boxes } from './boxes.ts';
import { Connection } from './connection.ts';
import { Images } from './images.ts';
import { Metrics } from './metrics.ts';
import { type Migrations, migrate, migrations } from './migrations.ts';
import { createDatabase } from './new-database.ts';

/** Name of the database in its home. */
const DATABASE = 'boxlite.db';

/** What a store can be given by tests. */
export interface StoreOptions {
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  readonly migrations?: Migrations;
}

/** All that a home remembers: its boxes, its images, what was counted. Any number of processes share it. */
export class Store implements Disposable {
  readonly boxes: Boxes;
  readonly images: Images;
  readonly metrics: Metrics;
  readonly #connection: Connection;

  private constructor(connection: Connection, now: () => number) {
    this.#connection = connection;
    this.metrics = new Metrics(connection);
    this.boxes = new Boxes(connection, now, this.metrics);
    this.images = new Images(connection);
  }

  /** Whether a home has one. */
  static isIn(homeDir: string): boolean {
    return existsSync(join(homeDir, DATABASE));
  }

  /**
   * Opens the store of a home, which is made if there is none.
   * @throws BoxliteError `Database` if it is damaged, lost, or of a newer BoxLite.
   */
  static open(homeDir: string, options: StoreOptions = {}): Store {
    const path = join(homeDir, DATABASE);
    const steps = options.migrations ?? migrations;
    if (!existsSync(path)) createDatabase(path, join(homeDir, 'boxes'), steps);
    const connection = new Connection(path);
    try {
      migrate(connection, steps);
      return new Store(connection, options.now ?? Date.now);
    } catch (error) {
      connection[Symbol.dispose]();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#connection[Symbol.dispose]();
  }
}
