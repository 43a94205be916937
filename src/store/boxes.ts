/**
 * The boxes of a home. A box goes from one process to another by claims: whoever wants to start or to
 * remove it claims it first, which only one of any number can, and is its owner until it says that it has
 * finished. The owner alone changes the box. When an owner has died, recovery.ts tells what becomes of
 * what it left.
 */
import { BoxliteError } from '../base/errors.ts';
import type { BoxID } from '../base/ids.ts';
import type { BoxSpec } from '../spec/box-spec.ts';
import { BoxStatus, canTransition, isActive } from '../spec/box-status.ts';
import type { ProcessIdentity } from '../spec/process-identity.ts';
import { type BoxChanges, type BoxClaim, type BoxOwner, type BoxRow, boxRow } from './box-row.ts';
import * as sql from './box-statements.ts';
import type { Connection, Parameters } from './connection.ts';
import { isDuplicate } from './database-error.ts';
import type { Metrics } from './metrics.ts';
import { type BoxRemains, type BoxVerdict, boxRemains } from './recovery.ts';

/** The shortest part of an id that names a box. */
const ID_PREFIX = /^[0-9A-Za-z]{4,}$/;

/** A box to be recorded. */
export interface NewBox {
  readonly id: BoxID;
  readonly name: string | null;
  readonly spec: BoxSpec;
  /** Who makes it: a box with `autoRemove` that is never started goes with it. */
  readonly creator: ProcessIdentity;
  /** If it is known already. */
  readonly imageDisk?: string | null;
}

/** Which boxes to list; what is not given is no condition. */
export interface BoxFilter {
  readonly status?: readonly BoxStatus[] | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

/** See the top of this file. Whatever reads or writes can fail with a BoxliteError `Database`. */
export class Boxes {
  readonly #connection: Connection;
  readonly #now: () => number;
  readonly #metrics: Metrics;

  constructor(connection: Connection, now: () => number, metrics: Metrics) {
    this.#connection = connection;
    this.#now = now;
    this.#metrics = metrics;
  }

