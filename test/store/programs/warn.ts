/** Opens a store, with a warning of its own before: `warn.ts HOME`. */
import { Store } from '../../../src/store/store.ts';

const [home = ''] = process.argv.slice(2);
process.emitWarning('the own one of the program', 'ExperimentalWarning');
Store.open(home)[Symbol.dispose]();
