// The dialogs of the providers page. What is left empty is left out, so that the file says only what was meant.

import { html, useMemo, useState } from '../vendor/preact.js';
import { enc, patch, post } from '../api.js';
import { said, t } from '../i18n.js';
import { Button, Check, complain, Copy, Dialog, Field, Input, say, Select, sure, useFetch } from '../parts.js';

export const PROTOCOLS = ['chat', 'responses', 'anthropic', 'gemini', 'azure', 'ollama', 'demo'];
const BALANCES = ['round_robin', 'weighted', 'fill_first', 'least_busy', 'fastest'];
const AFFINITIES = ['ids', 'conversation', 'none'];

const lines = (text) => text.split(/[\n,]/).map((line) => line.trim()).filter(Boolean);

/** A form in a dialog: submits once, and shows what the API said to the member it names. */
function Form({ title, action, onClose, submit, children, wide }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const id = useMemo(() => 'form' + Math.random().toString(36).slice(2), []);
  const send = async (event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try { await submit(); } catch (failure) { setError(failure); setBusy(false); if (!failure.status) complain(failure); }
  };
  return html`<${Dialog} title=${title} onClose=${onClose} wide=${wide} foot=${html`
      <${Button} onClick=${onClose}>${t('cancel')}<//><button type="submit" form=${id} class="button primary" disabled=${busy}>${action}</button>`}>
    <form id=${id} class="form" onSubmit=${send}>${children(error)}</form>
    ${error && error.status ? html`<div class="bad" role="alert">${error.problems.length ? null
      : html`<p>${said(error.message)}</p>`}
      ${error.problems.map((one, at) => html`<p key=${at}>${one.path ? html`<code>${one.path}</code> ` : null}${said(one.message)}</p>`)}</div>` : null}
  <//>`;
}
export { Form, lines };

export function AddProvider({ onClose, onDone }) {
  const presets = useFetch('/api/presets');
  const known = presets.value ? presets.value.presets : [];
  const [preset, setPreset] = useState('');
  const [name, setName] = useState('');
  const [protocol, setProtocol] = useState('chat');
  const [url, setUrl] = useState('');
  const [keys, setKeys] = useState('');
  const [models, setModels] = useState('');
  const chosen = known.find((one) => one.name === preset);
  const pick = (next) => { setPreset(next); if (!name || name === preset) setName(next); };
  const keyless = (chosen ? chosen.protocol : protocol) === 'demo' || (chosen && chosen.keyless);
  const submit = async () => {
    const body = { name: name.trim() };
    if (preset) body.preset = preset; else body.protocol = protocol;
    if (url.trim()) body.base_url = url.trim();
    if (lines(keys).length) body.keys = lines(keys);
    if (lines(models).length) body.models = lines(models);
    await post('/api/providers', body);
    say(t('added', { name: body.name }));
    onDone();
  };
  return html`<${Form} title=${t('add_provider')} action=${t('add')} onClose=${onClose} submit=${submit}>${() => html`
    <${Select} label=${t('preset')} value=${preset} onChange=${pick} hint=${t('preset_hint')}
      options=${[['', t('no_preset')], ...known.map((one) => [one.name, one.name])]} />
    <${Input} label=${t('name')} value=${name} onInput=${setName} required pattern="[^\\/\\|:\\[\\]\\s]+" hint=${t('provider_name_hint')} />
    ${preset ? null : html`<${Select} label=${t('protocol')} value=${protocol} onChange=${setProtocol} options=${PROTOCOLS} />`}
    <${Input} label=${t('base_url')} wide=${Boolean(preset)} value=${url} onInput=${setUrl} placeholder=${chosen ? chosen.base_url || ''
      : 'https://api.example.com/v1'} hint=${preset ? t('base_url_preset') : null} required=${!preset && protocol !== 'demo'} />
    ${keyless ? null : html`<${Field} label=${t('keys')} wide hint=${t('keys_hint')}>
      <textarea class="mono" rows="2" value=${keys} spellcheck="false" autocomplete="off"
        onInput=${(event) => setKeys(event.target.value)}></textarea><//>`}
    <${Field} label=${t('models')} wide hint=${t('models_hint')}>
      <textarea class="mono" rows="2" value=${models} spellcheck="false" onInput=${(event) => setModels(event.target.value)}></textarea><//>`}
  <//>`;
}

export function EditProvider({ provider, onClose, onDone }) {
  const [balance, setBalance] = useState(provider.balance || 'round_robin');
  const [affinity, setAffinity] = useState(provider.affinity || 'ids');
  const [url, setUrl] = useState(provider.base_url || '');
  const plain = (provider.models || []).every((model) => typeof model === 'string');
  const before = (provider.models || []).join('\n');
  const [models, setModels] = useState(before);
  const submit = async () => {
    const body = {};
    if (balance !== (provider.balance || 'round_robin')) body.balance = balance;
    if (affinity !== (provider.affinity || 'ids')) body.affinity = affinity;
    if (url !== (provider.base_url || '')) body.base_url = url || null;
    if (plain && models !== before) body.models = lines(models);
    if (Object.keys(body).length) await patch('/api/providers/' + enc(provider.name), body);
    say(t('saved'));
    onDone();
  };
  return html`<${Form} title=${provider.name} action=${t('save')} onClose=${onClose} submit=${submit}>${() => html`
    <${Select} label=${t('balance')} value=${balance} onChange=${setBalance} options=${BALANCES.map((name) => [name, t('balance_' + name)])} />
    <${Select} label=${t('affinity')} value=${affinity} onChange=${setAffinity} options=${AFFINITIES.map((name) => [name, t('affinity_' + name)])} />
    <${Input} wide label=${t('base_url')} value=${url} onInput=${setUrl} />
    ${plain ? html`<${Field} label=${t('models')} wide hint=${t('models_hint')}>
      <textarea class="mono" rows="5" value=${models} spellcheck="false" onInput=${(event) => setModels(event.target.value)}></textarea><//>`
      : html`<p class="wide soft">${t('models_in_file')} <a href="#/settings/file">${t('page_settings')}</a></p>`}`}
  <//>`;
}

