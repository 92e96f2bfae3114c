// The shell: who is in, which page is open, and the connection to the event stream. Pages are loaded when they are
// first opened, so the first paint carries only the one that is looked at.

import { html, render, useEffect, useRef, useState } from './vendor/preact.js';
import { call, get, session } from './api.js';
import { lang, setLang, t } from './i18n.js';
import * as live from './live.js';
import { Button, complain, Icon, Messages, Question } from './parts.js';
import { kept, store, useStore } from './store.js';
import { Login } from './login.js';
import { Overview } from './page/overview.js';

const PAGES = [
  ['overview', () => Overview],
  ['requests', async () => (await import('./page/requests.js')).Requests],
  ['traces', async () => (await import('./page/traces.js')).Traces],
  ['usage', async () => (await import('./page/usage.js')).Usage],
  ['providers', async () => (await import('./page/providers.js')).Providers],
  ['routes', async () => (await import('./page/routes.js')).Routes],
  ['clients', async () => (await import('./page/clients.js')).Clients],
  ['playground', async () => (await import('./page/playground.js')).Playground],
  ['connect', async () => (await import('./page/connect.js')).Connect],
  ['settings', async () => (await import('./page/settings.js')).Settings],
];

// -- the address: #/page/part?query -----------------------------------------------------------------------------

function read() {
  const [path, query] = location.hash.replace(/^#\/?/, '').split('?');
  const [page, ...rest] = path.split('/').map((part) => { try { return decodeURIComponent(part); } catch { return part; } });
  return { page: PAGES.some(([id]) => id === page) ? page : 'overview', rest, query: Object.fromEntries(new URLSearchParams(query)) };
}

const place = store(read());
addEventListener('hashchange', () => place.set(read()));

// -- theme ------------------------------------------------------------------------------------------------------

const THEMES = ['auto', 'light', 'dark'];
const theme = store(kept.get('theme') || 'auto');

function setTheme(next) {
  if (next === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  kept.set('theme', next === 'auto' ? null : next);
  theme.set(next);
  dispatchEvent(new Event('weir-theme'));
}

function ThemeSwitch() {
  const now = useStore(theme);
  const next = THEMES[(THEMES.indexOf(now) + 1) % THEMES.length];
  const icon = { auto: 'auto', light: 'sun', dark: 'moon' }[now];
  return html`<${Button} kind="bare" icon=${icon} label=${`${t('theme')}: ${t('theme_' + now)}`} onClick=${() => setTheme(next)} />`;
}

function LangSwitch() {
  const now = useStore(lang);
  return html`<button type="button" class="button bare" lang=${now === 'en' ? 'zh-CN' : 'en'}
    onClick=${() => setLang(now === 'en' ? 'zh-CN' : 'en')}>${now === 'en' ? '中文' : 'English'}</button>`;
}

// -- the shell --------------------------------------------------------------------------------------------------

function Link() {
  const state = useStore(live.link);
  const hello = useStore(live.hello);
  const words = { open: t('link_open'), lost: t('link_lost'), off: t('link_off') }[state];
  return html`<div class=${'link ' + state} role="status"><span class="dot"></span><span>${words}</span>
    ${hello ? html`<span class="version">${hello.version}</span>` : null}</div>`;
}

function Shell() {
  useStore(lang);
  const at = useStore(place);
  const state = useStore(live.link);
  const [open, setOpen] = useState(false);
  const [loaded, setLoaded] = useState({ page: 'overview', Body: Overview });
  const [failed, setFailed] = useState(null);

  useEffect(() => {
    let mine = true;
    setOpen(false);
    const load = PAGES.find(([id]) => id === at.page)[1];
    Promise.resolve(load()).then(
      (found) => { if (mine) { setFailed(null); setLoaded({ page: at.page, Body: found }); } },
      (error) => { if (mine) setFailed(error); },
    );
    return () => { mine = false; };
  }, [at.page]);
  useEffect(() => { live.open(); return live.close; }, []);
  // The page that is shown keeps its own address until the next one is there.
  const own = useRef(null);
  if (loaded.page === at.page) own.current = at;
  const Body = own.current && loaded.Body;
  useEffect(() => { scrollTo(0, 0); }, [at.page, at.rest[0]]);

  const leave = async () => { await call('POST', '/api/logout', {}); session.set(false); };
  return html`
    <a class="skip" href="#content" onClick=${(event) => { event.preventDefault(); document.getElementById('content').focus(); }}>${t('skip')}</a>
    <div class=${'shell' + (open ? ' open' : '')}>
      <header class="bar">
        <${Button} kind="bare" icon=${open ? 'close' : 'menu'} label=${t('menu')} expanded=${open ? 'true' : 'false'} controls="pages"
          onClick=${() => setOpen(!open)} />
        <strong>weir</strong><${Link} />
      </header>
      <nav class="side" id="pages" aria-label=${t('pages')} onKeyDown=${(event) => { if (event.key === 'Escape') setOpen(false); }}>
        <div class="brand"><svg viewBox="0 0 32 32" aria-hidden="true"><path d="M5 10h22M5 16h8c3.500 0 3.500 6 7 6h7M5 22h5" /></svg>weir</div>
        <ul>${PAGES.map(([id]) => html`<li key=${id}><a href=${'#/' + id} aria-current=${id === at.page ? 'page' : undefined}
          onClick=${() => setOpen(false)}><${Icon} name=${id} /><span>${t('page_' + id)}</span></a></li>`)}</ul>
        <div class="foot"><${Link} /><div class="switches"><${ThemeSwitch} /><${LangSwitch} />
          <${Button} kind="bare" icon="out" label=${t('log_out')} onClick=${leave} /></div></div>
      </nav>
      <main id="content" tabindex="-1">
        ${state === 'lost' ? html`<div class="banner" role="alert">${t('lost_banner')}</div>` : null}
        <${Stale} />
        ${failed ? html`<div class="banner" role="alert">${t('page_failed')} <button type="button" class="button"
          onClick=${() => location.reload()}>${t('reload_page')}</button></div>`
          : Body ? html`<${Body} key=${loaded.page} at=${own.current} />` : html`<div class="loading" role="status">${t('loading')}</div>`}
      </main>
    </div>`;
}

/** After an update of weir the page is older than the server: it says so, and does not reload under a form. */
function Stale() {
  const hello = useStore(live.hello);
  const [first, setFirst] = useState(null);
  useEffect(() => { if (hello && !first) setFirst(hello.version); }, [hello]);
  if (!first || !hello || hello.version === first) return null;
  return html`<div class="banner calm" role="status">${t('newer', { version: hello.version })}
    <button type="button" class="button" onClick=${() => location.reload()}>${t('reload_page')}</button></div>`;
}

function App() {
  useStore(lang);
  const inside = useStore(session);
  useEffect(() => {
    get('/api/session').then((told) => session.set(told.authenticated), (error) => {
      if (error.status !== 401) { complain(error); session.set(false); }
    });
  }, []);
  return html`${inside == null ? html`<div class="loading" role="status">${t('loading')}</div>` : inside ? html`<${Shell} />` : html`<${Login} />`}
    <${Messages} /><${Question} />`;
}

render(html`<${App} />`, document.getElementById('app'));
