// What was used over a period: by whom, where, of what, and what it cost.

import { html, useMemo, useState } from '../vendor/preact.js';
import { path } from '../api.js';
import { Chart, colour, SERIES_MAX } from '../chart.js';
import { cost, ms, percent, short, unixMs, utcDay as day } from '../format.js';
import { t } from '../i18n.js';
import { Empty, Input, Loaded, Page, Section, Select, Share, Stat, Tabs, useFetch } from '../parts.js';

const HOUR = 3600000, DAY = 24 * HOUR;
const PERIODS = { today: 1, week: 7, month: 30, quarter: 90 };
const GROUPS = ['model', 'provider', 'key', 'client', 'dialect'];
const MEASURES = {
  cost: { of: (row) => row.cost, form: cost }, requests: { of: (row) => row.requests, form: short },
  tokens: { of: (row) => row.input_tokens + row.output_tokens, form: short }, output: { of: (row) => row.output_tokens, form: short },
  errors: { of: (row) => row.errors, form: short },
  cache_share: { of: (row) => (row.input_tokens ? row.cache_read_tokens / row.input_tokens : 0), form: (share) => percent(share, 1), apart: true },
  first_token: { of: (row) => row.first_token_ms_p50, form: ms, apart: true },
};

/** Both ends in ms, and the step of the chart. Days are UTC, as the totals are kept. */
function bounds({ period, from, to }) {
  if (period === 'own' && from && to) {
    const low = Date.parse(from), high = Date.parse(to) + DAY;
    return { low, high, step: high - low > 3 * DAY ? 'day' : 'hour' };
  }
  const high = (Math.floor(Date.now() / DAY) + 1) * DAY;
  const days = PERIODS[period] || PERIODS.week;
  return { low: high - days * DAY, high, step: days > 3 ? 'day' : 'hour' };
}

export function Usage({ at }) {
  const query = { period: 'week', by: 'model', measure: 'cost', ...at.query };
  const set = (more) => location.replace(path('#/usage', { ...query, ...more }));
  const { low, high, step } = bounds(query);
  const filter = { client: query.client, provider: query.provider, model: query.model };
  const by = GROUPS.includes(query.by) ? query.by : 'model';
  const span = { from: low, to: high - 1, ...filter };
  const all = useFetch(path('/api/usage', { ...span, group_by: by }));
  const line = useFetch(path('/api/usage', { ...span, group_by: `${step},${by}` }));
  const title = `weir-usage-${day(low)}-${by}.csv`;
  return html`<${Page} title=${t('page_usage')} sub=${t('usage_sub')} actions=${html`
      <a class="button" download=${title} href=${path('/api/usage', { ...span, group_by: `day,${by}`, format: 'csv' })}>CSV</a>`}>
    <div class="filters">
      <${Select} bare label=${t('period')} value=${query.period}
        onChange=${(period) => set({ period, from: query.from || day(low), to: query.to || day(high - DAY) })}
        options=${[...Object.keys(PERIODS), 'own'].map((name) => [name, t('period_' + name)])} />
      ${query.period === 'own' ? html`<input type="date" aria-label=${t('from')} value=${query.from}
        onChange=${(event) => set({ from: event.target.value })} />
        <input type="date" aria-label=${t('to')} value=${query.to} onChange=${(event) => set({ to: event.target.value })} />` : null}
      <${Select} bare label=${t('group_by')} value=${by} onChange=${(value) => set({ by: value })}
        options=${GROUPS.map((name) => [name, t('by_' + name)])} />
      ${Object.entries(filter).filter(([, value]) => value).map(([name, value]) => html`<button type="button" class="button" key=${name}
        aria-label=${`${t('clear_filters')}: ${value}`} onClick=${() => set({ [name]: '' })}>${t(name)}: ${value} ×</button>`)}
    </div>
    <${Loaded} of=${all}>${(told) => (told.total.requests ? html`
      <${Totals} total=${told.total} />
      <${OverTime} groups=${line.value ? line.value.groups : []} known=${told.groups} by=${by} step=${step} low=${low} high=${high}
        measure=${query.measure} onMeasure=${(measure) => set({ measure })} />
      <${Groups} told=${told} by=${by} onPick=${['client', 'provider', 'model'].includes(by)
        ? (name) => set({ [by]: name, by: by === 'model' ? 'client' : 'model' }) : null} />`
      : html`<${Section}><${Empty} title=${t('no_usage')}><p>${t('no_usage_do')}</p><//><//>`)}<//>
  <//>`;
}

