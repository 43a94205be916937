import { BoxliteError } from '../base/errors.ts';
import type { ContainerID } from '../base/ids.ts';
import { type BoxStatus, canTransition, isActive } from './box-status.ts';

/** The part of a box that changes during its life. Immutable: a transition makes a new one. */
export class BoxState {
  readonly status: BoxStatus;
  /** The VMM's process; null if there is none. */
  readonly pid: number | null;
  readonly containerId: ContainerID | null;
  /** When it last changed. */
  readonly lastUpdated: Date;
  /** The lock that keeps other processes from the box while it is active. */
  readonly lockId: number | null;

  constructor(fields: {
    readonly status: BoxStatus;
    readonly lastUpdated: Date;
    readonly pid?: number | null;
    readonly containerId?: ContainerID | null;
    readonly lockId?: number | null;
  }) {
    this.status = fields.status;
    this.pid = fields.pid ?? null;
    this.containerId = fields.containerId ?? null;
    this.lastUpdated = fields.lastUpdated;
    this.lockId = fields.lockId ?? null;
    Object.freeze(this);
  }

  /**
   * The state after this one. A box that is not active any more has no process and no lock.
   *
   * @throws BoxliteError `InvalidState` if the status cannot follow the present one.
   */
  to(
    status: BoxStatus,
    at: Date,
    changes: {
      readonly pid?: number;
      readonly containerId?: ContainerID;
      readonly lockId?: number;
    } = {},
  ): BoxState {
    if (!canTransition(this.status, status)) {
      const message = `Cannot make a box ${status}: it is ${this.status}`;
      throw new BoxliteError('InvalidState', message);
    }
    const kept = isActive(status) ? this : { ...this, pid: null, lockId: null };
    return new BoxState({ ...kept, ...changes, status, lastUpdated: at });
  }
}
