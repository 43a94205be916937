import type { BoxID } from '../base/ids.ts';
import type { BoxMetrics, RuntimeMetrics } from '../spec/metrics.ts';
import type { Connection } from './connection.ts';

/** What is counted of a box. */
const counters = [
  'commandsRunTotal',
  'runErrorsTotal',
  'bytesSentTotal',
  'bytesReceivedTotal',
  'networkBytesSent',
  'networkBytesReceived',
  'networkTcpErrors',
] as const satisfies readonly (keyof BoxMetrics)[];

/** What is measured of a box's last start. */
const timings = [
  'totalCreateDurationMs',
  'guestBootDurationMs',
  'stageFilesystemSetupMs',
  'stageImagePrepareMs',
  'stageGuestRootfsMs',
  'stageBoxConfigMs',
  'stageBoxSpawnMs',
  'stageContainerInitMs',
] as const satisfies readonly (keyof BoxMetrics)[];

/** Numbers by which counters of a box grow. */
export type BoxCounts = Partial<Record<(typeof counters)[number], number>>;

/** Durations of a box's last start, in ms. */
export type BoxTimings = Partial<Record<(typeof timings)[number], number>>;

/** Numbers by which totals of a home grow. */
export type TotalCounts = Partial<Record<Exclude<keyof RuntimeMetrics, 'numRunningBoxes'>, number>>;

/** What is remembered of a box's metrics; the rest can only be measured while it runs. */
export type StoredMetrics = Pick<BoxMetrics, (typeof counters)[number] | (typeof timings)[number]>;

/** A box that has been removed meanwhile is not an error. */
const ADD = `
  INSERT INTO box_measures (box_id, name, value)
  SELECT :id, key, value FROM json_each(:values) WHERE EXISTS (SELECT 1 FROM boxes WHERE id = :id)
  ON CONFLICT (box_id, name) DO UPDATE SET value = value + excluded.value`;

const SET = `
  INSERT OR REPLACE INTO box_measures (box_id, name, value)
  SELECT :id, key, value FROM json_each(:values) WHERE EXISTS (SELECT 1 FROM boxes WHERE id = :id)`;

const COUNT = `
  INSERT INTO totals (name, value) SELECT key, value FROM json_each(:values) WHERE true
  ON CONFLICT (name) DO UPDATE SET value = value + excluded.value`;

/** What was counted and measured, as it survives boxes and processes. */
export class Metrics {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Adds to the counters of a box and, of its commands, to the totals too. */
  countBox(id: BoxID, counts: BoxCounts): void {
    const { commandsRunTotal = 0, runErrorsTotal = 0 } = counts;
    this.#connection.write(() => {
      this.#connection.rows(ADD, { id: id.asStr(), values: JSON.stringify(counts) });
      if (commandsRunTotal + runErrorsTotal > 0) {
        this.count({ totalCommandsRun: commandsRunTotal, totalRunErrors: runErrorsTotal });
      }
    });
  }

  /** Notes how long a box's start took, over what an earlier one did. */
  timeBox(id: BoxID, durations: BoxTimings): void {
    const parameters = { id: id.asStr(), values: JSON.stringify(durations) };
    this.#connection.write(() => this.#connection.rows(SET, parameters));
  }

  /** Adds to the totals. */
  count(counts: TotalCounts): void {
    const parameters = { values: JSON.stringify(counts) };
    this.#connection.write(() => this.#connection.rows(COUNT, parameters));
  }

  /** What is remembered of a box: counters from 0, and null for what was never measured. */
  ofBox(id: BoxID): StoredMetrics {
    const rows = this.#connection.rows('SELECT name, value FROM box_measures WHERE box_id = :id', {
      id: id.asStr(),
    });
    const values = new Map(rows.map((row) => [row['name'], Number(row['value'])]));
    const network = (name: (typeof counters)[number]) => values.get(name) ?? null;
    return {
      commandsRunTotal: values.get('commandsRunTotal') ?? 0,
      runErrorsTotal: values.get('runErrorsTotal') ?? 0,
      bytesSentTotal: values.get('bytesSentTotal') ?? 0,
      bytesReceivedTotal: values.get('bytesReceivedTotal') ?? 0,
      networkBytesSent: network('networkBytesSent'),
      networkBytesReceived: network('networkBytesReceived'),
      networkTcpErrors: network('networkTcpErrors'),
      ...(Object.fromEntries(timings.map((name) => [name, values.get(name) ?? null])) as Record<
        (typeof timings)[number],
        number | null
      >),
    };
  }

  /** The totals of the home, and how many of its boxes run now. */
  ofHome(): RuntimeMetrics {
    const rows = this.#connection.rows('SELECT name, value FROM totals');
    const values = new Map(rows.map((row) => [row['name'], Number(row['value'])]));
    const running = this.#connection.row(
      "SELECT count(*) AS running FROM boxes WHERE status = 'running'",
    );
    return {
      boxesCreatedTotal: values.get('boxesCreatedTotal') ?? 0,
      boxesFailedTotal: values.get('boxesFailedTotal') ?? 0,
      numRunningBoxes: Number(running?.['running']),
      totalCommandsRun: values.get('totalCommandsRun') ?? 0,
      totalRunErrors: values.get('totalRunErrors') ?? 0,
    };
  }
}
