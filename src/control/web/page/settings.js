// The configuration as a form beside the file, earlier files, imports, and what this weir is.

import { html, useEffect, useMemo, useRef, useState } from '../vendor/preact.js';
import { call, enc, get, post, put } from '../api.js';
import { changes, sideBySide } from '../diff.js';
import { bytes, moment, span, unixMs, whole } from '../format.js';
import { said, t, word } from '../i18n.js';
import * as live from '../live.js';
import { Button, complain, Dialog, Empty, Field, Loaded, Page, Pill, say, Section, Select, sure, Tabs, useFetch } from '../parts.js';
import { Fields, useHelp } from '../schema_form.js';
import { useStore } from '../store.js';

const TABS = ['file', 'backups', 'import', 'about'];
const VALIDATE_MS = 350;

export function Settings({ at }) {
  const tab = TABS.includes(at.rest[0]) ? at.rest[0] : 'file';
  return html`<${Page} title=${t('page_settings')}>
    <${Tabs} label=${t('page_settings')} value=${tab} onChange=${(name) => { location.hash = '#/settings/' + name; }}
      tabs=${TABS.map((name) => [name, t('settings_' + name)])} />
    <div role="tabpanel">${tab === 'file' ? html`<${Config} />` : tab === 'backups' ? html`<${Backups} />` : tab === 'import'
      ? html`<${Import} />` : html`<${About} />`}</div>
  <//>`;
}

// -- the file ---------------------------------------------------------------------------------------------------

function Config() {
  const asked = useFetch('/api/config');
  return html`<${Loaded} of=${asked}>${(told) => html`<${Editor} key=${told.etag} told=${told} reload=${asked.reload} />`}<//>`;
}

