// A form made of the JSON Schema of the configuration. Fields are found by type; what has a page of its own or has no
// plain form is explained and left to the file. An empty field means the default, and is not written.

import { html, useEffect, useState } from './vendor/preact.js';
import { lang, t } from './i18n.js';
import { Field } from './parts.js';
import { store, useStore } from './store.js';

/** Members that other pages edit. */
const ELSEWHERE = { clients: '#/clients', providers: '#/providers', routes: '#/routes' };
const HIDDEN = ['$schema'];
/** Steps that a search for members goes down. */
const DEPTH = 6;

// -- the help in the chosen language ----------------------------------------------------------------------------

const chinese = store(null);

/** Whether the help is there in the chosen language, which it has loaded: the schema brings the English, a file the Chinese. */
export function useHelp() {
  const now = useStore(lang);
  const there = useStore(chinese);
  useEffect(() => {
    // Where it cannot be had, English is shown.
    if (now === 'zh-CN' && !chinese.value) import('./config_help.js').then(({ HELP }) => chinese.set(HELP), () => chinese.set({}));
  }, [now]);
  return now !== 'zh-CN' || Boolean(there);
}

const help = (text) => (lang.value === 'zh-CN' && chinese.value && chinese.value[text]) || text || '';

// -- the schema -------------------------------------------------------------------------------------------------

/** The schema behind references and `X or null`. The outer description and default win. */
function solve(schema, root) {
  let found = schema, said = {};
  for (let steps = 0; steps < 8; steps++) {
    said = { description: said.description ?? found.description, default: said.default ?? found.default };
    if (found.$ref) found = found.$ref.split('/').slice(1).reduce((at, step) => at && at[step], root) || {};
    else if (found.anyOf && found.anyOf.some((one) => one.type === 'null')
      && found.anyOf.length === 2) found = found.anyOf.find((one) => one.type !== 'null');
    else break;
  }
  return { ...found, ...Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined)) };
}

/** What may be chosen, or null: from `enum`, or from a choice of constants. */
function choices(schema) {
  if (schema.enum) return schema.enum.filter((one) => one != null).map(String);
  const all = schema.oneOf || schema.anyOf;
  if (!all || !all.length) return null;
  const found = all.flatMap((one) => ('const' in one ? [one.const] : one.enum || [null]));
  return found.every((one) => typeof one === 'string') ? found : null;
}

function kindOf(schema, root) {
  const type = Array.isArray(schema.type) ? schema.type.find((one) => one !== 'null') : schema.type;
  if (choices(schema)) return 'choice';
  if (schema.properties) return 'object';
  if (type === 'boolean' || type === 'integer' || type === 'number' || type === 'string') return type;
  if (type === 'array') return solve(schema.items || {}, root).type === 'string' ? 'list' : 'other';
  const all = (schema.anyOf || schema.oneOf || []).map((one) => solve(one, root));
  if (all.some((one) => one.type === 'string') && all.some((one) => one.type === 'array')) return 'list';
  if (all.some((one) => one.type === 'integer') && all.length) return 'word';
  return 'other';
}

/** The members that stand somewhere inside: in the values of a map, the items of a list, or one of several forms. */
function inside(schema, root, depth = DEPTH) {
  const found = solve(schema, root);
  if (found.properties || !depth) return found.properties ? found : null;
  const next = [found.additionalProperties, found.items, ...(found.anyOf || found.oneOf || [])];
  return next.reduce((members, one) => members || (one && typeof one === 'object' ? inside(one, root, depth - 1) : null), null);
}

/** Words with `code` in them, as the schema's descriptions are written. */
const Words = ({ text }) => help(text).split('`').map((part, at) => (at % 2 ? html`<code key=${at}>${part}</code>` : part));
const lines = (text) => text.split('\n').map((line) => line.trim()).filter(Boolean);

/** Fields of all members of `schema` (an object). `find` narrows them to those that say it. */
export function Fields({ schema, root = schema, value = {}, set, path = [], find }) {
  const members = Object.entries(schema.properties || {}).filter(([name]) => !HIDDEN.includes(name)).map(([name, one]) => [name, solve(one, root)]);
  const told = members.map(([name, one]) => ({ name, one, kind: kindOf(one, root) })).filter(({ name, one }) => says(find, name, one, root));
  if (!told.length && !path.length) return html`<p class="soft">${t('nothing_matches')}</p>`;
  return told.map(({ name, one, kind }) => html`<${Member} key=${name} name=${name} schema=${one} kind=${kind} root=${root} value=${value
    && typeof value === 'object' ? value[name] : undefined} set=${set} path=${[...path, name]} find=${find} />`);
}

