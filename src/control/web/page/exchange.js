// One request: what it was, how long each attempt took, and, where it was traced, every byte of both sides.

import { html, useMemo, useState } from '../vendor/preact.js';
import { enc } from '../api.js';
import { changes, pretty, sideBySide } from '../diff.js';
import { bytes, cost, moment, us, whole } from '../format.js';
import { said, t } from '../i18n.js';
import { Button, Copy, Empty, Icon, Loaded, Page, Pill, Section, Select, Tabs, useFetch } from '../parts.js';
import { asRow, speed } from '../row.js';
import { Outcome, outcome } from '../rows.js';

export function Exchange({ id, from = 'requests' }) {
  const asked = useFetch('/api/requests/' + enc(id));
  const back = html`<a class="button" href=${'#/' + from}><${Icon} name="back" />${t('page_' + from)}</a>`;
  return html`<${Page} title=${t(from === 'traces' ? 'trace' : 'request')} sub=${html`<code>${id}</code> <${Copy} text=${id} />`} actions=${back}>
    <${Loaded} of=${asked}>${(told) => { const row = asRow(told); return html`
      <div class="columns"><${Facts} row=${row} /><${Tokens} row=${row} /></div>
      <${Waterfall} row=${row} attempts=${told.attempts_list || []} />
      <${Trace} id=${id} traced=${row.traced} />`; }}<//>
  <//>`;
}

const Fact = ({ name, children }) => (children == null || children === '' ? null : html`<dt>${name}</dt><dd>${children}</dd>`);

function Facts({ row }) {
  const dropped = row.dropped || [];
  return html`<${Section} title=${t('facts')}><dl class="facts inner">
    <${Fact} name=${t('time')}>${moment(row.unix_ms)}<//>
    <${Fact} name=${t('outcome')}><${Outcome} row=${row} /> ${outcome(row)}<//>
    <${Fact} name=${t('client')}>${row.client || t('nobody')}<//>
    <${Fact} name=${t('dialect')}>${[row.dialect, row.endpoint].filter(Boolean).join(' · ')}<//>
    <${Fact} name=${t('route')}>${row.route ? html`${row.route}${row.scene ? html` <${Pill}>${row.scene}<//>` : null}` : null}<//>
    <${Fact} name=${t('model_asked')}>${row.model_asked}<//>
    <${Fact} name=${t('model_sent')}>${row.model_sent}<//>
    <${Fact} name=${t('provider')}>${row.provider ? `${row.provider}${row.key ? ' / ' + row.key : ''}` : null}<//>
    <${Fact} name=${t('streamed')}>${row.streamed ? t('yes') : t('no')}<//>
    <${Fact} name=${t('sizes')}>${`${bytes(row.request_bytes)} → ${bytes(row.response_bytes)}`}<//>
    ${dropped.length ? html`<${Fact} name=${t('dropped')}>${dropped.map((what) => html`<${Pill} key=${what} tone="warn">${what}<//>`)}<//>` : null}
  </dl><//>`;
}

function Tokens({ row }) {
  const kinds = [['tokens_in', 'input_tokens'], ['cache_read', 'cache_read_tokens'], ['cache_write', 'cache_write_tokens'],
    ['tokens_out', 'output_tokens'], ['reasoning', 'reasoning_tokens']];
  const rate = speed(row);
  return html`<${Section} title=${t('tokens_and_time')}><dl class="facts inner">
    ${kinds.map(([words, name]) => html`<${Fact} key=${name} name=${t(words)}>${whole(row[name])}<//>`)}
    <${Fact} name=${t('cost')}>${row.cost ? cost(row.cost) : null}<//>
    <${Fact} name=${t('first_byte')}>${us(row.first_byte_us)}<//>
    <${Fact} name=${t('first_token')}>${us(row.first_token_us)}<//>
    <${Fact} name=${t('total')}>${us(row.total_us)}<//>
    ${rate ? html`<${Fact} name=${t('speed')}>${t('tokens_per_second', { n: whole(rate) })}<//>` : null}
    <${Fact} name=${t('connection')}>${row.reused == null ? null : row.reused ? t('reused') : t('new_connection')}<//>
  </dl><//>`;
}

/** Round moments from 0 to `all`, four to eight of them. */
function ticks(all) {
  const rough = all / 6, size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((one) => one * size).find((one) => one >= rough);
  return Array.from({ length: Math.floor((all * 0.96) / step) + 1 }, (_, at) => at * step);
}

/** Less than this between two attempts is not worth a word. */
const IDLE_US = 100000;

