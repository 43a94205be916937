/** A box as it is recorded, and how it is written into columns and read back. */
import { BoxliteError, messageOf } from '../base/errors.ts';
import { BoxID, ContainerID } from '../base/ids.ts';
import { type BoxSpec, rootfsName } from '../spec/box-spec.ts';
import { type BoxStatus, isActive } from '../spec/box-status.ts';
import type { BoxInfo, PublishedPort } from '../spec/info.ts';
import type { EngineName } from '../spec/parts.ts';
import type { ProcessIdentity } from '../spec/process-identity.ts';
import type { Row } from './connection.ts';

/** The process that has claimed a box, and for what. */
export interface BoxOwner extends ProcessIdentity {
  /** `shim`: it was made for this box and ends with it. */
  readonly kind: 'process' | 'shim';
  /** To start it and answer for it while it runs, or to remove it. */
  readonly purpose: 'run' | 'remove';
  /** Name of the socket where it answers for its boxes, in the home's folder of owners; null: nowhere. */
  readonly socket: string | null;
}

/**
 * Proof of a claim. It is void from the moment somebody else claims the box or declares its owner dead:
 * whatever is then asked with it is refused.
 */
export interface BoxClaim {
  readonly id: BoxID;
  readonly number: number;
}

/** What may change about a box besides its status. */
export interface BoxChanges {
  readonly vmm?: ProcessIdentity | null;
  readonly containerId?: ContainerID | null;
  readonly engine?: EngineName | null;
  readonly ports?: readonly PublishedPort[];
  readonly imageDisk?: string | null;
  readonly exitReason?: string | null;
  readonly exitCode?: number | null;
}

/** A box as it is recorded. */
export interface BoxRow extends Required<BoxChanges> {
  readonly id: BoxID;
  readonly name: string | null;
  readonly spec: BoxSpec;
  readonly creator: ProcessIdentity;
  readonly createdAt: Date;
  readonly status: BoxStatus;
  /** When the status last changed. */
  readonly updatedAt: Date;
  /** The present claim if there is an owner, and otherwise the last one. */
  readonly claim: BoxClaim;
  /** Null: nobody starts, runs or removes it. */
  readonly owner: BoxOwner | null;
}

/** A row of the table `boxes`. The schema sees to it that it has these types. */
interface BoxColumns {
  readonly id: string;
  readonly name: string | null;
  readonly spec: string;
  readonly creator: string;
  readonly created_at: number;
  readonly status: BoxStatus;
  readonly updated_at: number;
  readonly claim: number;
  readonly owner: string | null;
  readonly vmm: string | null;
  readonly container_id: string | null;
  readonly engine: EngineName | null;
  readonly ports: string;
  readonly image_disk: string | null;
  readonly exit_reason: string | null;
  readonly exit_code: number | null;
}

/** @throws BoxliteError `Database` if it cannot be one of ours, `MetadataError` if it cannot be read. */
export function boxRow(row: Row): BoxRow {
  const columns = row as unknown as BoxColumns;
  const id = storedId(columns.id);
  const parsed = <T>(name: keyof BoxColumns) => storedJson<T>(id, name, columns[name]);
  const { container_id: containerId } = columns;
  return {
    id,
    name: columns.name,
    spec: parsed('spec'),
    creator: parsed('creator'),
    createdAt: new Date(columns.created_at),
    status: columns.status,
    updatedAt: new Date(columns.updated_at),
    claim: { id, number: columns.claim },
    owner: columns.owner === null ? null : parsed('owner'),
    vmm: columns.vmm === null ? null : parsed('vmm'),
    containerId: containerId === null ? null : new ContainerID(containerId),
    engine: columns.engine,
    ports: parsed('ports'),
    imageDisk: columns.image_disk,
    exitReason: columns.exit_reason,
    exitCode: columns.exit_code,
  };
}

/** The id in a column. @throws BoxliteError `Database` if it is none. */
export function storedId(text: unknown): BoxID {
  const id = BoxID.parse(String(text));
  if (id === null) throw new BoxliteError('Database', `Cannot read a box: "${text}" is not an id`);
  return id;
}

/** What a column of a box holds as JSON. @throws BoxliteError `MetadataError` if it is none */
export function storedJson<T>(id: BoxID, name: string, text: unknown): T {
  try {
    return JSON.parse(String(text)) as T;
  } catch (cause) {
    throw new BoxliteError(
      'MetadataError',
      `Cannot read "${name}" of the box ${id}: ${messageOf(cause)}; restore the home from a backup`,
      { cause },
    );
  }
}

/** What is known about a box without asking anybody. */
export function boxInfo(row: BoxRow): BoxInfo {
  return {
    id: row.id,
    name: row.name,
    status: row.status,
    createdAt: row.createdAt,
    lastUpdated: row.updatedAt,
    pid: isActive(row.status) ? (row.vmm?.pid ?? null) : null,
    image: rootfsName(row.spec.rootfs),
    cpus: row.spec.cpus,
    memoryMib: row.spec.memoryMib,
    labels: { ...row.spec.labels },
    engine: row.engine,
    ports: row.ports,
    exitReason: row.exitReason,
  };
}
