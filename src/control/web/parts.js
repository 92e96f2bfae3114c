// The pieces that every page is built of. Each is a function of its properties; the only state outside of the
// components is the stack of messages and the one question that may be open.

import { html, useEffect, useMemo, useRef, useState } from './vendor/preact.js';
import { get } from './api.js';
import { span, NONE } from './format.js';
import { said, t } from './i18n.js';
import { store, useStore } from './store.js';

const ICONS = {
  overview: 'M3 12h4l3-7 4 14 3-7h4', requests: 'M4 6h16M4 12h16M4 18h10', usage: 'M5 20V10M12 20V4M19 20v-7', traces: 'M8 4h12v12H8zM4 8v12h12M11 8h6M11 12h4',
  providers: 'M4 5h16v6H4zM4 13h16v6H4zM8 8h.01M8 16h.01', routes: 'M5 6h5c4 0 4 12 8 12h2M5 6h14M17 3l3 3-3 3M17 15l3 3-3 3',
  clients: 'M9 11a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM2 21c0-4 3-6 7-6s7 2 7 6M16 4a4 4 0 0 1 0 7M19 21c0-3-1-5-3-6',
  playground: 'M4 5h16v11H9l-5 4z', connect: 'M9 15l6-6M10 6l2-2a5 5 0 0 1 7 7l-2 2M14 18l-2 2a5 5 0 0 1-7-7l2-2',
  settings: 'M4 7h10M18 7h2M4 17h2M10 17h10M16 5v4M8 15v4', menu: 'M4 6h16M4 12h16M4 18h16', close: 'M6 6l12 12M18 6L6 18',
  sun: 'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6L19 19M5 19l1.4-1.4M17.6 6.4L19 5',
  moon: 'M20 14A8 8 0 0 1 10 4a8 8 0 1 0 10 10z', auto: 'M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18', out: 'M10 4H5v16h5M14 8l4 4-4 4M18 12H9',
  copy: 'M9 9h11v11H9zM5 15H4V4h11v1', plus: 'M12 5v14M5 12h14', up: 'M12 19V5M6 11l6-6 6 6', down: 'M12 5v14M6 13l6 6 6-6',
  more: 'M6 9l6 6 6-6', back: 'M15 5l-7 7 7 7', pause: 'M8 5v14M16 5v14', play: 'M7 5l12 7-12 7z', check: 'M5 13l4 4L19 7',
  trash: 'M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13', search: 'M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16 16l5 5',
};

export const Icon = ({ name }) => html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d=${ICONS[name]} /></svg>`;

// -- messages ---------------------------------------------------------------------------------------------------

const messages = store([]);
let nextMessage = 1;

export function say(text, tone = '') {
  const id = nextMessage++;
  messages.set([...messages.value.slice(-3), { id, text, tone }]);
  setTimeout(() => messages.set(messages.value.filter((m) => m.id !== id)), tone === 'bad' ? 9000 : 4000);
}

export const complain = (error) => {
  if (error && error.name === 'AbortError') return;
  say(error && error.status === 0 ? t('no_answer') : said((error && error.message) || String(error)), 'bad');
};

export function Messages() {
  const all = useStore(messages);
  return html`<div class="messages" role="status" aria-live="polite">
    ${all.map((m) => html`<div key=${m.id} class=${'message ' + m.tone}>${m.text}</div>`)}
  </div>`;
}

// -- dialogs ----------------------------------------------------------------------------------------------------

/** The browser's own dialog: it keeps the focus, and Escape closes it. */
export function Dialog({ title, onClose, wide, children, foot }) {
  const ref = useRef();
  useEffect(() => {
    const dialog = ref.current;
    if (!dialog.open) dialog.showModal();
    return () => dialog.close();
  }, []);
  return html`<dialog ref=${ref} class=${wide ? 'wide' : ''} aria-label=${title}
      onCancel=${(event) => { event.preventDefault(); onClose(); }}
      onMouseDown=${(event) => { if (event.target === ref.current) onClose(); }}>
    <div class="dialog">
      <header><h2>${title}</h2><${Button} kind="bare" icon="close" label=${t('close')} onClick=${onClose} /></header>
      <div class="dialog-body">${children}</div>
      ${foot ? html`<footer>${foot}</footer>` : null}
    </div>
  </dialog>`;
}

const question = store(null);

/** Asks before something is lost; resolves to whether it may go on. */
export const sure = (title, text, action) =>
  new Promise((resolve) => question.set({ title, text, action, resolve }));

export function Question() {
  const asked = useStore(question);
  if (!asked) return null;
  const end = (answer) => { question.set(null); asked.resolve(answer); };
  return html`<${Dialog} title=${asked.title} onClose=${() => end(false)} foot=${html`
      <${Button} onClick=${() => end(false)}>${t('cancel')}<//>
      <${Button} kind="danger" onClick=${() => end(true)}>${asked.action}<//>`}>
    <p>${asked.text}</p>
  <//>`;
}

