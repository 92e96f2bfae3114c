// The log-in: one field, and where to find what goes into it.

import { html, useEffect, useRef, useState } from './vendor/preact.js';
import { call, session } from './api.js';
import { lang, said, setLang, t } from './i18n.js';

export function Login() {
  const [password, setPassword] = useState('');
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);
  const field = useRef();
  useEffect(() => { document.title = 'weir'; field.current.focus(); }, []);

  const enter = async (event) => {
    event.preventDefault();
    setBusy(true);
    setError('');
    try {
      await call('POST', '/api/login', { password });
      session.set(true);
    } catch (failure) {
      setBusy(false);
      setError(failure.status === 401 ? t('login_wrong') : failure.status === 0 ? t('no_answer') : said(failure.message));
      field.current.select();
    }
  };
  return html`<main class="login">
    <form onSubmit=${enter}>
      <div class="brand"><svg viewBox="0 0 32 32" aria-hidden="true"><path d="M5 10h22M5 16h8c3.500 0 3.500 6 7 6h7M5 22h5" /></svg>weir</div>
      <h1>${t('login_title')}</h1>
      <label class="field"><span class="field-name">${t('login_password')}</span>
        <input ref=${field} type="password" autocomplete="current-password" value=${password} required
          aria-invalid=${error ? 'true' : undefined} aria-describedby="login-hint" onInput=${(event) => setPassword(event.target.value)} /></label>
      ${error ? html`<p class="bad" role="alert">${error}</p>` : null}
      <button class="button primary" type="submit" disabled=${busy || !password}>${t('log_in')}</button>
      <p class="hint" id="login-hint">${t('login_hint')}</p>
      <button type="button" class="button bare" lang=${lang.value === 'en' ? 'zh-CN' : 'en'}
        onClick=${() => setLang(lang.value === 'en' ? 'zh-CN' : 'en')}>${lang.value === 'en' ? '中文' : 'English'}</button>
    </form>
  </main>`;
}
