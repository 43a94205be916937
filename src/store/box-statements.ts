// pure
/**
 * Every statement about boxes. Each change is one statement whose WHERE says what must be true for it,
 * so that of several processes that want different things one wins and the others learn of it.
 */

/** A claim holds as long as its number is the box's and the box has an owner. */
const CLAIMED = 'id = :id AND claim = :claim AND owner IS NOT NULL';

/** Columns named in the JSON object `:changes` get their value from it, the others stay. */
const CHANGES = [
  ['vmm', 'vmm'],
  ['container_id', 'containerId'],
  ['engine', 'engine'],
  ['ports', 'ports'],
  ['image_disk', 'imageDisk'],
  ['exit_reason', 'exitReason'],
  ['exit_code', 'exitCode'],
]
  .map(([column, key]) => {
    const path = `'$.${key}'`;
    return `${column} = iif(json_type(:changes, ${path}) IS NULL, ${column}, :changes ->> ${path})`;
  })
  .join(', ');

export const INSERT = `
  INSERT INTO boxes (id, name, spec, creator, created_at, updated_at, status, image_disk)
  VALUES (:id, :name, :spec, :creator, :now, :now, 'configured', :imageDisk)
  RETURNING *`;

export const BY_ID = 'SELECT * FROM boxes WHERE id = :id';

export const BY_NAME = 'SELECT * FROM boxes WHERE name = :name';

/** Two are enough to know that there are several. `~` comes behind every character of an id. */
export const BY_PREFIX = `
  SELECT * FROM boxes WHERE id >= :prefix AND id < :prefix || '~' LIMIT 2`;

/** `:labels` is a JSON object, each member of which a box must have. */
export const LIST = `
  SELECT * FROM boxes
  WHERE (:statuses IS NULL OR status IN (SELECT value FROM json_each(:statuses)))
    AND NOT EXISTS (
      SELECT 1 FROM json_each(:labels) AS wanted
      WHERE NOT EXISTS (
        SELECT 1 FROM json_each(spec, '$.labels') AS label
        WHERE label.key = wanted.key AND label.value = wanted.value))
  ORDER BY age DESC`;

/** What recovery has to know of every box. */
export const FOR_RECOVERY = `
  SELECT id, claim, status, owner, vmm, creator, spec ->> '$.autoRemove' AS auto_remove FROM boxes`;

export const CLAIM = `
  UPDATE boxes SET claim = claim + 1, owner = :owner
  WHERE id = :id AND owner IS NULL
  RETURNING *`;

/** Takes over a box at rest, whoever holds it. */
export const CLAIM_REMAINS = `
  UPDATE boxes SET claim = claim + 1, owner = :owner, vmm = NULL
  WHERE id = :id AND claim = :claim AND status IN ('configured', 'stopped')
  RETURNING *`;

export const CHANGE = `UPDATE boxes SET ${CHANGES} WHERE ${CLAIMED} RETURNING *`;

/** Nothing of the box runs. `:owner`, if it is not null, goes on with something else. */
const AT_REST = "owner = :owner, vmm = NULL, ports = '[]'";

const MOVED = `status = :to, updated_at = :now, ${CHANGES}`;

const MOVABLE = `${CLAIMED} AND status IN (SELECT value FROM json_each(:from))`;

export const MOVE = `UPDATE boxes SET ${MOVED} WHERE ${MOVABLE} RETURNING *`;

/** Of a column that is set twice the last value counts. */
export const MOVE_TO_REST = `
  UPDATE boxes SET ${MOVED}, ${AT_REST} WHERE ${MOVABLE} RETURNING *`;

/** The only thing about a box's spec that ever changes, while nobody has the box. */
export const GROW = `
  UPDATE boxes SET spec = json_set(spec, '$.diskSizeGb', CAST(:diskSizeGb AS INTEGER))
  WHERE id = :id AND owner IS NULL AND spec ->> '$.diskSizeGb' <= :diskSizeGb
  RETURNING *`;

export const RELEASE = `
  UPDATE boxes SET ${AT_REST}
  WHERE ${CLAIMED} AND status IN ('configured', 'stopped')
  RETURNING *`;

export const DELETE = `
  DELETE FROM boxes WHERE ${CLAIMED} AND owner ->> '$.purpose' = 'remove' RETURNING id`;

export const USERS_OF_DISK = `
  SELECT coalesce(name, id) AS user FROM boxes WHERE image_disk = :disk ORDER BY age`;