// -- controls ---------------------------------------------------------------------------------------------------

/** A button that is busy for as long as what it started, and says what went wrong. */
export function Button({ kind = '', icon, label, onClick, children, type = 'button', disabled, busy, pressed }) {
  const [own, setOwn] = useState(false);
  const alive = useRef(true);
  useEffect(() => () => { alive.current = false; }, []);
  const press = async (event) => {
    if (!onClick) return;
    const started = onClick(event);
    if (!started || !started.then) return;
    setOwn(true);
    try { await started; } catch (error) { complain(error); } finally { if (alive.current) setOwn(false); }
  };
  return html`<button type=${type} class=${'button ' + kind} title=${children ? undefined : label} aria-label=${children ? undefined : label}
      aria-pressed=${pressed} disabled=${disabled || own || busy} aria-busy=${own || busy ? 'true' : undefined} onClick=${press}>
    ${icon ? html`<${Icon} name=${icon} />` : null}${children}
  </button>`;
}

let nextField = 1;
const useId = () => useMemo(() => 'f' + nextField++, []);

/** A control with its name above and a hint below; the control is the only child, and takes both by their ids. */
export function Field({ label, hint, error, children, wide }) {
  const id = useId();
  const control = Array.isArray(children) ? children[0] : children;
  control.props.id = id;
  if (hint || error) control.props['aria-describedby'] = id + 'h';
  return html`<div class=${'field' + (wide ? ' wide' : '')}>
    <label class="field-name" for=${id}>${label}</label>
    ${control}
    ${hint || error ? html`<span id=${id + 'h'}>${hint ? html`<span class="hint">${hint}</span>` : null}
      ${error ? html`<span class="hint bad" role="alert">${error}</span>` : null}</span>` : null}
  </div>`;
}

export function Input({ label, hint, error, value, onInput, wide, type = 'text', ...rest }) {
  return html`<${Field} label=${label} hint=${hint} error=${error} wide=${wide}>
    <input type=${type} value=${value ?? ''} autocomplete="off" spellcheck="false" aria-invalid=${error ? 'true' : undefined}
      onInput=${(event) => onInput(event.target.value)} ...${rest} />
  <//>`;
}

/** Options are values, or [value, words]. */
export function Select({ label, hint, value, options, onChange, bare, wide, disabled }) {
  const select = html`<select value=${value} disabled=${disabled} aria-label=${bare ? label : undefined}
    onChange=${(event) => onChange(event.target.value)}>
    ${options.map((option) => {
      const [id, words] = Array.isArray(option) ? option : [option, option];
      return html`<option key=${id} value=${id} selected=${id === value}>${words}</option>`;
    })}
  </select>`;
  return bare ? select : html`<${Field} label=${label} hint=${hint} wide=${wide}>${select}<//>`;
}

export function Check({ label, checked, onChange, hint, required }) {
  return html`<label class="check"><input type="checkbox" checked=${checked} required=${required} onChange=${(event) => onChange(event.target.checked)} />
    <span>${label}${hint ? html`<span class="hint">${hint}</span>` : null}</span></label>`;
}

export function Tabs({ value, tabs, onChange, label }) {
  const turn = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const at = tabs.findIndex(([id]) => id === value);
    const next = tabs[(at + step + tabs.length) % tabs.length][0];
    onChange(next);
    event.currentTarget.querySelector(`[data-tab="${next}"]`).focus();
    event.preventDefault();
  };
  return html`<div class="tabs" role="tablist" aria-label=${label} onKeyDown=${turn}>
    ${tabs.map(([id, words]) => html`<button key=${id} type="button" role="tab" data-tab=${id} aria-selected=${id === value ? 'true' : 'false'}
      tabindex=${id === value ? 0 : -1} onClick=${() => onChange(id)}>${words}</button>`)}
  </div>`;
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Plain http beyond loopback has no clipboard API.
    const area = document.createElement('textarea');
    area.value = text;
    (document.querySelector('dialog[open]') || document.body).append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
  }
  say(t('copied'));
}

