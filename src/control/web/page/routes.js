// How a model name becomes a target: each route as a drawing, and what it would do with a given request.

import { html, useState } from '../vendor/preact.js';
import { enc, post, put, remove } from '../api.js';
import { said, t, word } from '../i18n.js';
import * as live from '../live.js';
import { Button, complain, Empty, Field, Input, Loaded, Page, Pill, say, Section, Select, sure, useFetch } from '../parts.js';
import { useStore } from '../store.js';
import { Form, lines } from './provider_forms.js';

const SCENES = ['longContext', 'background', 'webSearch', 'think', 'image', 'default'];
const DIALECTS = ['chat', 'responses', 'anthropic', 'gemini', 'ollama'];
const SPREADS = ['ordered', 'round_robin', 'fastest', 'latest'];

const list = (value) => (value == null ? [] : Array.isArray(value) ? value : [value]);

export function Routes() {
  const turn = useStore(live.configTurn);
  const asked = useFetch('/api/routes', { turn });
  const [open, setOpen] = useState(null);
  const done = () => { setOpen(null); asked.reload(); };
  return html`<${Page} title=${t('page_routes')} sub=${t('routes_sub')} actions=${html`
      <${Button} kind="primary" icon="plus" onClick=${() => setOpen({})}>${t('add_route')}<//>`}>
    <${Explain} />
    <${Loaded} of=${asked}>${(told) => (told.routes.length
      ? told.routes.map((route) => html`<${Route} key=${route.name} route=${route} told=${told} edit=${() => setOpen({ of: route })}
        reload=${asked.reload} />`)
      : html`<${Section}><${Empty} title=${t('no_routes')}><p>${t('no_routes_do')}</p>
        <${Button} kind="primary" onClick=${() => setOpen({})}>${t('add_route')}<//><//><//>`)}<//>
    ${open ? html`<${EditRoute} of=${open.of} onClose=${() => setOpen(null)} onDone=${done} />` : null}
  <//>`;
}

function Route({ route, told, edit, reload }) {
  const drop = async () => {
    if (!(await sure(t('delete_route', { name: route.name }), t('delete_route_text'), t('delete')))) return;
    await remove('/api/routes/' + enc(route.name));
    reload();
  };
  const defaults = Object.entries(told.default_routes || {}).filter(([, name]) => name === route.name).map(([dialect]) => dialect);
  return html`<${Section} title=${route.name} note=${route.spread && route.spread !== 'ordered' ? t('spread_' + route.spread) : null} actions=${html`
      ${told.default_route === route.name ? html`<${Pill} tone="accent">${t('default')}<//>` : null}
      ${defaults.map((dialect) => html`<${Pill} key=${dialect}>${dialect}<//>`)}
      <${Button} onClick=${edit}>${t('edit')}<//><${Button} kind="bare" icon="trash" label=${t('delete_route', { name: route.name })}
        onClick=${drop} />`}>
    <div class="scroll chain-place" tabindex="0" role="group" aria-label=${route.name}><${Chain} route=${route} /></div><//>`;
}

// -- the drawing ------------------------------------------------------------------------------------------------

const ROW = 30, BOX = 24, LEFT = 230, TARGET = 210, GAP = 26, EDGE = 14;
const NARROW = matchMedia('(max-width: 640px)');

/** Long names keep their end: it tells models apart. */
const fit = (text, most) => (text.length > most ? '…' + text.slice(1 - most) : text);

/** One line for each rule, in the order in which they are asked; targets follow in the order in which they are tried. */
function Chain({ route }) {
  const scenes = route.scenes || {};
  const rows = [
    ...Object.entries(route.models || {}).map(([name, to]) => ({ kind: 'model', name, to: list(to) })),
    // `default` is the last of them.
    ...SCENES.filter((scene) => scenes[scene]).map((scene) => ({ kind: 'scene', name: t('scene_' + scene), to: list(scenes[scene]) })),
    ...(route.rules || []).map((rule) => ({ kind: 'model', name: rule.name || rule.model || '…', to: list(rule.to) })),
    { kind: 'rest', name: route.unknown_models === 'catalog' ? t('published_names') : t('any_other'), to: list(route.to) },
  ];
  if (NARROW.matches) return html`<${Stacked} rows=${rows} />`;
  const most = Math.max(1, ...rows.map((row) => row.to.length));
  const width = EDGE * 2 + LEFT + most * (TARGET + GAP) + 8, height = rows.length * ROW + EDGE;
  const told = rows.map((row) => `${row.name}: ${row.to.join(', ') || t('none')}`).join('; ');
  return html`<svg class="chain" width=${width} height=${height} viewBox=${`0 0 ${width} ${height}`} role="img" aria-label=${told}>
    ${rows.map((row, at) => {
      const y = EDGE / 2 + at * ROW, middle = y + BOX / 2;
      return html`<g key=${at} class=${row.kind}>
        <rect class="rule" x=${EDGE} y=${y} width=${LEFT - GAP} height=${BOX} rx="5" />
        <text x=${EDGE + 10} y=${middle + 4}>${fit(row.name, 30)}<title>${row.name}</title></text>
        ${row.to.map((target, place) => {
          const x = EDGE + LEFT + place * (TARGET + GAP);
          return html`<path class=${place ? 'then' : 'first'} d=${`M${x - GAP + 2},${middle}H${x - 4}`} />
            <path class="tip" d=${`M${x - 8},${middle - 3}L${x - 3},${middle}L${x - 8},${middle + 3}`} />
            <rect class="target" x=${x} y=${y} width=${TARGET} height=${BOX} rx="5" />
              <text x=${x + 10} y=${middle + 4}>${fit(target, 30)}<title>${target}</title></text>`;
        })}
        ${row.to.length ? null : html`<text class="nowhere" x=${EDGE + LEFT} y=${middle + 4}>${t('nowhere')}</text>`}
      </g>`;
    })}</svg>`;
}

