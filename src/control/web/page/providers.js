// Who is called: providers with their keys, how each key is, and what can be done about it.

import { html, useState } from '../vendor/preact.js';
import { call, enc, patch, path, post, remove } from '../api.js';
import { ms, percent, short, unixMs, when } from '../format.js';
import { said, t, word } from '../i18n.js';
import * as live from '../live.js';
import { Button, Countdown, Empty, Loaded, Page, Pill, say, Section, Share, sure, useFetch } from '../parts.js';
import { useStore } from '../store.js';
import { AddProvider, EditKey, EditProvider, FoundModels } from './provider_forms.js';

const EVERY_MS = 4000;
const DAY = 86400000;
const TONES = { ok: 'good', cooling: 'warn', probing: 'accent', unresolved: 'bad' };

export function Providers() {
  const turn = useStore(live.keysTurn);
  const asked = useFetch('/api/providers', { every: EVERY_MS, turn });
  const used = useFetch(path('/api/usage', { from: Math.floor(Date.now() / DAY) * DAY, group_by: 'provider,key' }), { every: 30000 });
  const [open, setOpen] = useState(null);
  const done = () => { setOpen(null); asked.reload(); };
  const today = used.value ? used.value.groups : [];
  return html`<${Page} title=${t('page_providers')} sub=${t('providers_sub')} actions=${html`
      <${Button} kind="primary" icon="plus" onClick=${() => setOpen({ form: AddProvider })}>${t('add_provider')}<//>`}>
    <${Loaded} of=${asked}>${({ providers }) => (providers.length
      ? providers.map((one) => html`<${Provider} key=${one.name} provider=${one} today=${today} reload=${asked.reload} open=${setOpen} />`)
      : html`<${Section}><${Empty} title=${t('no_providers')}><p>${t('no_providers_do')}</p>
          <${Button} kind="primary" onClick=${() => setOpen({ form: AddProvider })}>${t('add_provider')}<//><//><//>`)}<//>
    ${open ? html`<${open.form} ...${open} onClose=${() => setOpen(null)} onDone=${done} />` : null}
  <//>`;
}

const base = (provider) => '/api/providers/' + enc(provider.name);

function Provider({ provider, today, reload, open }) {
  const [speeds, setSpeeds] = useState({});
  const total = today.reduce((sum, row) => sum + row.requests, 0);
  const own = today.filter((row) => row.provider === provider.name);
  const sum = own.reduce((all, row) => all + row.requests, 0);
  const turn = async () => { await patch(base(provider), { disabled: !provider.disabled }); reload(); };
  const drop = async () => {
    if (!(await sure(t('delete_provider', { name: provider.name }), t('delete_provider_text'), t('delete')))) return;
    await remove(base(provider));
    say(t('deleted', { name: provider.name }));
    reload();
  };
  const find = async () => open({ form: FoundModels, provider, found: await post(base(provider) + '/discover') });
  const speed = async () => {
    const told = await post(base(provider) + '/speed');
    setSpeeds(Object.fromEntries(told.keys.map((one) => [one.key, one])));
  };
  const models = (provider.models || []).map((model) => (typeof model === 'string' ? model : model.alias || model.name));
  return html`<${Section} title=${provider.name} flush note=${html`<span class="mono">${provider.base_url || ''}</span>`} actions=${html`
      <${Button} onClick=${find}>${t('fetch_models')}<//>
      <${Button} onClick=${speed}>${t('speed_test')}<//>
      <${Button} onClick=${() => open({ form: EditKey, provider })}>${t('add_key')}<//>
      <${Button} onClick=${() => open({ form: EditProvider, provider })}>${t('edit')}<//>
      <${Button} onClick=${turn}>${provider.disabled ? t('enable') : t('disable')}<//>
      <${Button} kind="bare" icon="trash" label=${t('delete_provider', { name: provider.name })} onClick=${drop} />`}>
    <div class="inner provider-facts">
      <${Pill}>${provider.protocol}<//>${provider.disabled ? html`<${Pill} tone="warn">${t('disabled')}<//>` : null}
      <span class="soft">${t('balance_' + provider.balance) === 'balance_' + provider.balance ? provider.balance
        : t('balance_' + provider.balance)}</span>
      <span class="soft">${sum ? t('share_today', { share: percent(sum, total), n: short(sum) }) : t('unused_today')}</span>
      <span class="models">${models.length ? models.slice(0, 12).map((model) => html`<code key=${model}>${model}</code>`)
        : html`<span class="faint">${t('any_model')}</span>`}
        ${models.length > 12 ? html`<span class="faint">+${models.length - 12}</span>` : null}</span>
    </div>
    ${provider.keys.length ? html`<div class="scroll"><table class="cards">
      <thead><tr><th>${t('key')}</th><th>${t('health')}</th><th class="n">${t('in_flight')}</th><th class="n wide-only">${t('weight')}</th>
        <th class="n wide-only">${t('priority')}</th>
        <th class="n">${t('today')}</th><th class="wide-only"><span class="out">${t('share')}</span></th><th>
          <span class="out">${t('actions')}</span></th></tr></thead>
      <tbody>${provider.keys.map((key) => html`<${Key} key=${key.name} provider=${provider} of=${key}
        used=${own.find((row) => row.key === key.name)} sum=${sum}
        speed=${speeds[key.name]} reload=${reload} open=${open} />`)}</tbody></table></div>`
      : html`<p class="inner soft">${t('no_keys')}</p>`}
  <//>`;
}

