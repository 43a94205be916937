/** Opens a home with a later version: `migrate.ts HOME`. Prints the name of its only box. */
import { Store } from '../../../src/store/store.ts';
import { laterMigrations } from './later-migrations.ts';

const [home = ''] = process.argv.slice(2);
const store = Store.open(home, { migrations: laterMigrations });
console.log(JSON.stringify(store.boxes.list()[0]?.name));