/** Attempts along one axis of time; marks stand at the first byte and the first token. */
function Waterfall({ row, attempts }) {
  const all = Math.max(row.total_us || 0, ...attempts.map((one) => one.ended_us || 0), 1);
  const shown = attempts.length ? attempts : row.provider ? [{ n: 1, provider: row.provider, key: row.key, model: row.model_sent, status: row.status,
    begun_us: 0, first_byte_us: row.first_byte_us, first_token_us: row.first_token_us, ended_us: row.total_us, reused: row.reused }] : [];
  const x = (value) => (value / all) * 1000;
  const marks = ticks(all);
  return html`<${Section} title=${t('attempts')} note=${us(row.total_us)}>
    ${shown.length ? html`<ol class="falls inner">${shown.map((one, place) => {
      // One that nobody waited for, because another beside it was faster, has not failed.
      const lost = (one.why || '').startsWith('given up');
      const bad = !lost && !(one.status >= 200 && one.status < 400);
      const end = one.ended_us ?? all;
      const told = [`${one.provider}${one.key ? ' / ' + one.key : ''}`, one.model, said(one.why)].filter(Boolean).join(' · ');
      const idle = one.begun_us - Math.max(...shown.slice(0, place).map((other) => other.ended_us ?? all), 0);
      const times = [idle >= IDLE_US && t('waited_before', { time: us(idle) }), one.first_byte_us != null && `${t('first_byte')} ${us(one.first_byte_us - one.begun_us)}`,
        one.first_token_us != null && `${t('first_token')} ${us(one.first_token_us - one.begun_us)}`,
          us(end - one.begun_us)].filter(Boolean).join(' · ');
      return html`<li key=${one.n}><div class="fall-name"><${Pill} tone=${bad ? 'bad' : lost ? '' : 'good'}>${one.status || '–'}<//> <span>${told}</span>
          ${one.reused ? html`<span class="note">${t('reused')}</span>` : null}<span class="note at-end">${times}</span></div>
        <svg viewBox="0 0 1000 16" preserveAspectRatio="none" role="img" aria-label=${times}>
          ${marks.map((at) => html`<line key=${at} class="tick" x1=${x(at)} x2=${x(at)} y1="0" y2="16" />`)}
          <line x1="0" x2="1000" y1="8" y2="8" />
          <rect class=${bad ? 'wait failed' : 'wait'} x=${x(one.begun_us)} y="3"
            width=${Math.max(2, x((one.first_byte_us ?? end) - one.begun_us))} height="10" />
          ${one.first_byte_us != null ? html`<rect class=${bad ? 'body failed' : 'body'} x=${x(one.first_byte_us)} y="3"
            width=${Math.max(2, x(end - one.first_byte_us))} height="10" />` : null}
          ${one.first_token_us != null ? html`<rect class="token" x=${x(one.first_token_us) - 1.5} y="0" width="3" height="16" />` : null}
        </svg></li>`; })}</ol>
      <div class="fall-axis" aria-hidden="true">${marks.map((at) => html`<span key=${at}
        style=${{ left: `${(at / all) * 100}%` }}>${at ? us(at) : '0'}</span>`)}</div>
      <ul class="legend"><li><svg viewBox="0 0 9 9"><rect class="wait" width="9" height="9" rx="2" /></svg>${t('waiting')}</li>
        <li><svg viewBox="0 0 9 9"><rect class="body" width="9" height="9" rx="2" /></svg>${t('answering')}</li>
        <li><svg viewBox="0 0 9 9"><rect class="wait failed" width="9" height="9" rx="2" /></svg>${t('failed')}</li>
        <li><svg viewBox="0 0 9 9"><rect class="token" x="3" width="3" height="9" /></svg>${t('first_token')}</li></ul>`
      : html`<p class="inner soft">${t('no_attempt')}</p>`}<//>`;
}

// -- the trace --------------------------------------------------------------------------------------------------

function Trace({ id, traced }) {
  const asked = useFetch(traced === false ? null : '/api/traces/' + enc(id));
  if (traced === false || (asked.error && asked.error.status === 404)) {
    return html`<${Section} title=${t('trace')}><${Empty} title=${t('not_traced')}><p>${t('not_traced_do')}</p>
      <a class="button" href="#/traces">${t('what_is_recorded')}</a><//><//>`;
  }
  return html`<${Loaded} of=${asked}>${(trace) => html`<${Bodies} trace=${trace} />`}<//>`;
}

const HIDDEN = '';

/** The head as lines of text, whichever form it came in. */
function headText(part) {
  const head = part && part.head;
  if (!head) return HIDDEN;
  if (typeof head === 'string') return head.trim();
  const pairs = Array.isArray(head) ? head.map((one) => (Array.isArray(one) ? one : [one.name, one.value])) : Object.entries(head);
  return pairs.map(([name, value]) => `${name}: ${value}`).join('\n');
}