function Totals({ total }) {
  return html`<dl class="stats">
    <${Stat} label=${t('cost')} value=${cost(total.cost)} />
    <${Stat} label=${t('requests')} value=${short(total.requests)} note=${t('errors_n', { n: percent(total.errors, total.requests) })} />
    <${Stat} label=${t('tokens_in')} value=${short(total.input_tokens)} />
    <${Stat} label=${t('cache_share')} value=${percent(total.cache_read_tokens, total.input_tokens)}
      note=${t('cached_n', { n: short(total.cache_read_tokens) })} />
    <${Stat} label=${t('tokens_out')} value=${short(total.output_tokens)} note=${t('reasoning_n', { n: short(total.reasoning_tokens) })} />
    ${total.first_token_ms_p50 != null
      ? html`<${Stat} label=${t('first_token')} value=${ms(total.first_token_ms_p50)} note=${`p99 ${ms(total.first_token_ms_p99)}`} />` : null}
  </dl>`;
}

const nameOf = (row, by) => row[by] || t('none');

function OverTime({ groups, known, by, step, low, high, measure, onMeasure }) {
  const chosen = MEASURES[measure] ? measure : 'cost';
  const { of, form, apart } = MEASURES[chosen];
  const { times, series } = useMemo(() => {
    const length = step === 'day' ? DAY : HOUR;
    const slots = Array.from({ length: Math.max(1, Math.round((high - low) / length)) }, (_, at) => low + at * length);
    const ranked = [...known].sort((a, b) => of(b) - of(a)).map((row) => nameOf(row, by));
    const names = (apart ? [...known].sort((a, b) => b.requests - a.requests).map((row) => nameOf(row, by)) : ranked).slice(0, SERIES_MAX);
    const rest = ranked.length > names.length && !apart;
    const rows = [...names, ...(rest ? [null] : [])].map((name,
      at) => ({ name: name ?? t('others'), colour: colour(name == null ? SERIES_MAX : at), values: slots.map(() => (apart ? null : 0)) }));
    for (const row of groups) {
      const slot = Math.floor((unixMs(row[step]) - low) / length), at = names.indexOf(nameOf(row, by));
      const line = at >= 0 ? rows[at] : rest ? rows[rows.length - 1] : null;
      if (!line || !(slot in line.values)) continue;
      line.values[slot] = apart ? of(row) : line.values[slot] + of(row);
    }
    return { times: slots, series: rows };
  }, [groups, known, by, step, low, high, chosen, t('others')]);
  return html`<${Section}>
    <${Tabs} label=${t('measure')} value=${chosen} onChange=${onMeasure} tabs=${Object.keys(MEASURES).map((name) => [name, t('measure_' + name)])} />
    <${Chart} times=${times} series=${series} stacked=${!apart} bars=${!apart} daily=${step === 'day'} form=${form} height=${250}
      label=${t('measure_' + chosen)} /><//>`;
}

const COLUMNS = [
  ['requests', (row) => row.requests, (row) => short(row.requests)],
  ['errors', (row) => row.errors / (row.requests || 1),
    (row) => html`<span class=${row.errors ? 'bad' : 'faint'}>${percent(row.errors, row.requests)}</span>`],
  ['tokens_in', (row) => row.input_tokens, (row) => short(row.input_tokens)],
  ['cache_share', (row) => row.cache_read_tokens / (row.input_tokens || 1), (row) => percent(row.cache_read_tokens, row.input_tokens)],
  ['tokens_out', (row) => row.output_tokens, (row) => short(row.output_tokens)],
  ['first_token', (row) => row.first_token_ms_p50 || 0, (row) => ms(row.first_token_ms_p50)],
  ['cost', (row) => row.cost, (row) => cost(row.cost)],
];

/** Columns that a phone leaves out. */
const WIDE = ['errors', 'cache_share', 'tokens_out', 'first_token'];

function Groups({ told, by, onPick }) {
  const [sort, setSort] = useState('cost');
  const [, of] = COLUMNS.find(([name]) => name === sort);
  const rows = [...told.groups].sort((a, b) => of(b) - of(a) || b.requests - a.requests);
  return html`<${Section} title=${t('by_' + by)} note=${String(rows.length)}><div class="scroll"><table>
    <thead><tr><th>${t(by)}</th>${COLUMNS.map(([name]) => html`<th key=${name}
      class=${'n' + (WIDE.includes(name) ? ' wide-only' : '')}
      aria-sort=${sort === name ? 'descending' : undefined}>
        <button type="button" class="sort" onClick=${() => setSort(name)}>${t(name)}${sort === name ? ' ↓' : ''}</button></th>`)}
      <th class="wide-only"><span class="out">${t('share')}</span></th></tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${nameOf(row, by)}>
      <td class="cut">${onPick && row[by]
        ? html`<button type="button" class="linkish" onClick=${() => onPick(row[by])}>${row[by]}</button>` : nameOf(row, by)}</td>
      ${COLUMNS.map(([name, , show]) => html`<td key=${name}
        class=${'n' + (WIDE.includes(name) ? ' wide-only' : '')}>${show(row)}</td>`)}
      <td class="wide-only"><${Share} part=${told.total.cost ? row.cost / told.total.cost : row.requests / told.total.requests}
        label=${percent(row.cost, told.total.cost)} /></td></tr>`)}</tbody>
  </table></div><//>`;
}
