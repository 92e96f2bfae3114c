// Requests, newest first: as they end, or those of the past that match. The list never holds more than it shows.

import { html, useEffect, useMemo, useRef, useState } from '../vendor/preact.js';
import { get, path } from '../api.js';
import { t } from '../i18n.js';
import * as live from '../live.js';
import { Button, complain, Empty, Page, Section, Select, useFetch } from '../parts.js';
import { asRow } from '../row.js';
import { Rows } from '../rows.js';
import { useStore } from '../store.js';
import { Exchange } from './exchange.js';

const PAGE = 100;
export const FILTERS = ['status', 'client', 'provider', 'key', 'model', 'dialect', 'q'];
const DIALECTS = ['chat', 'responses', 'anthropic', 'gemini', 'ollama'];

export const Requests = ({ at }) => (at.rest[0] ? html`<${Exchange} key=${at.rest[0]} id=${at.rest[0]} />` : html`<${List} query=${at.query} />`);

/** Whether a row that came by itself is one that was asked for. */
function wants(filter, row) {
  const is = (name) => !filter[name] || filter[name] === row[name];
  const status = {
    '': true, ok: row.outcome === 'ok', error: row.outcome !== 'ok',
    '4xx': row.status >= 400 && row.status < 500, '5xx': row.status >= 500,
  }[filter.status || ''] ?? String(row.status) === filter.status;
  const model = !filter.model || filter.model === row.model_asked || filter.model === row.model_sent;
  const words = (filter.q || '').toLowerCase();
  const text = !words || [row.id, row.client, row.provider, row.key, row.model_asked,
    row.model_sent].some((said) => (said || '').toLowerCase().includes(words));
  return status && model && text && is('client') && is('provider') && is('key') && is('dialect');
}

function List({ query }) {
  const filter = useMemo(() => Object.fromEntries(FILTERS.map((name) => [name, query[name] || ''])), [JSON.stringify(query)]);
  const set = (name, value) => { location.replace(path('#/requests', { ...filter, [name]: value })); };
  const asked = path('/api/requests', { limit: PAGE, ...filter });
  const [state, setState] = useState({ rows: [], next: null, loaded: false });
  const [running, setRunning] = useState(true);
  const told = useStore(live.exchanges);
  const gap = useStore(live.gaps);
  const held = useRef(told);
  if (running) held.current = told;

  useEffect(() => {
    const stop = new AbortController();
    get(asked, { signal: stop.signal }).then(
      (answer) => setState({ rows: answer.requests.map(asRow), next: cursor(answer), loaded: true }),
      (error) => { complain(error); if (error.name !== 'AbortError') setState({ rows: [], next: null, loaded: true }); },
    );
    return () => stop.abort();
  }, [asked, gap]);

  // Pages that were asked for stay; of what comes by itself, as much is shown as one page.
  const fresh = held.current.rows.filter((row) => wants(filter, row));
  const known = new Set(state.rows.map((row) => row.id));
  const extra = fresh.filter((row) => !known.has(row.id)).slice(0, PAGE);
  const rows = extra.concat(state.rows.length > PAGE ? state.rows : state.rows.slice(0, Math.max(0, PAGE - extra.length)));
  const older = async () => {
    const last = rows[rows.length - 1];
    const answer = await get(path('/api/requests', { limit: PAGE, ...filter, before: state.next || (last && last.id) }));
    const more = answer.requests.map(asRow);
    setState({ rows: state.rows.concat(more.filter((row) => !known.has(row.id))).slice(-5 * PAGE), next: cursor(answer), loaded: true });
    setRunning(false);
  };
  const cursor = (answer) => (answer.next !== undefined ? answer.next : answer.requests.length === PAGE ? answer.requests[PAGE - 1].id : null);

  return html`<${Page} title=${t('page_requests')} actions=${html`
      ${told.missed && running ? html`<span class="note">${t('missed_n', { n: told.missed })}</span>` : null}
      <${Button} icon=${running ? 'pause' : 'play'} pressed=${running ? 'true' : 'false'} onClick=${() => setRunning(!running)}>${running
        ? t('live') : t('paused')}<//>`}>
    <${Filters} filter=${filter} set=${set} />
    <${Section}>
      ${rows.length ? html`<${Rows} rows=${rows} />`
        : !state.loaded ? html`<div class="loading" role="status">${t('loading')}</div>`
        : FILTERS.some((name) => filter[name]) ? html`<${Empty} title=${t('nothing_matches')}><p>${t('nothing_matches_do')}</p>
          <a class="button" href="#/requests">${t('clear_filters')}</a><//>`
        : html`<${Empty} title=${t('no_requests')}><p>${t('no_requests_do')}</p><a class="button" href="#/connect">${t('page_connect')}</a><//>`}
    <//>
    ${state.next && rows.length ? html`<div class="centre"><${Button} onClick=${older}>${t('older')}<//></div>` : null}
  <//>`;
}

/** What narrows a list of exchanges; `words` names what the search looks through. */
export function Filters({ filter, set, base = '#/requests', words = t('search') }) {
  const status = useFetch('/api/status');
  const clients = useFetch('/api/clients');
  const providers = (status.value ? status.value.providers : []);
  const keys = (providers.find((one) => one.name === filter.provider) || { keys: [] }).keys;
  const [q, setQ] = useState(filter.q);
  const [model, setModel] = useState(filter.model);
  useEffect(() => { setQ(filter.q); setModel(filter.model); }, [filter.q, filter.model]);
  const any = (words, names) => [['', words], ...names.map((name) => [name, name])];
  const withOwn = (names, own) => (own && !names.includes(own) ? [...names, own] : names);
  return html`<form class="filters" role="search" onSubmit=${(event) => { event.preventDefault(); set('q', q); }}>
    <${Select} bare label=${t('status')} value=${filter.status} onChange=${(value) => set('status', value)}
      options=${[['', t('any_status')], ['ok', t('only_ok')], ['error', t('only_errors')], ['4xx', '4xx'], ['5xx', '5xx'], ['429', '429'],
        ...(filter.status && !['ok', 'error', '4xx', '5xx', '429'].includes(filter.status) ? [[filter.status, filter.status]] : [])]} />
    <${Select} bare label=${t('client')} value=${filter.client} onChange=${(value) => set('client', value)}
      options=${any(t('any_client'), withOwn(((clients.value && clients.value.clients) || []).map((one) => one.name), filter.client))} />
    <${Select} bare label=${t('provider')} value=${filter.provider} onChange=${(value) => set('provider', value)}
      options=${any(t('any_provider'), withOwn(providers.map((one) => one.name), filter.provider))} />
    ${filter.provider ? html`<${Select} bare label=${t('key')} value=${filter.key} onChange=${(value) => set('key', value)}
      options=${any(t('any_key'), withOwn(keys.map((one) => one.name), filter.key))} />` : null}
    <${Select} bare label=${t('dialect')} value=${filter.dialect} onChange=${(value) => set('dialect', value)}
      options=${any(t('any_dialect'), DIALECTS)} />
    <input aria-label=${t('model')} placeholder=${t('model')} value=${model} onInput=${(event) => setModel(event.target.value)}
      onChange=${(event) => set('model', event.target.value.trim())} />
    <input type="search" aria-label=${words} placeholder=${words} value=${q} onInput=${(event) => setQ(event.target.value)}
      onChange=${(event) => set('q', event.target.value.trim())} />
    ${FILTERS.some((name) => filter[name]) ? html`<a href=${base}>${t('clear_filters')}</a>` : null}
  </form>`;
}
