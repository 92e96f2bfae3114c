// Exchanges that were recorded whole: found by words in any of their messages, and what is recorded from now on.

import { html, useEffect, useMemo, useState } from '../vendor/preact.js';
import { call, get, path } from '../api.js';
import { setMember } from '../config_member.js';
import { percent } from '../format.js';
import { t } from '../i18n.js';
import { Button, Check, complain, Empty, Input, Loaded, Page, Pill, say, Section, Select, sure, useFetch } from '../parts.js';
import { asRow } from '../row.js';
import { Rows } from '../rows.js';
import { Exchange } from './exchange.js';
import { Form } from './provider_forms.js';
import { FILTERS, Filters } from './requests.js';

const PAGE = 50;

export const Traces = ({ at }) => (at.rest[0] ? html`<${Exchange} key=${at.rest[0]} id=${at.rest[0]} from="traces" />`
  : html`<${List} query=${at.query} />`);

function List({ query }) {
  const filter = useMemo(() => Object.fromEntries(FILTERS.map((name) => [name, query[name] || ''])), [JSON.stringify(query)]);
  const set = (name, value) => { location.replace(path('#/traces', { ...filter, [name]: value })); };
  const [turn, setTurn] = useState(0);
  const [state, setState] = useState({ rows: [], next: null, loaded: false });
  const config = useFetch('/api/config', { turn });
  const [open, setOpen] = useState(false);
  const ask = (more) => get(path('/api/traces', { limit: PAGE, ...filter, ...more }));
  useEffect(() => {
    let mine = true;
    setState((old) => ({ ...old, loaded: false }));
    ask({}).then(
      (answer) => { if (mine) setState({ rows: answer.traces.map(asRow), next: answer.next, loaded: true }); },
      (error) => { if (mine) { complain(error); setState({ rows: [], next: null, loaded: true }); } },
    );
    return () => { mine = false; };
  }, [JSON.stringify(filter), turn]);
  const older = async () => {
    const answer = await ask({ before: state.next });
    const known = new Set(state.rows.map((row) => row.id));
    setState({ rows: state.rows.concat(answer.traces.map(asRow).filter((row) => !known.has(row.id))).slice(-10 * PAGE), next: answer.next,
      loaded: true });
  };
  const forget = async () => {
    if (!(await sure(t('forget_traces'), t('forget_traces_text'), t('delete')))) return;
    await call('DELETE', '/api/traces');
    say(t('deleted', { name: t('traces') }));
    setTurn(turn + 1);
  };
  const filtered = FILTERS.some((name) => filter[name]);
  const given = (config.value && config.value.value.traces) || {};
  const record = html`<${Button} kind="primary" onClick=${() => setOpen(true)}>${t('what_is_recorded')}<//>`;
  return html`<${Page} title=${t('page_traces')} sub=${t('traces_sub')} actions=${html`
      <a class="button" href=${path('/api/traces/export', filter)} download="weir-traces.jsonl">${t('export_traces')}</a>
      <${Button} kind="bare" icon="trash" label=${t('forget_traces')} onClick=${forget} />${record}`}>
    <${Loaded} of=${config}>${() => html`<p class="recorded"><span class="soft">${t('recorded_now')}</span> <${Recorded} given=${given} /></p>`}<//>
    <${Filters} filter=${filter} set=${set} base="#/traces" words=${t('search_bodies')} />
    <${Section}>
      ${state.rows.length ? html`<${Rows} rows=${state.rows} page="traces" />`
        : !state.loaded ? html`<div class="loading" role="status">${t('loading')}</div>`
        : state.next ? html`<${Empty} title=${t('nothing_so_far')}><p>${t('nothing_so_far_do')}</p><//>`
        : filtered ? html`<${Empty} title=${t('nothing_matches')}><p>${t('no_trace_matches')}</p>
          <a class="button" href="#/traces">${t('clear_filters')}</a><//>`
        : html`<${Empty} title=${t('no_traces')}><p>${t(isOff(given) ? 'no_traces_off' : 'no_traces_yet')}</p>${record}<//>`}
    <//>
    ${state.next ? html`<div class="centre"><${Button} onClick=${older}>${t('older')}<//></div>` : null}
    ${open && config.value ? html`<${Choose} given=${given} value=${config.value.value} onClose=${() => setOpen(false)}
      onDone=${() => { setOpen(false); setTurn(turn + 1); }} />` : null}
  <//>`;
}

const list = (value) => (Array.isArray(value) ? value : []);
const isOff = (given) => (given.bodies || 'off') === 'off' && !given.sample && !list(given.clients).length && !list(given.routes).length;

/** What the configuration says is kept. */
function Recorded({ given }) {
  if (isOff(given)) return html`<${Pill} tone="warn">${t('nothing_recorded')}<//>`;
  return html`${given.bodies && given.bodies !== 'off' ? html`<${Pill} tone="accent">${t('bodies_' + given.bodies)}<//>` : null}
    ${given.sample ? html`<${Pill} tone="accent">${t('sample_n', { share: percent(given.sample, 1) })}<//>` : null}
    ${list(given.clients).map((name) => html`<${Pill} key=${'c' + name} tone="accent">${t('client')}: ${name}<//>`)}
    ${list(given.routes).map((name) => html`<${Pill} key=${'r' + name} tone="accent">${t('route')}: ${name}<//>`)}`;
}

function Choose({ given, value, onClose, onDone }) {
  const [bodies, setBodies] = useState(given.bodies || 'off');
  const [share, setShare] = useState(given.sample ? String(+(given.sample * 100).toPrecision(6)) : '');
  const [clients, setClients] = useState(list(given.clients));
  const [routes, setRoutes] = useState(list(given.routes));
  const turned = (all, name, on) => (on ? [...all, name] : all.filter((one) => one !== name));
  const submit = async () => {
    const next = { ...given, bodies, sample: Number(share) / 100, clients, routes };
    if (!next.sample) delete next.sample;
    for (const name of ['clients', 'routes']) if (!next[name].length) delete next[name];
    await setMember(['traces'], next);
    say(t('saved'));
    onDone();
  };
  const Names = ({ title, all, chosen, set }) => (all.length ? html`<fieldset class="wide"><legend>${title}</legend>
    <div class="picks">${all.map((name) => html`<${Check} key=${name} label=${name} checked=${chosen.includes(name)}
      onChange=${(on) => set(turned(chosen, name, on))} />`)}</div></fieldset>` : null);
  return html`<${Form} title=${t('what_is_recorded')} action=${t('save')} onClose=${onClose} submit=${submit}>${() => html`
    <p class="wide soft">${t('recorded_note')}</p>
    <${Select} label=${t('by_outcome')} value=${bodies} onChange=${setBodies}
      options=${['off', 'errors', 'all'].map((one) => [one, t('bodies_' + one)])} />
    <${Input} label=${t('sample')} type="number" min="0" max="100" step="any" value=${share} onInput=${setShare} placeholder="0" hint=${t('sample_hint')} />
    ${Names({ title: t('all_of_clients'), all: Object.keys(value.clients || {}), chosen: clients, set: setClients })}
    ${Names({ title: t('all_on_routes'), all: Object.keys(value.routes || {}), chosen: routes, set: setRoutes })}`}
  <//>`;
}