const quoted = (etag) => (/^(W\/)?"/.test(etag) ? etag : `"${etag}"`);

function Editor({ told, reload }) {
  const schema = useFetch('/api/schema');
  const generation = useStore(live.configTurn);
  const [first] = useState(generation);
  const [base, setBase] = useState(told);
  const [text, setText] = useState(told.text);
  const [value, setValue] = useState(told.value);
  const [problems, setProblems] = useState(told.problems || []);
  const [stale, setStale] = useState(false);
  const [result, setResult] = useState(null);
  const area = useRef();
  const changed = text !== base.text;

  useEffect(() => {
    if (!changed) { setProblems(base.problems || []); setValue(base.value); return undefined; }
    let mine = true;
    const timer = setTimeout(() => post('/api/config/validate', { text }).then((answer) => {
      if (mine) { setProblems(answer.problems); setValue(answer.value); }
    }, complain), VALIDATE_MS);
    return () => { mine = false; clearTimeout(timer); };
  }, [text, base]);
  useEffect(() => {
    if (!changed) return undefined;
    const stay = (event) => event.preventDefault();
    addEventListener('beforeunload', stay);
    return () => removeEventListener('beforeunload', stay);
  }, [changed]);
  // Somebody else's change: taken at once where nothing is unsaved here. What is known may be newer than when it was asked.
  const known = useRef({});
  known.current = { etag: base.etag, changed, saving: known.current.saving };
  useEffect(() => {
    if (generation === first) return;
    get('/api/config').then((now) => {
      if (known.current.saving || now.etag === known.current.etag) return;
      if (known.current.changed) setStale(true); else { setBase(now); setText(now.text); }
    }, () => {});
  }, [generation]);

  const save = async () => {
    setResult(null);
    known.current.saving = true;
    try {
      const answer = await put('/api/config', { text }, { headers: { 'if-match': quoted(base.etag) } });
      setBase({ ...base, text, value, etag: answer.etag, problems: answer.problems || [] });
      setResult(answer);
      setStale(false);
      say(t('saved'));
    } catch (error) {
      if (error.status === 412) setStale(true);
      else if (error.problems.length) { setProblems(error.problems); say(t('nothing_changed'), 'bad'); } else throw error;
    } finally { known.current.saving = false; }
  };
  const goTo = (line) => {
    const field = area.current;
    const start = text.split('\n').slice(0, line - 1).join('\n').length + (line > 1 ? 1 : 0);
    field.focus();
    field.setSelectionRange(start, start + (text.split('\n')[line - 1] || '').length);
    field.scrollTop = Math.max(0, (line - 6) * LINE);
  };
  const errors = problems.filter((one) => one.severity !== 'warning').length;
  return html`<div class="stack">
    ${stale ? html`<div class="banner warn" role="alert">${t('file_changed')} <${Button} onClick=${reload}>${t('take_theirs')}<//></div>` : null}
    <div class="columns config">
      <${Section} title=${t('form')} note=${t('form_note')}>
        <${Loaded} of=${schema}>${(found) => html`<${Form} schema=${found} text=${text} setText=${setText} value=${value} setValue=${setValue} />`}<//><//>
      <${Section} title=${html`<span class="mono">${base.file}</span>`} actions=${html`
          ${changed ? html`<${Button} onClick=${() => setText(base.text)}>${t('revert')}<//>` : null}
          <${Button} kind="primary" disabled=${!changed || errors > 0} onClick=${save}>${t('save')}<//>`}>
        <${Text} area=${area} text=${text} setText=${setText} problems=${problems}
          onSave=${() => { if (changed && !errors) save().catch(complain); }} />
        <div class="inner" role="status">${problems.length ? html`<ul class="problems">${problems.map((one, at) => html`<li key=${at}>
            <${Pill} tone=${one.severity === 'warning' ? 'warn' : 'bad'}>${t(one.severity === 'warning' ? 'warning' : 'error')}<//>
            ${one.line ? html`<button type="button" class="linkish" onClick=${() => goTo(one.line)}>${t('line_n', { n: one.line })}</button>` : null}
            ${one.path ? html`<code>${one.path}</code>` : null}<span>${said(one.message)}</span></li>`)}</ul>`
          : html`<p class="soft">${changed ? t('no_problem') : t('file_hint')}</p>`}
          ${result ? html`<ul class="changes">${[...(result.changes || []),
            ...(result.restart_needed || []).map((what) => `${t('restart_needed')}: ${what}`)].map((what,
              at) => html`<li key=${at} class="soft">${said(what)}</li>`)}</ul>` : null}
        </div><//>
    </div></div>`;
}

const LINE = 18;

/** The file with its line numbers; lines with a problem are marked in both. */
function Text({ area, text, setText, problems, onSave }) {
  const gutter = useRef(), marks = useRef();
  const count = text.split('\n').length;
  const bad = new Map(problems.filter((one) => one.line).map((one) => [one.line, one.severity === 'warning' ? 'warn' : 'bad']));
  const follow = () => {
    gutter.current.scrollTop = area.current.scrollTop;
    marks.current.scrollTop = area.current.scrollTop;
  };
  const key = (event) => {
    if ((event.metaKey || event.ctrlKey) && event.key === 's') { event.preventDefault(); onSave(); }
  };
  return html`<div class="editor"><div class="numbers" ref=${gutter} aria-hidden="true">${Array.from({ length: count },
    (_, at) => html`<div key=${at} class=${bad.get(at + 1) || ''}>${at + 1}</div>`)}</div>
    <div class="marks" ref=${marks} aria-hidden="true">${Array.from({ length: count },
      (_, at) => html`<div key=${at} class=${bad.get(at + 1) || ''}></div>`)}</div>
    <textarea ref=${area} class="mono" wrap="off" spellcheck="false" autocapitalize="off" aria-label=${t('config_file')}
      aria-invalid=${bad.size ? 'true' : undefined}
      value=${text} onInput=${(event) => setText(event.target.value)} onScroll=${follow} onKeyDown=${key}></textarea></div>`;
}

function Form({ schema, text, setText, value, setValue }) {
  const helped = useHelp();
  const [find, setFind] = useState('');
  const now = useRef(text), turn = useRef(Promise.resolve());
  now.current = text;
  // The server edits the text, so that one thing knows how; one edit after the other, and again if somebody typed meanwhile.
  const set = (path, next) => {
    turn.current = turn.current.then(async () => {
      for (;;) {
        const before = now.current;
        const told = await post('/api/config/edit', { text: before, path, value: next });
        if (now.current !== before) continue;
        now.current = told.text;
        setText(told.text);
        setValue(told.value);
        return;
      }
    }).catch(complain);
  };
  if (value == null) return html`<p class="inner soft">${t('form_unreadable')}</p>`;
  if (!helped) return html`<div class="inner loading" role="status">${t('loading')}</div>`;
  return html`<div class="inner form-place"><input type="search" aria-label=${t('search')} placeholder=${t('search')} value=${find}
    onInput=${(event) => setFind(event.target.value)} />
    <${Fields} schema=${schema} value=${value} set=${set} find=${find.trim().toLowerCase()} /></div>`;
}

// -- earlier files ----------------------------------------------------------------------------------------------

function Backups() {
  const asked = useFetch('/api/config/backups');
  const now = useFetch('/api/config');
  const [shown, setShown] = useState(null);
  const look = async (one) => setShown({ ...one, text: (await get('/api/config/backups/' + enc(one.name))).text });
  const restore = async (one) => {
    if (!(await sure(t('restore_title'), t('restore_text', { time: moment(one.unix_ms) }), t('restore')))) return;
    await post(`/api/config/backups/${enc(one.name)}/restore`);
    say(t('restored'));
    setShown(null);
    asked.reload();
    now.reload();
  };
  return html`<${Section}><${Loaded} of=${asked}>${({ backups }) => (backups.length ? html`<div class="scroll"><table>
      <thead><tr><th>${t('time')}</th><th class="wide-only">${t('name')}</th><th class="n">${t('size')}</th><th>
        <span class="out">${t('actions')}</span></th></tr></thead>
      <tbody>${backups.map((one) => html`<tr key=${one.name}><td>${moment(one.unix_ms)}</td><td class="mono wide-only">${one.name}</td>
        <td class="n">${bytes(one.bytes)}</td>
        <td><div class="actions"><${Button} kind="bare" onClick=${() => look(one)}>${t('compare')}<//>
          <${Button} kind="bare" onClick=${() => restore(one)}>${t('restore')}<//></div></td></tr>`)}</tbody></table></div>`
      : html`<${Empty} title=${t('no_backups')}><p>${t('no_backups_do')}</p><//>`)}<//>
    ${shown ? html`<${Dialog} wide title=${moment(shown.unix_ms)} onClose=${() => setShown(null)}
      foot=${html`<${Button} onClick=${() => setShown(null)}>${t('close')}<//>
        <${Button} kind="primary" onClick=${() => restore(shown)}>${t('restore')}<//>`}>
      <${Compare} left=${now.value ? now.value.text : ''} right=${shown.text} /><//>` : null}<//>`;
}

function Compare({ left, right }) {
  const rows = useMemo(() => sideBySide(left, right), [left, right]);
  if (!changes(rows)) return html`<p>${t('no_difference')}</p>`;
  return html`<div class="scroll" tabindex="0"><table class="diff"><colgroup><col class="no" /><col /><col class="no" /><col /></colgroup>
    <thead><tr><th colspan="2">${t('now')}</th><th colspan="2">${t('then')}</th></tr></thead>
    <tbody>${rows.map((row, at) => (row.kind === 'fold' ? html`<tr key=${at} class="fold">
      <td colspan="4">${t('equal_lines', { n: row.count })}</td></tr>`
      : html`<tr key=${at} class=${row.kind}><td class="no">${row.a}</td><td class="l">${row.left}</td><td class="no">${row.b}</td>
        <td class="r">${row.right}</td></tr>`))}</tbody></table></div>`;
}

// -- import -----------------------------------------------------------------------------------------------------

function Import() {
  const [text, setText] = useState('');
  const [told, setTold] = useState(null);
  const body = () => (/^\w[\w+.-]*:\/\//.test(text.trim()) ? { link: text.trim() } : { text });
  const look = async () => setTold(await post('/api/import', { ...body(), apply: false }));
  const apply = async () => { await post('/api/import', { ...body(), apply: true }); say(t('imported')); setTold(null); setText(''); };
  return html`<${Section}><div class="inner stack"><p class="soft">${t('import_hint')}</p>
    <${Field} label=${t('import_text')}><textarea class="mono" rows="8" spellcheck="false" value=${text}
      onInput=${(event) => { setText(event.target.value); setTold(null); }}></textarea><//>
    <div class="line"><${Button} disabled=${!text.trim()} onClick=${look}>${t('preview')}<//>${told
      ? html`<${Button} kind="primary" onClick=${apply}>${t('apply')}<//>` : null}</div>
    ${told ? html`<div role="status"><p><${Pill}>${told.kind}<//> ${Object.entries(told.adds
      || {}).map(([what, names]) => `${what}: ${Array.isArray(names) ? names.join(', ') : names}`).join(' · ')}</p>
      <ul class="changes">${[...(told.notes || []), ...(told.problems
        || []).map((one) => `${t('line_n', { n: one.line })}: ${said(one.message)}`)].map((note, at) => html`<li key=${at} class="soft">${said(note)}</li>`)}</ul>
      <div class="code"><pre tabindex="0">${told.text}</pre></div></div>` : null}</div><//>`;
}

// -- about ------------------------------------------------------------------------------------------------------

const LEVELS = ['off', 'error', 'warn', 'info', 'debug', 'trace'];

function About() {
  const status = useFetch('/api/status', { every: 5000 });
  const store = useFetch('/api/store');
  const log = useFetch('/api/log');
  const level = async (next) => { try { await put('/api/log', { level: next }); log.reload(); say(t('saved')); } catch (error) { complain(error); } };
  const reload = async () => {
    const answer = await call('POST', '/api/reload');
    say([t('reloaded'), ...(answer.changes || []).map(said)].join(' · '));
  };
  const Fact = ({ name, children }) => (children == null || children === '' ? null : html`<dt>${name}</dt><dd>${children}</dd>`);
  return html`<div class="columns">
    <${Section} title="weir" actions=${html`<${Button} onClick=${reload}>${t('reload_file')}<//>`}>
      <${Loaded} of=${status}>${(now) => html`<dl class="facts inner">
      <${Fact} name=${t('health')}>${now.cores_stalled ? html`<${Pill} tone="bad">${t('stalled_n', { n: now.cores_stalled })}<//>`
        : now.draining ? html`<${Pill} tone="warn">${t('draining')}<//>` : html`<${Pill} tone="good">${t('health_ok')}<//>`}<//>
      <${Fact} name=${t('version')}>${now.version} <span class="faint">${now.commit}</span><//>
      <${Fact} name=${t('driver')}>${now.driver} <span class="faint">${(now.driver_why || '').split(', ').map(said).join(', ')}</span><//>
      <${Fact} name=${t('cores')}>${now.cores}<//>
      <${Fact} name=${t('uptime')}>${span(now.uptime_ms)}<//><${Fact} name=${t('process')}>${now.pid}<//>
      <${Fact} name=${t('listens_on')}>${(now.listen || []).join(', ')}<//>
      <${Fact} name=${t('config_file')}>${now.config.file} <span class="faint">${t('generation_n', { n: now.config.generation })}</span><//>
      <${Fact} name=${t('requests')}>${whole(now.requests)}<//><${Fact} name=${t('sessions')}>${whole(now.sessions)}<//></dl>`}<//><//>
    <div class="stack"><${Section} title=${t('store')}><${Loaded} of=${store}>${(now) => html`<dl class="facts inner">
        <${Fact} name=${t('state')}><${Pill} tone=${now.state === 'ok' ? 'good' : 'bad'}>${now.state === 'ok' ? t('health_ok') : word('store_' + now.state + '_short', now.state)}<//> ${said(now.message)}<//>
        <${Fact} name=${t('file')}>${now.file}<//><${Fact} name=${t('size')}>${bytes(now.bytes)}<//><${Fact} name=${t('rows')}>${whole(now.rows)}<//>
        <${Fact} name=${t('oldest')}>${now.oldest_unix_ms ? moment(unixMs(now.oldest_unix_ms)) : null}<//>
          <${Fact} name=${t('dropped_rows')}>${whole(now.dropped_rows)}<//>
          <${Fact} name=${t('dropped_traces')}>${whole(now.dropped_traces)}<//>
          <${Fact} name=${t('dropped_spans')}>${whole(now.dropped_spans)}<//></dl>`}<//><//>
      <${Section} title=${t('log')}><div class="inner"><${Loaded}
        of=${log}>${(now) => html`<${Select} label=${t('log_level')} value=${now.level} onChange=${level} hint=${t('log_level_hint')}
        options=${LEVELS.includes(now.level) ? LEVELS : [now.level, ...LEVELS]} />`}<//></div><//>
      <${Section} title=${t('elsewhere')}><ul class="inner links"><li>
        <a href="/metrics" target="_blank" rel="noreferrer">/metrics</a> <span class="faint">Prometheus</span></li>
        <li><a href="/api/openapi.json" target="_blank" rel="noreferrer">/api/openapi.json</a> <span class="faint">OpenAPI</span></li>
        <li><a href="/health" target="_blank" rel="noreferrer">/health</a></li>
        <li>${t('made_with')} ${[['Preact', 'preact'], ['htm', 'htm'],
          ['uPlot', 'uplot']].map(([name, file]) => html`<a key=${file} href=${new URL('../vendor/LICENSE-' + file, import.meta.url).href}
            target="_blank" rel="noreferrer">${name}</a> `)}</li></ul><//></div>
  </div>`;
}