export function EditKey({ provider, of, onClose, onDone }) {
  const [secret, setSecret] = useState('');
  const [shown, setShown] = useState(null);
  const show = async () => {
    if (!(await sure(t('show_key'), t('show_key_text'), t('show')))) return;
    const place = provider.keys.findIndex((key) => key.name === of.name);
    const pointer = [provider.name, 'keys', place].map((step) => String(step).replace(/~/g, '~0').replace(/\//g, '~1')).join('/');
    setShown((await post('/api/secret', { path: `/providers/${pointer}` })).secret);
  };
  const literal = of && !/^(env|file):|\$\{/.test(of.key || '');
  const [name, setName] = useState(of ? of.name : '');
  const [weight, setWeight] = useState(String(of ? of.weight ?? 1 : 1));
  const [priority, setPriority] = useState(String(of ? of.priority ?? 100 : 100));
  const [most, setMost] = useState(String(of ? of.max_concurrent || 0 : 0));
  const submit = async () => {
    const body = {};
    if (secret.trim()) body.key = secret.trim();
    if (name.trim() && (!of || name !== of.name)) body.name = name.trim();
    const numbers = [['weight', weight, of ? of.weight ?? 1 : 1], ['priority', priority, of ? of.priority ?? 100 : 100],
      ['max_concurrent', most, of ? of.max_concurrent || 0 : 0]];
    for (const [member, said, was] of numbers) if (Number(said) !== was) body[member] = Number(said);
    const base = `/api/providers/${enc(provider.name)}/keys`;
    if (!of) await post(base, body);
    else if (Object.keys(body).length) await patch(`${base}/${enc(of.name)}`, body);
    say(t('saved'));
    onDone();
  };
  return html`<${Form} title=${of ? `${provider.name} / ${of.name}` : `${provider.name}: ${t('add_key')}`} action=${of ? t('save')
    : t('add')} onClose=${onClose} submit=${submit}>${() => html`
    <${Input} wide label=${t('key')} type="password" autocomplete="new-password" value=${secret} onInput=${setSecret} required=${!of}
      hint=${of ? t('key_kept') : t('key_hint')} />
    ${shown ? html`<div class="secret wide"><code>${shown}</code><${Copy} text=${shown} /></div>` : literal
      ? html`<div class="wide"><${Button} onClick=${show}>${t('show_key')}<//></div>` : null}
    <${Input} label=${t('name')} value=${name} onInput=${setName} />
    <${Input} label=${t('max_concurrent')} type="number" min="0" value=${most} onInput=${setMost} hint=${t('zero_no_bound')} />
    <${Input} label=${t('weight')} type="number" min="0" value=${weight} onInput=${setWeight} />
    <${Input} label=${t('priority')} type="number" min="0" value=${priority} onInput=${setPriority} hint=${t('priority_hint')} />`}
  <//>`;
}

/** What a provider says it has; the chosen ones become its published models. */
export function FoundModels({ provider, found, onClose, onDone }) {
  const names = found.models;
  const [moved, setMoved] = useState(Boolean(found.base_url));
  const had = (provider.models || []).map((model) => (typeof model === 'string' ? model : model.name));
  const [chosen, setChosen] = useState(new Set(had));
  const [find, setFind] = useState('');
  const toggle = (name, on) => { const next = new Set(chosen); on ? next.add(name) : next.delete(name); setChosen(next); };
  const shown = names.filter((name) => name.toLowerCase().includes(find.toLowerCase()));
  const submit = async () => {
    // Entries with an alias stay as they are; plain ones follow the boxes.
    const kept = (provider.models || []).filter((model) => typeof model !== 'string' && chosen.has(model.name));
    const keptNames = new Set(kept.map((model) => model.name));
    const plain = [...chosen].filter((name) => !keptNames.has(name));
    await patch('/api/providers/' + enc(provider.name), { models: [...kept, ...plain],
      ...(found.base_url && moved ? { base_url: found.base_url, protocol: found.protocol } : {}) });
    say(t('saved'));
    onDone();
  };
  return html`<${Form} title=${t('models_of', { name: provider.name })} action=${t('publish')} onClose=${onClose} submit=${submit}>${() => html`
    <p class="wide soft">${t('found_hint', { n: names.length })}</p>
    ${found.base_url ? html`<${Check} label=${t('use_found', { url: found.base_url })} checked=${moved} onChange=${setMoved} />` : null}
    <${Input} wide label=${t('search')} type="search" value=${find} onInput=${setFind} />
    <div class="wide picks">${shown.map((name) => html`<${Check} key=${name} label=${name} checked=${chosen.has(name)}
      onChange=${(on) => toggle(name, on)} />`)}</div>`}
  <//>`;
}