export const Copy = ({ text, label }) => html`<${Button} kind="bare" icon="copy" label=${label || t('copy')} onClick=${() => copy(text)} />`;

export function Code({ text, name }) {
  return html`<div class="code"><${Copy} text=${text} label=${name ? `${t('copy')}: ${name}` : undefined} />
    <pre tabindex="0" aria-label=${name || t('code')}>${text}</pre></div>`;
}

// -- what pages show --------------------------------------------------------------------------------------------

export const Pill = ({ tone = '', children, title }) => html`<span class=${'pill ' + tone} title=${title}>${children}</span>`;

export const Empty = ({ title, children }) => html`<div class="empty"><h3>${title}</h3><div>${children}</div></div>`;

export function Page({ title, sub, actions, children }) {
  useEffect(() => { document.title = `${title} · weir`; }, [title]);
  return html`<div class="page">
    <header class="page-head"><div><h1>${title}</h1>${sub ? html`<p>${sub}</p>` : null}</div>
      ${actions ? html`<div class="actions">${actions}</div>` : null}</header>
    ${children}
  </div>`;
}

export function Section({ title, note, actions, children, flush }) {
  return html`<section class=${'section' + (flush ? ' flush' : '')}>
    ${title ? html`<header><h2>${title}</h2>${note ? html`<span class="note">${note}</span>` : null}
      ${actions ? html`<div class="actions">${actions}</div>` : null}</header>` : null}
    ${children}
  </section>`;
}

export function Stat({ label, value, note, tone = '' }) {
  return html`<div class="stat"><dt>${label}</dt><dd class=${tone}>${value}</dd>${note ? html`<dd class="note">${note}</dd>` : null}</div>`;
}

/** A share of a whole as a thin bar; the number stands beside it. */
export const Share = ({ part, label }) => html`<svg class="share" viewBox="0 0 100 4" preserveAspectRatio="none" role="img" aria-label=${label}>
  <rect class="rest" width="100" height="4" /><rect width=${Math.max(0, Math.min(1, part || 0)) * 100} height="4" /></svg>`;

/** The time that is left, told each second. */
export function Countdown({ until }) {
  const [, turn] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => turn((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, []);
  return until == null ? NONE : span(Math.max(0, until - Date.now()));
}

/** A row of a table that opens where it is pressed; the keyboard has the link in it. */
export const opens = (go) => ({
  class: 'opens', onClick: (event) => { if (!event.target.closest('a,button,input,select')) go(); },
});

// -- fetching ---------------------------------------------------------------------------------------------------

/**
 * What `path` answers: { value, error, loading, reload }. Asks again when the path or `turn` changes and every
 * `every` ms while the page is visible; what was shown stays until the new answer is there.
 */
export function useFetch(path, { every = 0, turn = 0 } = {}) {
  const [state, setState] = useState({ value: null, error: null, path: null });
  const [again, setAgain] = useState(0);
  useEffect(() => {
    if (!path) return undefined;
    const stop = new AbortController();
    let timer = 0;
    const ask = async () => {
      try {
        const value = await get(path, { signal: stop.signal });
        setState({ value, error: null, path });
      } catch (error) {
        if (error.name === 'AbortError') return;
        setState((old) => ({ value: old.path === path ? old.value : null, error, path }));
      }
      if (every && !stop.signal.aborted) timer = setTimeout(poll, every);
    };
    const poll = () => { if (document.hidden) timer = setTimeout(poll, every); else ask(); };
    ask();
    return () => { stop.abort(); clearTimeout(timer); };
  }, [path, every, turn, again]);
  return { ...state, loading: state.path !== path, reload: () => setAgain((n) => n + 1) };
}

/** Shows what was fetched, or why not, or that it is under way. */
export function Loaded({ of, children }) {
  if (of.value) return children(of.value);
  if (of.error) {
    return html`<${Empty} title=${t('could_not_load')}>
      <p>${of.error.status === 0 ? t('no_answer') : said(of.error.message)}</p><${Button} onClick=${of.reload}>${t('again')}<//><//>`;
  }
  return html`<div class="loading" role="status">${t('loading')}</div>`;
}
