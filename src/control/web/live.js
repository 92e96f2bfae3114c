// The event stream of the admin address, shared by all pages. What arrives is kept in rings of fixed size and told
// to watchers at most a few times a second: the page costs the same at 5 and at 5,000 requests a second.

import { get, session } from './api.js';
import { store } from './store.js';
import { asRow } from './row.js';

const ROWS_MAX = 200;
const SECONDS_MAX = 180;
const TELL_MS = 250;
const RETRY_MS = [500, 1000, 2000, 4000, 8000];
/** A browser has six connections to one address: a page that nobody looks at gives its own back. */
const HIDDEN_MS = 20000;

/** 'off' | 'open' | 'lost' */
export const link = store('off');
export const hello = store(null);
/** Counts of the last seconds: rates, computed from totals since the start. */
export const seconds = store([]);
/** Newest first: { rows, missed }. */
export const exchanges = store({ rows: [], missed: 0 });
/** Rises with every change of a key or of the configuration; pages that show them fetch anew. */
export const keysTurn = store(0);
export const configTurn = store(0);
/** Rises when the stream was away for a while: what came meanwhile must be asked for. */
export const gaps = store(0);

let source = null, tries = 0, timer = 0, fresh = [], missed = 0, last = null, telling = 0;

function tell() {
  telling = 0;
  if (!fresh.length && !missed) return;
  const now = exchanges.value;
  exchanges.set({ rows: fresh.reverse().concat(now.rows).slice(0, ROWS_MAX), missed: now.missed + missed });
  fresh = [];
  missed = 0;
}

function later() { if (!telling) telling = setTimeout(tell, TELL_MS); }

function second(now) {
  const before = last;
  last = now;
  if (!before || now.requests < before.requests) return;
  const length = Math.max(0.2, (now.unix_ms - before.unix_ms) / 1000);
  const rate = (name) => ((now[name] || 0) - (before[name] || 0)) / length;
  const row = {
    unix_ms: now.unix_ms, requests: rate('requests'), errors: rate('errors'), output_tokens: rate('output_tokens'),
    input_tokens: rate('input_tokens'), cost: rate('cost'), streams: now.streams, sessions: now.sessions,
  };
  seconds.set([...seconds.value.slice(1 - SECONDS_MAX), row]);
}

const HEARD = {
  hello(value) {
    if (hello.value) { gaps.set(gaps.value + 1); HEARD.config(); }
    hello.set(value);
    // The first rate comes with the next second, and not with the one after it.
    last = value.second || null;
    tries = 0;
    link.set('open');
  },
  second,
  exchange(value) {
    fresh.push(asRow(value));
    if (fresh.length > ROWS_MAX) { missed += 1; fresh.shift(); }
    later();
  },
  missed(value) { missed += value.count || 0; later(); },
  key() { keysTurn.set(keysTurn.value + 1); },
  config() { configTurn.set(configTurn.value + 1); keysTurn.set(keysTurn.value + 1); },
};

let wanted = false, hiding = 0;

export function open() {
  clearTimeout(timer);
  wanted = true;
  if (source) return;
  source = new EventSource('/api/events');
  for (const [name, hear] of Object.entries(HEARD)) {
    source.addEventListener(name, (event) => {
      let value;
      try { value = JSON.parse(event.data); } catch { return; }
      hear(value);
    });
  }
  source.onerror = lost;
}

document.addEventListener('visibilitychange', () => {
  clearTimeout(hiding);
  if (!wanted) return;
  if (!document.hidden) open();
  else hiding = setTimeout(() => { close(); wanted = true; }, HIDDEN_MS);
});

export function close() {
  clearTimeout(timer);
  wanted = false;
  if (source) source.close();
  source = null;
  link.set('off');
}

// The browser's own reconnecting gives up at the first answer that is not 200, as a restarting server gives.
function lost() {
  source.close();
  source = null;
  link.set('lost');
  const wait = RETRY_MS[Math.min(tries++, RETRY_MS.length - 1)];
  timer = setTimeout(async () => {
    try {
      const state = await get('/api/session');
      if (!state.authenticated) { session.set(false); return; }
    } catch (error) {
      if (error.status === 401) return;
    }
    open();
  }, wait);
}