  /** Records a box that was never started. @throws BoxliteError `AlreadyExists` if its name is taken. */
  create(box: NewBox): BoxRow {
    const { id, name, spec, creator, imageDisk = null } = box;
    try {
      return this.#connection.write(() => {
        this.#metrics.count({ boxesCreatedTotal: 1 });
        const row = this.#change(sql.INSERT, {
          id: id.asStr(),
          name,
          spec: JSON.stringify(spec),
          creator: JSON.stringify(creator),
          now: this.#now(),
          imageDisk,
        });
        if (row === null) throw new Error('an inserted row was not returned');
        return row;
      });
    } catch (cause) {
      if (!isDuplicate(cause)) throw cause;
      const taken = name === null ? `the id ${id}` : `the name "${name}"`;
      throw new BoxliteError(
        'AlreadyExists',
        `Cannot create a box: there is one with ${taken} already; use another name, or remove that box`,
        { cause },
      );
    }
  }

  get(id: BoxID): BoxRow | null {
    return this.#one(sql.BY_ID, { id: id.asStr() });
  }

  /** The box of exactly that name. */
  named(name: string): BoxRow | null {
    return this.#one(sql.BY_NAME, { name });
  }

  /**
   * The box of that id, else of that name, else the only one whose id begins like this, with 4 characters
   * at least.
   * @throws BoxliteError `InvalidArgument` if several do.
   */
  find(idOrName: string): BoxRow | null {
    const exact = this.#one(sql.BY_ID, { id: idOrName }) ?? this.named(idOrName);
    if (exact !== null || !ID_PREFIX.test(idOrName)) return exact;
    const [match, another] = this.#connection.rows(sql.BY_PREFIX, { prefix: idOrName });
    if (another !== undefined) {
      throw new BoxliteError(
        'InvalidArgument',
        `"${idOrName}" fits several boxes: give more of the id`,
      );
    }
    return match === undefined ? null : boxRow(match);
  }

  /** Those that fit, the newest first. */
  list({ status, labels = {} }: BoxFilter = {}): BoxRow[] {
    const statuses = status === undefined ? null : JSON.stringify(status);
    const parameters = { statuses, labels: JSON.stringify(labels) };
    return this.#connection.rows(sql.LIST, parameters).map(boxRow);
  }

  /** Makes a process the owner of a box that has none. Null if it has one, or there is no such box. */
  claim(id: BoxID, owner: BoxOwner): BoxRow | null {
    return this.#change(sql.CLAIM, { id: id.asStr(), owner: JSON.stringify(owner) });
  }

  /** Changes what is said about a box, but not its status. Null if the claim does not hold. */
  change(claim: BoxClaim, changes: BoxChanges): BoxRow | null {
    return this.#change(sql.CHANGE, { ...ticket(claim), changes: JSON.stringify(changes) });
  }

  /**
   * The only way a status changes: to `to`, if it is one of `from` and the claim holds; otherwise null.
   * With `stopped` the claim ends, unless its owner goes on as `next`.
   * @throws TypeError if there is no way from one of `from` to `to`.
   */
  transition(
    claim: BoxClaim,
    from: readonly BoxStatus[],
    to: BoxStatus,
    changes: BoxChanges & { readonly next?: BoxOwner } = {},
  ): BoxRow | null {
    const impossible = from.find((status) => !canTransition(status, to));
    if (impossible !== undefined) throw new TypeError(`no box goes from ${impossible} to ${to}`);
    const { next = null, ...rest } = changes;
    const move = {
      ...ticket(claim),
      to,
      from: JSON.stringify(from),
      now: this.#now(),
      changes: JSON.stringify(rest),
    };
    if (isActive(to) || to === BoxStatus.Unknown) return this.#change(sql.MOVE, move);
    const owner = next === null ? null : JSON.stringify(next);
    return this.#change(sql.MOVE_TO_REST, { ...move, owner });
  }

  /**
   * Records that a box's disk is to be larger, from its next start on. Null if somebody has the box, its disk is
   * larger already, or there is no such box.
   */
  grow(id: BoxID, diskSizeGb: number): BoxRow | null {
    return this.#change(sql.GROW, { id: id.asStr(), diskSizeGb });
  }

  /** Gives back a claim to a box that did not start after all. False if the claim does not hold. */
  release(claim: BoxClaim): boolean {
    return this.#change(sql.RELEASE, { ...ticket(claim), owner: null }) !== null;
  }

  /** Forgets a box that was claimed to be removed. False if the claim does not hold. */
  delete(claim: BoxClaim): boolean {
    return this.#connection.write(() => this.#connection.row(sql.DELETE, ticket(claim)) !== null);
  }

  /** What recovery has to know of every box. */
  remains(): BoxRemains[] {
    return this.#connection.rows(sql.FOR_RECOVERY).map(boxRemains);
  }

  /**
   * Carries out what recovery found about dead owners' boxes, all at once. The process which does it must
   * have ended what still ran of them.
   * @returns claims to the boxes that are now `by`'s to remove, directories first.
   */
  settle(verdicts: readonly BoxVerdict[], by: BoxOwner): BoxClaim[] {
    return this.#connection.write(() =>
      verdicts.map((verdict) => this.#settleOne(verdict, by)).filter((claim) => claim !== null),
    );
  }

  /** Forgets boxes whose directories are gone, all at once. */
  deleteAll(claims: readonly BoxClaim[]): void {
    this.#connection.write(() => {
      for (const claim of claims) this.delete(claim);
    });
  }

  #settleOne({ claim, status, reason, fate }: BoxVerdict, by: BoxOwner): BoxClaim | null {
    if (isActive(status) || status === BoxStatus.Unknown) {
      this.transition(claim, [status], BoxStatus.Stopped, { exitReason: reason });
    } else {
      this.release(claim);
    }
    if (fate === 'keep') return null;
    const owner = JSON.stringify({ ...by, purpose: 'remove' } satisfies BoxOwner);
    return this.#change(sql.CLAIM_REMAINS, { ...ticket(claim), owner })?.claim ?? null;
  }

  #one(statement: string, parameters: Parameters): BoxRow | null {
    const row = this.#connection.row(statement, parameters);
    return row === null ? null : boxRow(row);
  }

  #change(statement: string, parameters: Parameters): BoxRow | null {
    return this.#connection.write(() => this.#one(statement, parameters));
  }
}

function ticket(claim: BoxClaim): Parameters {
  return { id: claim.id.asStr(), claim: claim.number };
}
