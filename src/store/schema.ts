/**
 * The tables as the first version made them. A released version is never edited: what changes later is
 * a migration (migrations.ts), also when BoxSpec gets a new property, which old rows must then be given.
 *
 * Times are milliseconds since 1970. Columns that hold JSON have the shape of the type of their name.
 */
export const schemaVersion1 = `
  CREATE TABLE boxes (
    -- The newer the larger.
    age INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT UNIQUE,
    -- BoxSpec, labels and secrets included.
    spec TEXT NOT NULL CHECK (json_valid(spec)),
    -- ProcessIdentity of who made it.
    creator TEXT NOT NULL CHECK (json_valid(creator)),
    created_at INTEGER NOT NULL,

    status TEXT NOT NULL
      CHECK (status IN ('unknown', 'configured', 'running', 'stopping', 'stopped')),
    -- When the status last changed.
    updated_at INTEGER NOT NULL,

    -- How often it was claimed. Whoever claimed it knows this number; with another one all is refused.
    claim INTEGER NOT NULL DEFAULT 0,
    -- BoxOwner of the claim; null if nobody holds it.
    owner TEXT CHECK (json_valid(owner)),
    -- ProcessIdentity of the VMM.
    vmm TEXT CHECK (json_valid(vmm)),

    container_id TEXT,
    engine TEXT,
    -- PublishedPort[].
    ports TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(ports)),
    -- Name of the file in the folder of image disks.
    image_disk TEXT,
    exit_reason TEXT,
    exit_code INTEGER,

    -- What may be running has somebody who answers for it.
    CHECK (owner IS NOT NULL OR status IN ('configured', 'stopped')),
    CHECK (owner IS NOT NULL OR vmm IS NULL)
  ) STRICT;

  CREATE INDEX boxes_by_image_disk ON boxes (image_disk) WHERE image_disk IS NOT NULL;

  -- Counts and durations of a box, by the names in BoxMetrics.
  CREATE TABLE box_measures (
    box_id TEXT NOT NULL REFERENCES boxes (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    value REAL NOT NULL,
    PRIMARY KEY (box_id, name)
  ) STRICT, WITHOUT ROWID;

  -- Counts that outlive boxes and processes, by the names in RuntimeMetrics.
  CREATE TABLE totals (
    name TEXT PRIMARY KEY,
    value REAL NOT NULL
  ) STRICT, WITHOUT ROWID;

  -- ImageRecord.
  CREATE TABLE images (
    -- The newer the larger.
    age INTEGER PRIMARY KEY,
    reference TEXT NOT NULL UNIQUE,
    digest TEXT NOT NULL,
    config_digest TEXT NOT NULL,
    manifest_digest TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    disk_bytes INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    blobs TEXT NOT NULL CHECK (json_valid(blobs)),
    -- As the registry gave it: not ours to judge.
    config TEXT NOT NULL,
    disk TEXT NOT NULL
  ) STRICT;
`;

/** Two switches of `SecuritySettings` that came later, off as they were for boxes made before. */
export const schemaVersion2 = `
  UPDATE boxes SET spec = json_set(
    spec, '$.security.allowUnjailed', json('false'), '$.security.umlPtrace', json('false')
  );
`;