function Health({ of }) {
  const state = of.disabled ? 'disabled' : of.health;
  const until = unixMs(of.cooling_until);
  const resting = (of.cooling_models || []).filter((one) => one.health !== 'ok');
  const cause = of.cause || (resting[0] && resting[0].cause);
  return html`<${Pill} tone=${TONES[state] || ''} >${t('health_' + state)}${state === 'cooling' && until
    ? html` <${Countdown} until=${until} />` : null}<//>
    ${cause && state !== 'ok' && state !== 'disabled' ? html`<span class="note">${word('why_' + cause, cause)}</span>` : null}
    ${resting.length ? html`<span class="second">${resting.map((one) => one.model).join(', ')}</span>` : null}
    ${of.last_error ? html`<${LastError} of=${of} />` : null}`;
}

/** What an attempt came to; the status where the words do not hold it. */
const plainly = ({ status, message }) => [message && message.includes(status) ? null : status, said(message) || t('failed')].filter(Boolean).join(' · ');

/** What went wrong last, when, and how often anything did. */
function LastError({ of }) {
  const { unix_ms: at, status, model, message } = of.last_error;
  const told = [plainly({ status, message }), model].filter(Boolean).join(' · ');
  return html`<span class="second" title=${told}>${t('last_error_at', { time: when(at), n: short(of.failures) })} ${told}</span>`;
}

function Key({ provider, of, used, sum, speed, reload, open }) {
  const [told, setTold] = useState(null);
  const own = `${base(provider)}/keys/${enc(of.name)}`;
  const test = async () => setTold(await post(own + '/test'));
  const reset = async () => { await post(own + '/reset'); reload(); };
  const turn = async () => { await patch(own, { disabled: !of.disabled }); reload(); };
  const drop = async () => {
    if (!(await sure(t('delete_key', { name: of.name }), t('delete_key_text'), t('delete')))) return;
    await remove(own);
    reload();
  };
  const requests = used ? used.requests : 0;
  const seen = told || speed;
  return html`<tr class=${of.disabled ? 'off' : ''}>
    <td>${of.name}<span class="second mono">${of.key}</span></td>
    <td class="health"><${Health} of=${of} />
      ${seen ? html`<span class=${'second ' + (seen.ok ? 'good' : 'bad')} role="status" title=${said(seen.message)}>${seen.ok ? ms(seen.ms)
        : plainly(seen)}</span>` : null}</td>
    <td class="n" data-name=${t('in_flight')}>${of.in_flight ?? 0}${of.max_concurrent ? html`<span class="faint"> / ${of.max_concurrent}</span>` : null}</td>
    <td class="n wide-only">${of.weight}</td><td class="n wide-only">${of.priority}</td>
    <td class="n" data-name=${t('today')}>${short(requests)}</td>
    <td class="wide-only"><${Share} part=${sum ? requests / sum : 0} label=${percent(requests, sum)} /></td>
    <td><div class="actions">
      ${of.health === 'cooling' ? html`<${Button} kind="bare" onClick=${reset}>${t('reset')}<//>` : null}
      <${Button} kind="bare" onClick=${test}>${t('test')}<//>
      <${Button} kind="bare turn" onClick=${turn}>${of.disabled ? t('enable') : t('disable')}<//>
      <${Button} kind="bare" onClick=${() => open({ form: EditKey, provider, of })}>${t('edit')}<//>
      <${Button} kind="bare" icon="trash" label=${t('delete_key', { name: of.name })} onClick=${drop} /></div></td></tr>`;
}
