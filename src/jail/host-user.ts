// pure
import { createHash } from 'node:crypto';
import type { SecuritySettings } from '../spec/security-settings.ts';

/** nobody and nogroup. */
const NOBODY = 65_534;

/**
 * Above what systemd gives to containers (up to 0x6fff_ffff), below 2^31, which some programs take for negative, and
 * clear of the last 2^18 numbers, where systemd keeps those of foreign disks.
 */
const FIRST_ID = 0x7000_0000;
const IDS = 0x0ffc_0000;

/**
 * Whether a user namespace has these users, by its `uid_map` or `gid_map` (user_namespaces(7)): lines of the first
 * number inside, the first outside, and how many. The root of a container without root's rights has few others.
 */
export function mapsBoxUsers(map: string): boolean {
  return map.split('\n').some((line) => {
    const [inside = Number.NaN, , count = 0] = line.trim().split(/\s+/).map(Number);
    return inside <= FIRST_ID && inside + count >= FIRST_ID + IDS;
  });
}

/** A user and a group of the host. */
export interface HostUser {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Who a VMM runs as when root starts it. Somebody for this box alone unless a user was asked for: if all were nobody,
 * a VMM could reach what belongs to another's. It follows from the box's id, so that a box that is started
 * again is the same user; that two boxes are the same is as likely as a collision of 28 bits.
 */
export function hostUserFor(boxId: string, { uid, gid }: SecuritySettings): HostUser {
  const hash = createHash('sha256').update(boxId).digest();
  const own = FIRST_ID + (hash.readUInt32LE(0) % IDS);
  const asked = (id: number | null) => (id === null || id === NOBODY ? own : id);
  return { uid: asked(uid), gid: asked(gid) };
}
