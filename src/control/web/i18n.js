// Words of the interface in the chosen language. A key that is missing shows itself, and a test finds it first.

import { WORDS } from './words.js';
import { store, kept } from './store.js';

const LANGS = ['en', 'zh-CN'];

export const lang = store(document.documentElement.lang === 'zh-CN' ? 'zh-CN' : 'en');

export function setLang(next) {
  if (!LANGS.includes(next)) return;
  document.documentElement.lang = next;
  kept.set('lang', next.slice(0, 2));
  lang.set(next);
}

/** The words of `key`; `{name}` in them is replaced from `values`. A third text is the English one for one of them. */
export function t(key, values) {
  const row = WORDS[key];
  if (!row) return key;
  const one = row[2] && lang.value === 'en' && values && String(values.n) === '1';
  const text = row[one ? 2 : LANGS.indexOf(lang.value)];
  return values ? text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole)) : text;
}

/** The words of a key that the server has made; where it is not known here, what the server says in English. */
export const word = (key, text, values) => (WORDS[key] ? t(key, values) : text);
