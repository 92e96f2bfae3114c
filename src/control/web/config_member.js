// One member of the configuration changed and in force: the file is read, edited by the server and written, and again
// where somebody else was faster.

import { get, post, put } from './api.js';

const TRIES = 3;

export async function setMember(path, value) {
  for (let turn = 1; ; turn++) {
    const now = await get('/api/config');
    const { text } = await post('/api/config/edit', { text: now.text, path, value });
    try {
      return await put('/api/config', { text }, { headers: { 'if-match': `"${now.etag}"` } });
    } catch (error) {
      if (error.status !== 412 || turn === TRIES) throw error;
    }
  }
}