function says(find, name, schema, root, depth = DEPTH) {
  if (!find || `${name} ${schema.description || ''} ${help(schema.description)}`.toLowerCase().includes(find)) return true;
  const members = depth && inside(schema, root);
  return Boolean(members) && Object.entries(members.properties).some(([inner, one]) => says(find, inner, solve(one, root), root, depth - 1));
}

function Member({ name, schema, kind, root, value, set, path, find }) {
  const [open, setOpen] = useState(false);
  const hint = schema.description;
  const page = path.length === 1 && ELSEWHERE[name];
  const label = html`<span class="mono">${name}</span>${value !== undefined ? html`<span class="set" title=${t('set')}></span>` : null}`;
  const within = find && name.includes(find) ? '' : find;
  const group = (body) => html`<details class="group" open=${open || Boolean(find)} onToggle=${(event) => setOpen(event.currentTarget.open)}>
    <summary>${label}<span class="hint"><${Words} text=${hint} /></span></summary>
    <div class="group-body">${body}</div></details>`;
  if (kind === 'object') return group(html`<${Fields} schema=${schema} root=${root} value=${value} set=${set} path=${path} find=${within} />`);
  if (page || kind === 'other') {
    const where = page ? html`<a href=${page}>${t('own_page')}</a>` : t('in_the_file');
    const members = inside(schema, root);
    if (!members) return html`<p class="elsewhere">${label} <span class="hint"><${Words} text=${hint} /> ${where}</span></p>`;
    return group(html`<p class="hint">${where}</p>${open || find ? html`<${Told} schema=${members} root=${root} find=${within} />` : null}`);
  }
  return html`<${Field} label=${label} hint=${hint ? html`<${Words} text=${hint} />` : null}>
    <${Control} kind=${kind} schema=${schema} value=${value} set=${(next) => set(path, next)} /><//>`;
}

/** What may be written of members that have no field here. */
function Told({ schema, root, find, depth = DEPTH }) {
  const members = Object.entries(schema.properties).map(([name, one]) => [name, solve(one, root)]).filter(([name, one]) => says(find, name,
    one, root));
  return html`<dl class="reference">${members.map(([name, one]) => {
    const all = (one.oneOf || one.anyOf || []).filter((choice) => typeof choice.const === 'string' && choice.description);
    const deeper = depth ? inside(one, root) : null;
    return html`<dt class="mono">${name}</dt><dd class="hint"><${Words} text=${one.description} />
      ${all.length ? html`<ul>${all.map((choice) => html`<li key=${choice.const}><code>${choice.const}</code> <${Words} text=${choice.description}
        /></li>`)}</ul>` : null}
      ${deeper ? html`<${Told} schema=${deeper} root=${root} depth=${depth - 1} find=${find && name.includes(find) ? '' : find} />`
        : null}</dd>`;
  })}</dl>`;
}

function Control({ kind, schema, value, set, ...own }) {
  const usual = schema.default == null ? '' : typeof schema.default === 'object'
    ? (Array.isArray(schema.default) ? schema.default.join(', ') : '') : String(schema.default);
  if (kind === 'choice' || kind === 'boolean') {
    const all = kind === 'boolean' ? ['true', 'false'] : choices(schema);
    const now = value === undefined || value === null ? '' : String(value);
    const pick = (event) => { const next = event.target.value; set(next === '' ? undefined : kind === 'boolean' ? next === 'true' : next); };
    return html`<select ...${own} value=${now} onChange=${pick}><option value="" selected=${now === ''}>${usual
      ? t('default_is', { value: usual }) : t('default')}</option>
      ${all.map((one) => html`<option key=${one} value=${one} selected=${one === now}>${one}</option>`)}</select>`;
  }
  if (kind === 'list') {
    const now = value === undefined ? '' : Array.isArray(value) ? value.join('\n') : String(value);
    return html`<textarea ...${own} class="mono" rows=${Math.min(6, Math.max(1, now.split('\n').length))} spellcheck="false"
      placeholder=${usual} value=${now}
      onChange=${(event) => { const all = lines(event.target.value);
        set(!all.length ? undefined : all.length === 1 && !Array.isArray(value) && schema.type !== 'array' ? all[0] : all); }}></textarea>`;
  }
  const number = kind === 'integer' || kind === 'number';
  const take = (event) => {
    const said = event.target.value.trim();
    set(said === '' ? undefined : number || (kind === 'word' && /^\d+$/.test(said)) ? Number(said) : said);
  };
  // Taken when the field is left, so that a half-typed value is not an error.
  return html`<input ...${own} type=${number ? 'number' : 'text'} step=${kind === 'number' ? 'any' : undefined} value=${value === undefined
    || value === null ? '' : String(value)} placeholder=${usual} spellcheck="false" autocomplete="off" onChange=${take} />`;
}
