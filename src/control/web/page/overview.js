// What is happening now, and what today has been: the first page, made to be read in one look.

import { html, useMemo } from '../vendor/preact.js';
import { Chart, colour, Spark } from '../chart.js';
import { bytes, clock, cost, ms, percent, short, span, unixMs, whole } from '../format.js';
import { said, t, word } from '../i18n.js';
import * as live from '../live.js';
import { Countdown, Empty, Loaded, Page, Pill, Section, Stat, useFetch } from '../parts.js';
import { useStore } from '../store.js';
import { Rows } from '../rows.js';
import { asRow } from '../row.js';

const OVERVIEW_EVERY_MS = 5000;
const LATEST = 8;

export function Overview() {
  const turn = useStore(live.keysTurn);
  const overview = useFetch('/api/overview', { every: OVERVIEW_EVERY_MS, turn });
  const status = useFetch('/api/status', { every: OVERVIEW_EVERY_MS, turn });
  const store = useFetch('/api/store', { every: 30000 });
  return html`<${Page} title=${t('page_overview')} sub=${status.value ? running(status.value) : null}>
    ${store.value && store.value.state !== 'ok'
      ? html`<div class="banner warn" role="alert">${t('store_' + store.value.state)} ${said(store.value.message)}</div>` : null}
    <${Loaded} of=${overview}>${(now) => html`<${Numbers} now=${now} />
      <div class="columns wide-left"><${Hour} minutes=${now.minutes || []} /><${Now} /></div>
      <${Cooling} rows=${now.cooling || []} />`}<//>
    <${Latest} />
  <//>`;
}

const running = (status) =>
  [t('running_for', { span: span(status.uptime_ms) }), `${status.cores} × ${status.driver}`, status.draining ? t('draining')
    : ''].filter(Boolean).join(' · ');

function Numbers({ now }) {
  const tail = useStore(live.seconds);
  const last = tail[tail.length - 1];
  const today = now.today || {};
  const first = now.first_token_ms || {}, total = now.total_ms || {};
  return html`<dl class="stats">
    <${Stat} label=${t('requests_per_second')} value=${last ? short(last.requests) : '–'} note=${t('today_n', { n: short(today.requests) })} />
    <${Stat} label=${t('streams_open')} value=${whole(last ? last.streams : now.streams)}
      note=${t('sessions_n', { n: whole(last ? last.sessions : now.sessions) })} />
    <${Stat} label=${t('tokens_out_per_second')} value=${last ? short(last.output_tokens) : '–'}
      note=${t('today_in_out', { input: short(today.input_tokens), output: short(today.output_tokens) })} />
    <${Stat} label=${t('errors_today')} value=${today.errors
      ? html`<a href="#/requests?status=error">${short(today.errors)}</a>` : short(today.errors)} tone=${today.errors ? 'bad' : ''}
      note=${percent(today.errors, today.requests)} />
    <${Stat} label=${t('first_token')} value=${ms(first.p50)} note=${`p99 ${ms(first.p99)}`} />
    <${Stat} label=${t('whole_answer')} value=${ms(total.p50)} note=${`p99 ${ms(total.p99)}`} />
    <${Stat} label=${t('cost_today')} value=${cost(today.cost)} />
  </dl>`;
}

const HOUR = [['good_requests', 0], ['errors', 5]];

function Hour({ minutes }) {
  const times = useMemo(() => minutes.map((minute) => minute.unix_ms), [minutes]);
  const series = useMemo(() => HOUR.map(([name, place]) => ({
    name: t(name), colour: colour(place),
    values: minutes.map((minute) => (name === 'errors' ? minute.errors : minute.requests - minute.errors)),
  })), [minutes, t('errors')]);
  return html`<${Section} title=${t('last_hour')} note=${t('requests_per_minute')}>
    <${Chart} times=${times} series=${series} stacked bars form=${short} height=${188} label=${t('last_hour')} /><//>`;
}

function Now() {
  const tail = useStore(live.seconds);
  const lines = [['requests', 'requests_per_second'], ['output_tokens', 'tokens_out_per_second'], ['errors', 'errors_per_second']];
  const last = tail[tail.length - 1];
  return html`<${Section} title=${t('last_minutes')} note=${t('live')}><div class="inner sparks">
    ${lines.map(([name, words]) => html`<div key=${name}><div class="spark-name"><span>${t(words)}</span><b>${last ? short(last[name])
      : '–'}</b></div>
      <${Spark} values=${tail.map((row) => row[name])} max=${180} label=${t(words)} /></div>`)}
  </div><//>`;
}

function Cooling({ rows }) {
  if (!rows.length) return null;
  return html`<${Section} title=${t('cooling')} note=${t('cooling_note')}><div class="scroll"><table class="cards rests">
    <thead><tr><th>${t('provider')}</th><th>${t('key')}</th><th>${t('model')}</th><th>${t('why')}</th><th class="n">${t('time_left')}</th>
      </tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${[row.provider, row.key, row.model].join()}>
      <td><a href="#/providers">${row.provider}</a></td><td>${row.key}</td><td>${row.model
        || html`<span class="faint">${t('all_models')}</span>`}</td>
      <td><${Pill} tone="warn">${word('why_' + row.why, row.why)}<//></td>
      <td class="n"><${Countdown} until=${unixMs(row.until_unix_ms)} /></td></tr>`)}</tbody></table></div><//>`;
}

function Latest() {
  const told = useStore(live.exchanges);
  const asked = useFetch(`/api/requests?limit=${LATEST}`);
  const older = (asked.value ? asked.value.requests : []).map(asRow);
  const known = new Set(told.rows.map((row) => row.id));
  const rows = told.rows.concat(older.filter((row) => !known.has(row.id))).slice(0, LATEST);
  return html`<${Section} title=${t('latest')} actions=${html`<a href="#/requests">${t('all_requests')}</a>`}>
    ${rows.length ? html`<${Rows} rows=${rows} />` : asked.value ? html`<${Empty} title=${t('no_requests')}>
      <p>${t('no_requests_do')}</p><a class="button" href="#/connect">${t('page_connect')}</a><//>` : null}
  <//>`;
}
