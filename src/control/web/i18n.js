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
export const word = (key, text, values) => (WORDS[key] ? t(key, values) : said(text));

// -- what weir says ---------------------------------------------------------------------------------------------

const KEPT = 500;
const known = new Map();
let sentences = null;

/** The sentences that weir says in English are had in Chinese only where that is chosen. */
async function learn() {
  if (lang.value !== 'zh-CN' || sentences) return;
  const { SAID, PARSER } = await import('./said.js');
  const plain = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  // The one that says most of a text itself comes first.
  const all = Object.entries({ ...SAID, ...PARSER }).map(([english, chinese]) => [english.split(/\{[\w:?]*\}/), chinese]);
  all.sort(([a], [b]) => b.join('').length - a.join('').length);
  sentences = all.map(([texts, chinese]) => [new RegExp(`^${texts.map(plain).join('(.*?)')}$`, 's'), chinese]);
  // What is shown already is said again.
  lang.set(lang.value);
}

lang.watch(() => learn().catch(() => {}));
learn().catch(() => {});

/** A sentence of weir's in the chosen language; of others, and of what is not known here, the text itself. */
export function said(text) {
  if (!text || !sentences || lang.value !== 'zh-CN') return text || '';
  if (known.size > KEPT) known.clear();
  if (!known.has(text)) known.set(text, translated(text));
  return known.get(text);
}

function translated(text) {
  const guess = /^(.*), did you mean (.*)\?$/s.exec(text);
  if (guess) return `${translated(guess[1])}，是否指 ${guess[2]}？`;
  const problem = /^(\d+):\d+: (?:error|warning): (?:(\S+): )?(.*)$/s.exec(text);
  if (problem) return `${t('line_n', { n: problem[1] })}：${problem[2] ? problem[2] + ' ' : ''}${translated(problem[3])}`;
  for (const [english, chinese] of sentences) {
    const found = english.exec(text);
    if (found) return chinese.replace(/\{(\d)\}/g, (_, place) => part(found[place]));
  }
  return text;
}

/** What stands in a place: a sentence itself, words with "or" between, or a name. */
function part(text) {
  const whole = translated(text);
  if (whole !== text || !text.includes(' or ')) return whole;
  const parts = text.split(' or ').map((one) => [one, translated(one)]);
  return parts.every(([one, chinese]) => one !== chinese) ? parts.map(([, chinese]) => chinese).join('或') : text;
}
