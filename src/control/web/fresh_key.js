// The key of a client that was just made, for the page that shows how to use it. In memory only: a reload forgets it.

import { store } from './store.js';

/** null or { name, key } */
export const freshKey = store(null);
