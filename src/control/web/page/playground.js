// A conversation with any model in any dialect, and every event of the wire as it came.

import { html, useEffect, useMemo, useRef, useState } from '../vendor/preact.js';
import { ApiError, session } from '../api.js';
import { cutter, DIALECTS, errorOf } from '../dialects.js';
import { bytes, ms, short } from '../format.js';
import { freshKey } from '../fresh_key.js';
import { said, t } from '../i18n.js';
import { Button, Check, Code, complain, Empty, Input, Page, Pill, Section, Select, Tabs, useFetch, Field } from '../parts.js';

const EVENTS_MAX = 2000;
const SHOW_MS = 60;

export function Playground() {
  const [dialect, setDialect] = useState('chat');
  const [model, setModel] = useState('auto');
  const [client, setClient] = useState('');
  const [key, setKey] = useState(freshKey.value ? freshKey.value.key : '');
  const [system, setSystem] = useState('');
  const [stream, setStream] = useState(true);
  const [most, setMost] = useState('');
  const [text, setText] = useState('');
  const [turns, setTurns] = useState([]);
  const [wire, setWire] = useState(null);
  const [tab, setTab] = useState('chat');
  const running = useRef(null);
  useEffect(() => () => running.current && running.current.abort(), []);

  const asked = { model: model.trim() || 'auto', turns: [...turns, ...(text ? [{ role: 'user', text }] : [])], system: system.trim(),
    stream, most: Number(most) || undefined };
  const send = async (event) => {
    if (event) event.preventDefault();
    if (!text.trim() || running.current) return;
    const speaks = DIALECTS[dialect];
    const body = speaks.body(asked), path = speaks.path(asked);
    const before = asked.turns.filter((turn) => !turn.failed);
    setText('');
    setTurns([...before, { role: 'assistant', text: '', going: true }]);
    const stop = new AbortController();
    running.current = stop;
    let shown = 0;
    const seen = { dialect, path, body, text: '', reasoning: '', usage: null, events: [], skipped: 0, status: null,
      began: performance.now(), first: null, ended: null, error: null, size: 0 };
    const show = (now) => {
      if (!now && performance.now() - shown < SHOW_MS) return;
      shown = performance.now();
      setWire({ ...seen });
      setTurns([...before, { role: 'assistant', text: seen.text, reasoning: seen.reasoning, error: seen.error, failed: Boolean(seen.error),
        going: !seen.ended }]);
    };
    try { await ask({ dialect, path, body, client, key }, speaks, seen, stop.signal, show); } catch (error) {
      if (error.name !== 'AbortError') seen.error = error.message || t('no_answer');
    }
    seen.ended = performance.now();
    running.current = null;
    show(true);
  };
  const clear = () => { if (running.current) running.current.abort(); setTurns([]); setWire(null); };
  return html`<${Page} title=${t('page_playground')} sub=${t('playground_sub')} actions=${html`<${Button} onClick=${clear}>${t('start_over')}<//>`}>
    <div class="columns playground">
      <${Section} title=${t('request')}><form class="inner stack" onSubmit=${send}>
        <${Choices} ...${{ dialect, setDialect, model, setModel, client, setClient, key, setKey, system, setSystem, stream, setStream,
          most, setMost }} />
        <${Field} label=${t('message')}><textarea rows="5" value=${text} placeholder=${t('message_hint')}
          onInput=${(event) => setText(event.target.value)}
          onKeyDown=${(event) => { if (event.key === 'Enter' && (event.metaKey || event.ctrlKey)) send(event); }}></textarea><//>
        <div class="line">${running.current
          ? html`<${Button} kind="danger" onClick=${() => running.current && running.current.abort()}>${t('stop')}<//>`
          : html`<button type="submit" class="button primary" disabled=${!text.trim()}>${t('send')}</button>`}<span
            class="note">Ctrl+Enter</span></div>
      </form><//>
      <${Section}>
        <${Tabs} label=${t('answer')} value=${tab} onChange=${setTab}
          tabs=${[['chat', t('chat')], ['wire', t('wire_events')], ['request', t('request')]]} />
        <div class="inner" role="tabpanel">
          ${wire ? html`<${Told} wire=${wire} />` : null}
          ${tab === 'chat' ? html`<${Chat} turns=${turns} />`
            : tab === 'wire' ? html`<${Wire} wire=${wire} />`
            : html`<${Code} name=${t('request')}
              text=${`POST ${(wire || { path: DIALECTS[dialect].path(asked) }).path}\n\n${JSON.stringify(wire ? wire.body
                : DIALECTS[dialect].body(asked), null, 2)}`} />`}
        </div><//>
    </div><//>`;
}

