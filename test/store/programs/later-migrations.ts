/** What later versions may have to do to the database. */
import type { Migrations } from '../../../src/store/migrations.ts';
import { schemaVersion1 } from '../../../src/store/schema.ts';

export const laterMigrations: Migrations = [
  schemaVersion1,
  "UPDATE boxes SET spec = json_set(spec, '$.added', json('null'))",
  `ALTER TABLE boxes ADD COLUMN note TEXT`,
  // A table that other tables refer to, made anew.
  `CREATE TABLE boxes_anew AS SELECT * FROM boxes;
   DROP TABLE boxes;
   ALTER TABLE boxes_anew RENAME TO boxes;
   CREATE UNIQUE INDEX boxes_by_id ON boxes (id);`,
];
