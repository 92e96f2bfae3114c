// The table of requests, as the overview and the list show it.

import { html } from './vendor/preact.js';
import { enc } from './api.js';
import { cost, short, us, when } from './format.js';
import { t } from './i18n.js';
import { opens, Pill } from './parts.js';
import { speed } from './row.js';

const TONES = { ok: 'good', client_gone: 'warn', client_error: 'warn', upstream_error: 'bad', cut: 'bad' };

const REFUSED = [401, 403, 404, 413, 429];

/** How it ended, in words. */
export function outcome(row) {
  if (row.outcome !== 'client_error') return t('outcome_' + row.outcome);
  return row.attempts ? t('refused_upstream') : REFUSED.includes(row.status) ? t('refused_' + row.status) : t('outcome_client_error');
}

export function Outcome({ row }) {
  const tone = TONES[row.outcome] || 'bad';
  return html`<${Pill} tone=${tone} title=${outcome(row)}>${row.status || '–'}<//>
    ${row.outcome !== 'ok' ? html`<span class="out">${outcome(row)}</span>` : null}`;
}

export function Models({ row }) {
  const same = !row.model_sent || row.model_sent === row.model_asked || !row.model_asked;
  return html`${row.model_asked || row.model_sent || '–'}${same ? null : html`<span class="second">→ ${row.model_sent}</span>`}`;
}

export function Rows({ rows, page = 'requests' }) {
  const link = (row) => `#/${page}/${enc(row.id)}`;
  return html`<div class="scroll"><table class="requests">
    <thead><tr><th>${t('time')}</th><th>${t('status')}</th><th class="wide-only">${t('client')}</th><th>${t('model')}</th>
      <th class="wide-only">${t('provider')}</th>
      <th class="n wide-only">${t('tokens_in')}</th><th class="n wide-only">${t('tokens_out')}</th><th class="n wide-only">${t('first_token')}</th>
      <th class="n">${t('total')}</th><th class="n wide-only">${t('cost')}</th></tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${row.id} ...${opens(() => { location.hash = link(row); })}>
      <td><a href=${link(row)}>${when(row.unix_ms)}</a>${row.traced && page === 'requests'
        ? html`<span class="traced" role="img" title=${t('traced')} aria-label=${t('traced')}></span>` : null}</td>
      <td><${Outcome} row=${row} />${row.attempts > 1 ? html`<span class="faint times" title=${t('attempts')}>×${row.attempts}</span>` : null}</td>
      <td class="wide-only cut">${row.client || html`<span class="faint">–</span>`}${row.dialect
        ? html`<span class="second">${row.dialect}</span>` : null}</td>
      <td class="cut"><${Models} row=${row} /></td>
      <td class="wide-only cut">${row.provider || html`<span class="faint">–</span>`}${row.key
        ? html`<span class="second">${row.key}</span>` : null}</td>
      <td class="n wide-only">${short(row.input_tokens)}${row.cache_read_tokens
        ? html`<span class="second">${t('cached_n', { n: short(row.cache_read_tokens) })}</span>` : null}</td>
      <td class="n wide-only">${short(row.output_tokens)}${speed(row) ? html`<span class="second">${short(speed(row))}/s</span>` : null}</td>
      <td class="n wide-only">${us(row.first_token_us ?? row.first_byte_us)}</td>
      <td class="n">${us(row.total_us)}</td>
      <td class="n wide-only">${row.cost ? cost(row.cost, true) : html`<span class="faint">–</span>`}</td></tr>`)}</tbody></table></div>`;
}