function Choices({ dialect, setDialect, model, setModel, client, setClient, key, setKey, system, setSystem, stream, setStream, most, setMost }) {
  const clients = useFetch('/api/clients');
  const providers = useFetch('/api/providers');
  const names = useMemo(() => {
    const found = ((providers.value && providers.value.providers) || []).flatMap((one) => (one.models || []).flatMap((said) => {
      const name = typeof said === 'string' ? said : said.alias || said.name;
      return [name, `${one.name}/${name}`];
    }));
    return ['auto', ...new Set(found)];
  }, [providers.value]);
  return html`<div class="form">
      <${Select} label=${t('dialect')} value=${dialect} onChange=${setDialect}
        options=${Object.entries(DIALECTS).map(([name, one]) => [name, one.title])} />
      <${Input} label=${t('model')} value=${model} onInput=${setModel} list="models" required />
      <${Select} label=${t('client')} value=${client} onChange=${setClient}
        options=${[['', t('no_client')], ...((clients.value && clients.value.clients) || []).map((one) => [one.name, one.name])]} />
      <${Input} label=${t('client_key')} type="password" autocomplete="new-password" value=${key} onInput=${setKey} placeholder="sk-weir-…"
        hint=${t('client_key_hint')} />
    </div>
    <datalist id="models">${names.map((name) => html`<option key=${name} value=${name} />`)}</datalist>
    <${Field} label=${t('system_prompt')}><textarea rows="2" value=${system} onInput=${(event) => setSystem(event.target.value)}></textarea><//>
    <div class="form"><${Input} label=${t('output_most')} type="number" min="1" value=${most} onInput=${setMost} placeholder=${t('none')} />
      <div class="end"><${Check} label=${t('streamed')} checked=${stream} onChange=${setStream} /></div></div>`;
}

/** Asks through the admin API, so that the page needs no other address; reads the answer as it comes. */
async function ask(question, speaks, seen, signal, show) {
  const said = { dialect: question.dialect, path: question.path, body: question.body };
  if (question.key.trim()) said.key = question.key.trim();
  else if (question.client) said.client = question.client;
  const answer = await fetch('/api/playground', { method: 'POST', signal, headers: { 'content-type': 'application/json' },
    body: JSON.stringify(said) });
  if (answer.status === 401 && !answer.headers.get('x-weir-status')) { session.set(false); throw new ApiError(401, {}); }
  seen.status = Number(answer.headers.get('x-weir-status')) || answer.status;
  const media = answer.headers.get('content-type') || '';
  const sse = media.includes('event-stream'), cut = cutter(sse), reader = answer.body.getReader(), decoder = new TextDecoder();
  const whole = !sse && !media.includes('ndjson');
  let all = '';
  const take = (events) => {
    for (const event of events) {
      const at = performance.now() - seen.began;
      if (event.data) {
        const had = seen.text.length + seen.reasoning.length;
        speaks.read(event.data, seen);
        if (seen.first == null && seen.text.length + seen.reasoning.length > had) seen.first = at;
        seen.error = errorOf(event.data) || seen.error;
      }
      if (seen.events.length < EVENTS_MAX) seen.events.push({ at, raw: event.raw });
      else seen.skipped++;
    }
  };
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    seen.size += value.length;
    const text = decoder.decode(value, { stream: true });
    if (whole) all += text; else take(cut.feed(text));
    show(false);
  }
  if (whole && all) {
    const one = cutter(true).feed('data: ' + all.replace(/\r?\n/g, ' ') + '\n\n')[0];
    take([{ raw: all, data: one.data }]);
  } else take(cut.end());
  if (seen.status >= 400 && !seen.error) seen.error = `${seen.status} ${all.slice(0, 500)}`;
}

function Told({ wire }) {
  return html`<div class="told" role="status"><${Pill} tone=${wire.error || wire.status >= 400 ? 'bad' : 'good'}>${wire.status || '…'}<//>
    ${wire.first != null ? html`<span>${t('first_token')} ${ms(wire.first)}</span>` : null}
    ${wire.ended ? html`<span>${t('total')} ${ms(wire.ended - wire.began)}</span>` : null}
    ${wire.usage ? html`<span>${t('in_out', { input: short(wire.usage.input), output: short(wire.usage.output) })}</span>` : null}
    <span>${bytes(wire.size)}</span></div>`;
}

function Chat({ turns }) {
  if (!turns.length) return html`<${Empty} title=${t('nothing_said')}><p>${t('nothing_said_do')}</p><//>`;
  return html`<ol class="turns" aria-live="polite">${turns.map((turn, at) => html`<li key=${at} class=${turn.role}>
    <span class="who">${t('role_' + turn.role)}</span>
    ${turn.reasoning ? html`<details><summary>${t('reasoning')}</summary><p class="said soft">${turn.reasoning}</p></details>` : null}
    <p class="said">${turn.text}${turn.going && !turn.text ? html`<span class="faint">…</span>` : null}</p>
    ${turn.error ? html`<p class="bad" role="alert">${said(turn.error)}</p>` : null}</li>`)}</ol>`;
}

function Wire({ wire }) {
  if (!wire) return html`<${Empty} title=${t('nothing_sent')}><p>${t('nothing_said_do')}</p><//>`;
  return html`<ol class="wire" tabindex="0" aria-label=${t('wire_events')}>${wire.events.map((event, at) => html`<li key=${at}>
    <span class="at">${ms(event.at)}</span><pre>${event.raw}</pre></li>`)}
    ${wire.skipped ? html`<li class="faint">${t('missed_n', { n: wire.skipped })}</li>` : null}</ol>`;
}
