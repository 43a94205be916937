import type { ImageRecord, ImageRecords } from '../spec/image-info.ts';
import * as boxes from './box-statements.ts';
import type { Connection, Row } from './connection.ts';

const PUT = `
  INSERT OR REPLACE INTO images (reference, digest, config_digest, manifest_digest, size_bytes,
    disk_bytes, created_at, blobs, config, disk)
  VALUES (:reference, :digest, :configDigest, :manifestDigest, :sizeBytes,
    :diskBytes, :createdAt, :blobs, :config, :disk)`;

/** The images of a home, by their names. Their files are the image store's. */
export class Images implements ImageRecords {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  put(record: ImageRecord): void {
    const { createdAt, blobs, ...texts } = record;
    const parameters = { ...texts, createdAt: createdAt.getTime(), blobs: JSON.stringify(blobs) };
    this.#connection.write(() => this.#connection.rows(PUT, parameters));
  }

  get(reference: string): ImageRecord | null {
    const row = this.#connection.row('SELECT * FROM images WHERE reference = :reference', {
      reference,
    });
    return row === null ? null : imageRecord(row);
  }

  list(): ImageRecord[] {
    return this.#connection.rows('SELECT * FROM images ORDER BY age DESC').map(imageRecord);
  }

  remove(reference: string): boolean {
    const statement = 'DELETE FROM images WHERE reference = :reference RETURNING reference';
    return this.#connection.write(() => this.#connection.row(statement, { reference }) !== null);
  }

  usersOf(disk: string): string[] {
    return this.#connection.rows(boxes.USERS_OF_DISK, { disk }).map((row) => String(row['user']));
  }
}

/** The schema sees to it that the columns have these types. */
function imageRecord(row: Row): ImageRecord {
  return {
    reference: String(row['reference']),
    digest: String(row['digest']),
    configDigest: String(row['config_digest']),
    manifestDigest: String(row['manifest_digest']),
    sizeBytes: Number(row['size_bytes']),
    diskBytes: Number(row['disk_bytes']),
    createdAt: new Date(Number(row['created_at'])),
    blobs: JSON.parse(String(row['blobs'])),
    config: String(row['config']),
    disk: String(row['disk']),
  };
}
