// Who may call: clients with their limits and what they have spent. A key is shown once, when it is made.

import { html, useState } from '../vendor/preact.js';
import { enc, patch, path, post, remove } from '../api.js';
import { cost, percent, short, unixMs, utcDay as day, whole } from '../format.js';
import { t } from '../i18n.js';
import { Button, Check, Copy, Dialog, Empty, Field, Input, Loaded, Page, Pill, say, Section, Select, Share, sure, useFetch } from '../parts.js';
import { freshKey } from '../fresh_key.js';
import { Form, lines } from './provider_forms.js';

export function Clients() {
  const asked = useFetch('/api/clients', { every: 15000 });
  const today = useFetch(since(1), { every: 15000 });
  const month = useFetch(since(30), { every: 60000 });
  const [open, setOpen] = useState(null);
  const [made, setMade] = useState(null);
  const done = (fresh) => { setOpen(null); if (fresh) setMade(fresh); asked.reload(); };
  const create = html`<${Button} kind="primary" icon="plus" onClick=${() => setOpen({})}>${t('create_client')}<//>`;
  return html`<${Page} title=${t('page_clients')} sub=${t('clients_sub')} actions=${create}>
    <${Section}><${Loaded} of=${asked}>${({ clients }) => (clients.length ? html`<div class="scroll"><table class="cards">
      <thead><tr><th>${t('client')}</th><th class="wide-only">${t('route')}</th><th class="wide-only">${t('models')}</th>
        <th>${t('limits')}</th>
        <th class="n">${t('today')}</th><th class="n">${t('days_30')}</th><th class="wide-only">${t('expires')}</th><th>
          <span class="out">${t('actions')}</span></th></tr></thead>
      <tbody>${clients.map((one) => html`<${Client} key=${one.name} of=${one} today=${costOf(today, one.name)}
        month=${costOf(month, one.name)} edit=${() => setOpen({ of: one })} reload=${asked.reload} made=${setMade} />`)}</tbody>
      </table></div>` : html`<${Empty} title=${t('no_clients')}><p>${t('no_clients_do')}</p>${create}<//>`)}<//><//>
    ${open ? html`<${EditClient} of=${open.of} first=${asked.value && asked.value.first_client} onClose=${() => setOpen(null)} onDone=${done} />` : null}
    ${made ? html`<${ShowKey} made=${made} onClose=${() => setMade(null)} />` : null}
  <//>`;
}

const DAY = 86400000;
const list = (value) => (Array.isArray(value) ? value : []);
const since = (days) => path('/api/usage', { from: (Math.floor(Date.now() / DAY) + 1 - days) * DAY, group_by: 'client' });
const costOf = (told, name) => (told.value ? (told.value.groups.find((row) => row.client === name) || { cost: 0 }).cost : null);

