-- A database as version 2 wrote it: never edited, so that migrations are tested from what is out there.
PRAGMA application_id = 1115180148;
PRAGMA user_version = 2;
CREATE TABLE boxes (
  age INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  name TEXT UNIQUE,
  spec TEXT NOT NULL CHECK (json_valid(spec)),
  creator TEXT NOT NULL CHECK (json_valid(creator)),
  created_at INTEGER NOT NULL,
  status TEXT NOT NULL
    CHECK (status IN ('unknown', 'configured', 'running', 'stopping', 'stopped')),
  updated_at INTEGER NOT NULL,
  claim INTEGER NOT NULL DEFAULT 0,
  owner TEXT CHECK (json_valid(owner)),
  vmm TEXT CHECK (json_valid(vmm)),
  container_id TEXT,
  engine TEXT,
  ports TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(ports)),
  image_disk TEXT,
  exit_reason TEXT,
  exit_code INTEGER,
  CHECK (owner IS NOT NULL OR status IN ('configured', 'stopped')),
  CHECK (owner IS NOT NULL OR vmm IS NULL)
) STRICT;
CREATE INDEX boxes_by_image_disk ON boxes (image_disk) WHERE image_disk IS NOT NULL;
CREATE TABLE box_measures (
  box_id TEXT NOT NULL REFERENCES boxes (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  value REAL NOT NULL,
  PRIMARY KEY (box_id, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE totals (
  name TEXT PRIMARY KEY,
  value REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE images (
  age INTEGER PRIMARY KEY,
  reference TEXT NOT NULL UNIQUE,
  digest TEXT NOT NULL,
  config_digest TEXT NOT NULL,
  manifest_digest TEXT NOT NULL,
  size_bytes INTEGER NOT NULL,
  disk_bytes INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  blobs TEXT NOT NULL CHECK (json_valid(blobs)),
  config TEXT NOT NULL,
  disk TEXT NOT NULL
) STRICT;
INSERT INTO boxes VALUES (
  7, 'AbcdEFGH0001', 'web',
  '{"rootfs":{"kind":"image","reference":"alpine:latest"},"cpus":2,"memoryMib":512,"diskSizeGb":10,"env":[["A","1"]],"workingDir":null,"user":null,"entrypoint":null,"cmd":["sleep","9"],"labels":{"team":"a"},"volumes":[],"network":{"mode":"enabled","allowNet":[{"kind":"host","host":"example.com","port":443}]},"secrets":[],"ports":[{"guestPort":80,"hostPort":null,"protocol":"tcp","hostIp":"0.0.0.0"}],"autoRemove":false,"detach":false,"engine":null,"bootTimeoutMs":null,"security":{"jailerEnabled":true,"seccompEnabled":true,"uid":65534,"gid":65534,"newPidNs":true,"newNetNs":true,"chrootBase":null,"chrootEnabled":true,"closeFds":true,"sanitizeEnv":true,"envAllowlist":[],"resourceLimits":{"maxOpenFiles":1024,"maxFileSize":null,"maxProcesses":100,"maxMemory":null,"maxCpuTime":null},"allowUnjailed":false,"umlPtrace":false,"sandboxProfile":null,"networkEnabled":true},"isolateMounts":false}',
  '{"pid":100,"start":"1","namespace":"pid:[1]","boot":"b"}',
  1700000000000, 'running', 1700000001000, 3,
  '{"pid":101,"start":"2","namespace":"pid:[1]","boot":"b","kind":"shim","purpose":"run","socket":"101-2-0123456789ab.sock"}',
  '{"pid":102,"start":"3","namespace":"pid:[1]","boot":"b"}',
  '00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff', 'uml',
  '[{"guestPort":80,"hostPort":8080,"protocol":"tcp","hostIp":"0.0.0.0"}]',
  'sha256-m.erofs', 'stopped', 0
);
INSERT INTO box_measures VALUES ('AbcdEFGH0001', 'commandsRunTotal', 4.0);
INSERT INTO totals VALUES ('boxesCreatedTotal', 9.0);
INSERT INTO images VALUES (
  2, 'docker.io/library/alpine:latest', 'sha256:d', 'sha256:c', 'sha256:m', 3000000, 4000000,
  1700000000000, '["sha256:m","sha256:c"]', '{"os":"linux"}', 'sha256-m.erofs'
);
