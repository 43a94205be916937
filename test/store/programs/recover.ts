/** Puts a home in order: `recover.ts HOME`. Prints the ids of the boxes it has removed. */
import { Store } from '../../../src/store/store.ts';
import { recoverHome } from '../recover-home.ts';

const [home = ''] = process.argv.slice(2);
console.log(JSON.stringify(await recoverHome(Store.open(home), home)));
