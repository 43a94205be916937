/** Records a box in a home: `create.ts HOME NAME`. */
import { Store } from '../../../src/store/store.ts';
import { newBox } from '../store-fixture.ts';

const [home = '', name = ''] = process.argv.slice(2);
const row = Store.open(home).boxes.create(newBox({ name }));
console.log(JSON.stringify(row.id));