/** The same where there is no room beside each other: targets below their rule. */
function Stacked({ rows }) {
  return html`<ol class="stacked">${rows.map((row, at) => html`<li key=${at} class=${row.kind}><code>${row.name}</code>
    <ol>${row.to.map((target) => html`<li key=${target}><code>${target}</code></li>`)}
      ${row.to.length ? null : html`<li class="faint">${t('nowhere')}</li>`}</ol></li>`)}</ol>`;
}

// -- explain ----------------------------------------------------------------------------------------------------

function Explain() {
  const clients = useFetch('/api/clients');
  const [client, setClient] = useState('');
  const [model, setModel] = useState('');
  const [dialect, setDialect] = useState('chat');
  const [body, setBody] = useState('');
  const [told, setTold] = useState(null);
  const ask = async (event) => {
    event.preventDefault();
    const question = { model: model.trim() || 'auto', dialect };
    if (client) question.client = client;
    try {
      if (body.trim()) question.body = JSON.parse(body);
      setTold(await post('/api/explain', question));
    } catch (error) { if (error.status === 422) setTold({ refusal: error.message }); else { setTold(null); complain(error); } }
  };
  return html`<${Section} title=${t('explain')} note=${t('explain_note')}><form class="inner" onSubmit=${ask}>
    <div class="filters">
      <input required aria-label=${t('model')} placeholder=${t('model')} value=${model} onInput=${(event) => setModel(event.target.value)}
        spellcheck="false" />
      <${Select} bare label=${t('client')} value=${client} onChange=${setClient}
        options=${[['', t('any_client')], ...((clients.value && clients.value.clients) || []).map((one) => [one.name, one.name])]} />
      <${Select} bare label=${t('dialect')} value=${dialect} onChange=${setDialect} options=${DIALECTS} />
      <button type="submit" class="button">${t('explain')}</button>
    </div>
    <details class="body-of"><summary>${t('with_body')}</summary>
      <textarea class="mono" rows="4" aria-label=${t('body')} value=${body} spellcheck="false" placeholder='{"messages": [], "thinking":
        {"type": "enabled"}}' onInput=${(event) => setBody(event.target.value)}></textarea></details>
    ${told ? html`<div class="explained" role="status">
      <ol class="steps">${(told.steps || []).map((step, at) => html`<li key=${at}><b>${word('rule_' + step.rule, step.rule)}</b>
        <span>${word('step_' + step.code, step.text, step.values)}</span></li>`)}</ol>
      <ol class="tries">${(told.targets || []).map((target, at) => html`<li key=${at}><b>${target.provider}</b> ${target.model
        ? html`<span class="mono">${target.model}</span>` : null}
        <span class="note">${list(target.keys).map((key) => (typeof key === 'string' ? key : key.health && key.health !== 'ok'
          ? `${key.name} (${t('health_' + key.health)})` : key.name)).join(' → ')}</span></li>`)}</ol>
      ${told.targets && told.targets.length ? null : html`<p class="warn">${said(told.refusal) || t('no_target')}</p>`}</div>` : null}
  </form><//>`;
}

// -- editing ----------------------------------------------------------------------------------------------------