function Client({ of, today, month, edit, reload, made }) {
  const own = '/api/clients/' + enc(of.name);
  const expired = of.expired ?? (of.expires && unixMs(of.expires) < Date.now());
  const turn = async () => { await patch(own, { disabled: !of.disabled }); reload(); };
  const rotate = async () => {
    if (!(await sure(t('rotate_title', { name: of.name }), t('rotate_text'), t('rotate')))) return;
    made({ name: of.name, key: (await post(own + '/rotate')).key });
    reload();
  };
  const drop = async () => {
    if (!(await sure(t('delete_client', { name: of.name }), t('delete_client_text'), t('delete')))) return;
    await remove(own);
    reload();
  };
  const used = list(of.used);
  return html`<tr class=${of.disabled || expired ? 'off' : ''}>
    <td><a href=${'#/requests?client=' + enc(of.name)}>${of.name}</a> ${of.disabled ? html`<${Pill} tone="warn">${t('disabled')}<//>`
      : expired ? html`<${Pill} tone="bad">${t('expired')}<//>` : null}
      <span class="second mono">${of.key}</span></td>
    <td class="wide-only">${of.route || html`<span class="faint">${t('default_route')}</span>`}</td>
    <td class="cut wide-only">${list(of.models).length ? list(of.models).join(', ') : html`<span class="faint">${t('all')}</span>`}</td>
    <td class=${used.length ? 'used' : 'wide-only'}>${used.length
      ? used.map((met) => html`<div key=${met.what + met.window}>
        <${Share} part=${met.used / met.bound} label=${percent(met.used, met.bound)} /> ${amount(met, met.used)} / ${amount(met,
          met.bound)} <span class="faint">${t('met_' + met.window.replace(/ /g, '_'))}</span></div>`)
            : html`<span class="faint">${t('none')}</span>`}</td>
    <td class="n" data-name=${t('today')}>${cost(today)}</td><td class="n" data-name=${t('days_30')}>${cost(month)}</td>
    <td class="wide-only">${of.expires ? day(unixMs(of.expires)) : html`<span class="faint">${t('never')}</span>`}</td>
    <td><div class="actions"><a class="button bare" href=${'#/connect?client=' + enc(of.name)}>${t('page_connect')}</a>
      <${Button} kind="bare" onClick=${edit}>${t('edit')}<//>
      <${Button} kind="bare" onClick=${rotate}>${t('rotate')}<//>
      <${Button} kind="bare turn" onClick=${turn}>${of.disabled ? t('enable') : t('disable')}<//>
      <${Button} kind="bare" icon="trash" label=${t('delete_client', { name: of.name })} onClick=${drop} /></div></td></tr>`;
}

const amount = (met, number) => (met.what === 'dollars' ? cost(number) : met.what === 'tokens' ? t('n_tokens', { n: short(number) }) : short(number));

/** A limit of a newer weir has no words yet: its own name then. */
const limitName = (name) => { const words = t('limit_' + name); return words === 'limit_' + name ? name.replace(/_/g, ' ') : words; };

function EditClient({ of, first, onClose, onDone }) {
  const closes = !of && first;
  const [agreed, setAgreed] = useState(false);
  const routes = useFetch('/api/routes');
  const schema = useFetch('/api/schema');
  const names = limitNames(schema.value);
  const [name, setName] = useState(of ? of.name : '');
  const [route, setRoute] = useState((of && of.route) || '');
  const [models, setModels] = useState(of ? list(of.models).join('\n') : '');
  const [limits, setLimits] = useState({ ...(of && of.limits) });
  const [expires, setExpires] = useState(of && of.expires ? day(unixMs(of.expires)) : '');
  const submit = async () => {
    const set = Object.fromEntries(Object.entries(limits).filter(([, most]) => most !== ''
      && most != null).map(([member, most]) => [member, Number(most)]));
    const until = expires ? `${expires}T00:00:00Z` : null;
    if (!of) {
      const body = { name: name.trim() };
      if (route) body.route = route;
      if (lines(models).length) body.models = lines(models);
      if (Object.keys(set).length) body.limits = set;
      if (until) body.expires = until;
      if (closes) body.closes_access = true;
      const made = await post('/api/clients', body);
      onDone({ name: body.name, key: made.key, closed: Boolean(closes) });
      return;
    }
    // A merge patch: what was emptied goes with null.
    const body = {};
    if (route !== (of.route || '')) body.route = route || null;
    if (lines(models).join() !== list(of.models).join()) body.models = lines(models).length ? lines(models) : null;
    if (until !== (of.expires ? `${day(unixMs(of.expires))}T00:00:00Z` : null)) body.expires = until;
    const gone = Object.keys(of.limits || {}).filter((member) => of.limits[member] != null && !(member in set));
    const changed = Object.entries(set).filter(([member, most]) => (of.limits || {})[member] !== most);
    if (gone.length || changed.length) body.limits = { ...Object.fromEntries(gone.map((member) => [member, null])), ...Object.fromEntries(changed) };
    if (Object.keys(body).length) await patch('/api/clients/' + enc(of.name), body);
    say(t('saved'));
    onDone();
  };
  return html`<${Form} title=${of ? of.name : t('create_client')} action=${of ? t('save') : t('create')} onClose=${onClose}
    submit=${submit}>${() => html`
    ${closes ? html`<div class="wide warning" role="note"><strong>${t('first_client_title')}</strong>
      <p>${t('first_client_text', { n: whole(first.requests_today) })}</p>
      <${Check} label=${t('first_client_agree')} checked=${agreed} onChange=${setAgreed} required /></div>` : null}
    ${of ? null : html`<${Input} label=${t('name')} value=${name} onInput=${setName} required hint=${t('client_name_hint')} />`}
    <${Select} label=${t('route')} value=${route} onChange=${setRoute} wide=${Boolean(of)}
      options=${[['', t('default_route')], ...((routes.value && routes.value.routes) || []).map((one) => [one.name, one.name])]} />
    <${Field} label=${t('models_allowed')} wide hint=${t('models_allowed_hint')}>
      <textarea class="mono" rows="2" value=${models} spellcheck="false" onInput=${(event) => setModels(event.target.value)}></textarea><//>
    ${names.map((member) => html`<${Input} key=${member} label=${limitName(member)} type="number" min="0" step="any"
      value=${limits[member]} onInput=${(value) => setLimits({ ...limits, [member]: value })} placeholder=${t('none')} />`)}
    <${Input} label=${t('expires')} type="date" value=${expires} onInput=${setExpires} />`}
  <//>`;
}

/** The limits that the running version knows are in its schema. */
function limitNames(schema) {
  const found = schema && schema.$defs && schema.$defs.ClientLimits && schema.$defs.ClientLimits.properties;
  return found ? Object.keys(found) : ['requests_per_minute'];
}

function ShowKey({ made, onClose }) {
  return html`<${Dialog} title=${t('key_of', { name: made.name })} onClose=${onClose} foot=${html`
      <a class="button" href=${'#/connect?client=' + enc(made.name)} onClick=${() => freshKey.set(made)}>${t('page_connect')}</a>
        <${Button} kind="primary" onClick=${onClose}>${t('done')}<//>`}>
    <p>${t('key_once')}</p>${made.closed ? html`<p class="warn">${t('first_client_done')}</p>` : null}
    <div class="secret"><code data-secret>${made.key}</code><${Copy} text=${made.key} /></div><//>`;
}