function bodyText(part) {
  const body = part && part.body;
  if (body == null) return '';
  if (typeof body === 'string') return body;
  return body.base64 != null ? body.base64 : JSON.stringify(body);
}

function Bodies({ trace }) {
  const attempts = trace.attempts || [];
  const [tab, setTab] = useState(attempts.length ? 'requests' : 'raw');
  const [n, setN] = useState(String(Math.max(0, attempts.length - 1)));
  const attempt = attempts[Number(n)] || {};
  const parts = {
    client_request: trace.client_request, upstream_request: attempt.upstream_request,
    upstream_response: attempt.upstream_response, client_response: trace.client_response,
  };
  const pick = attempts.length > 1 ? html`<${Select} bare label=${t('attempt')} value=${n} onChange=${setN}
    options=${attempts.map((_, at) => [String(at), t('attempt_n', { n: at + 1 })])} />` : null;
  return html`<${Section} title=${t('trace')}
    actions=${html`${pick}<a href=${'/api/traces/' + enc(trace.id)} target="_blank" rel="noreferrer">JSON</a>`}>
    <${Tabs} label=${t('trace')} value=${tab} onChange=${setTab}
      tabs=${[['requests', t('diff_requests')], ['answers', t('diff_answers')], ['raw', t('raw')]]} />
    <div role="tabpanel" class="inner">
      ${tab === 'requests' ? html`<${Diff} left=${parts.client_request} right=${parts.upstream_request}
        names=${[t('client_request'), t('upstream_request')]} />`
        : tab === 'answers' ? html`<${Diff} left=${parts.upstream_response} right=${parts.client_response}
          names=${[t('upstream_response'), t('client_response')]} />`
        : html`<div class="raws">${Object.entries(parts).map(([name, part]) => html`<${Raw} key=${name} name=${t(name)} part=${part} />`)}</div>`}
    </div><//>`;
}

const Cut = ({ part }) => (part && part.cut ? html`<${Pill} tone="warn" title=${t('cut_note')}>${t('cut')}<//>` : null);

function Diff({ left, right, names }) {
  return left && right ? html`<${Compared} left=${left} right=${right} names=${names} />` : html`<p class="soft">${t('no_attempt')}</p>`;
}

function Compared({ left, right, names }) {
  const [what, setWhat] = useState('body');
  const [all, setAll] = useState(false);
  const of = what === 'body' ? (part) => pretty(bodyText(part)) : headText;
  const rows = useMemo(() => sideBySide(of(left), of(right), all), [left, right, what, all]);
  const count = changes(rows);
  return html`<div class="diff-bar"><${Select} bare label=${t('part')} value=${what} onChange=${setWhat}
    options=${[['body', t('body')], ['head', t('headers')]]} />
      <span class="note">${count ? t('changed_lines', { n: count }) : t('no_difference')}</span>
      <${Button} pressed=${all ? 'true' : 'false'} onClick=${() => setAll(!all)}>${t('whole_text')}<//></div>
    <div class="scroll" tabindex="0"><table class="diff"><colgroup><col class="no" /><col /><col class="no" /><col /></colgroup>
      <thead><tr><th colspan="2">${names[0]} <${Cut} part=${left} /></th><th colspan="2">${names[1]} <${Cut} part=${right} /></th></tr></thead>
      <tbody>${rows.map((row, at) => (row.kind === 'fold'
        ? html`<tr key=${at} class="fold"><td colspan="4">${t('equal_lines', { n: row.count })}</td></tr>`
        : html`<tr key=${at} class=${row.kind}><td class="no l-no">${row.a}</td><td class="l">${row.left}</td><td class="no r-no">${row.b}</td>
          <td class="r">${row.right}</td></tr>`))}</tbody>
    </table></div>`;
}

function Raw({ name, part }) {
  const [nice, setNice] = useState(true);
  if (!part) return null;
  const head = headText(part), body = bodyText(part);
  const shown = nice ? pretty(body) : body;
  return html`<details class="raw" open><summary><span>${name}</span>${part.status ? html` <${Pill}>${part.status}<//>`
    : null} <${Cut} part=${part} />
      <span class="note">${bytes(new Blob([body]).size)}</span></summary>
    <div class="diff-bar"><${Button} pressed=${nice ? 'true' : 'false'} onClick=${() => setNice(!nice)}>${t('indented')}<//>
      <${Copy} text=${body} /></div>
    ${head ? html`<div class="code wrap"><pre tabindex="0" aria-label=${t('headers')}>${head}</pre></div>` : null}
    <div class="code wrap"><pre tabindex="0" aria-label=${t('body')}>${shown || t('empty_body')}</pre></div></details>`;
}