function EditRoute({ of, onClose, onDone }) {
  const providers = useFetch('/api/providers');
  const known = ((providers.value && providers.value.providers)
    || []).flatMap((one) => [one.name,
      ...(one.models || []).map((model) => `${one.name}/${typeof model === 'string' ? model : model.alias || model.name}`)]);
  const [name, setName] = useState(of ? of.name : '');
  const [to, setTo] = useState(list(of && of.to));
  const [models, setModels] = useState(Object.entries((of && of.models) || {}).map(([from, target]) => [from, list(target).join(', ')]));
  const [scenes, setScenes] = useState(Object.fromEntries(Object.entries((of && of.scenes)
    || {}).filter(([, target]) => target).map(([scene, target]) => [scene, list(target).join(', ')])));
  const [spread, setSpread] = useState((of && of.spread) || 'ordered');
  const [unknown, setUnknown] = useState((of && of.unknown_models) || 'default');
  const one = (text) => { const all = lines(text); return all.length === 1 ? all[0] : all; };
  const submit = async () => {
    const { name: _, ...rest } = of || {};
    const body = { ...rest, to: to.filter(Boolean) };
    body.models = Object.fromEntries(models.filter(([from]) => from.trim()).map(([from, target]) => [from.trim(), one(target)]));
    body.scenes = Object.fromEntries(Object.entries(scenes).filter(([, target]) => target.trim()).map(([scene, target]) => [scene, one(target)]));
    body.spread = spread;
    body.unknown_models = unknown;
    // What stands at its default is left out of the file.
    for (const [member, value] of [['spread', 'ordered'], ['unknown_models', 'default']]) if (body[member] === value) delete body[member];
    for (const [member, value] of Object.entries(body)) if (value == null
      || (typeof value === 'object' && member !== 'to' && !Object.keys(value).length)) delete body[member];
    await put('/api/routes/' + enc(name.trim()), body);
    say(t('saved'));
    onDone();
  };
  const swap = (at, by) => { const next = [...to]; [next[at], next[at + by]] = [next[at + by], next[at]]; setTo(next); };
  return html`<${Form} wide title=${of ? of.name : t('add_route')} action=${t('save')} onClose=${onClose} submit=${submit}>${() => html`
    <datalist id="targets">${known.map((target) => html`<option key=${target} value=${target} />`)}</datalist>
    ${of ? null : html`<${Input} wide label=${t('name')} value=${name} onInput=${setName} required />`}
    <fieldset class="wide"><legend>${t('targets')}</legend><p class="hint">${t('targets_hint')}</p>
      ${to.map((target, at) => html`<div class="line" key=${at}><span class="faint">${at + 1}</span>
        <input list="targets" aria-label=${`${t('target')} ${at + 1}`} value=${target} placeholder="provider/model" spellcheck="false"
          onInput=${(event) => setTo(to.map((old, place) => (place === at ? event.target.value : old)))} />
        <${Button} kind="bare" icon="up" label=${t('move_up')} disabled=${at === 0} onClick=${() => swap(at, -1)} />
          <${Button} kind="bare" icon="down" label=${t('move_down')} disabled=${at === to.length - 1} onClick=${() => swap(at, 1)} />
        <${Button} kind="bare" icon="close" label=${t('delete')} onClick=${() => setTo(to.filter((_, place) => place !== at))} /></div>`)}
      <${Button} icon="plus" onClick=${() => setTo([...to, ''])}>${t('add_target')}<//></fieldset>
    <fieldset class="wide"><legend>${t('model_map')}</legend><p class="hint">${t('model_map_hint')}</p>
      ${models.map(([from, target], at) => html`<div class="line" key=${at}>
        <input aria-label=${`${t('model')} ${at + 1}`} value=${from} placeholder="gpt-4o*" spellcheck="false"
          onInput=${(event) => setModels(models.map((old, place) => (place === at ? [event.target.value, old[1]] : old)))} />
            <span class="faint">→</span>
        <input list="targets" aria-label=${`${t('targets')} ${at + 1}`} value=${target} placeholder="provider/model, provider/model"
          spellcheck="false" onInput=${(event) => setModels(models.map((old, place) => (place === at ? [old[0], event.target.value] : old)))} />
        <${Button} kind="bare" icon="close" label=${t('delete')} onClick=${() => setModels(models.filter((_, place) => place !== at))} /></div>`)}
      <${Button} icon="plus" onClick=${() => setModels([...models, ['', '']])}>${t('add')}<//></fieldset>
    <fieldset class="wide"><legend>${t('scenes')}</legend><div class="form">
      ${SCENES.map((scene) => html`<${Field} key=${scene} label=${t('scene_' + scene)}>
        <input list="targets" value=${scenes[scene] || ''} placeholder=${t('none')} spellcheck="false"
          onInput=${(event) => setScenes({ ...scenes, [scene]: event.target.value })} /><//>`)}</div></fieldset>
    <${Select} label=${t('spread')} value=${spread} onChange=${setSpread} options=${SPREADS.map((way) => [way, t('spread_' + way)])} />
    <${Select} label=${t('unknown_models')} value=${unknown} onChange=${setUnknown}
      options=${[['default', t('unknown_default')], ['catalog', t('unknown_catalog')]]} />`}
  <//>`;
}
