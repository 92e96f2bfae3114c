// How to point a program at this relay: text to copy, with this relay's address and a client's key in it.

import { html, useState } from '../vendor/preact.js';
import { path } from '../api.js';
import { freshKey } from '../fresh_key.js';
import { t } from '../i18n.js';
import { Code, Input, Loaded, Page, Section, Select, Tabs, useFetch } from '../parts.js';
import { useStore } from '../store.js';

const json = (value) => JSON.stringify(value, null, 2);
const q = (text) => `'${String(text).replace(/'/g, `'\\''`)}'`;

/** Each program: its parts in order, [title, text] or words to read. */
const PROGRAMS = {
  'Claude Code': ({ base, key, model }) => [
    [t('in_shell'), `export ANTHROPIC_BASE_URL=${base}\nexport ANTHROPIC_AUTH_TOKEN=${q(key)}\nexport ANTHROPIC_MODEL=${q(model)}\nclaude`],
    ['~/.claude/settings.json', json({ env: { ANTHROPIC_BASE_URL: base, ANTHROPIC_AUTH_TOKEN: key, ANTHROPIC_MODEL: model } })],
  ],
  Codex: ({ base, key, model }) => [
    ['~/.codex/config.toml', `model = ${JSON.stringify(model)}\nmodel_provider = "weir"\n\n[model_providers.weir]\nname = "weir"\nbase_url = "${base}/v1"\nwire_api = "responses"\nenv_key = "WEIR_KEY"`],
    [t('in_shell'), `export WEIR_KEY=${q(key)}\ncodex`],
  ],
  'Gemini CLI': ({ base, key, model }) => [[t('in_shell'), `export GOOGLE_GEMINI_BASE_URL=${base}\nexport GEMINI_API_KEY=${q(key)}\ngemini -m ${q(model)}`]],
  Cursor: ({ base, key, model }) => [t('cursor_note'), ['Settings → Models → API Keys', `Override OpenAI Base URL:  ${base}/v1\nOpenAI API Key:            ${key}\nCustom model:              ${model}`]],
  Cline: ({ base, key, model }) => [['API Provider: OpenAI Compatible', `Base URL:  ${base}/v1\nAPI Key:   ${key}\nModel ID:  ${model}`]],
  'Cherry Studio': ({ base, key, model }) => [t('cherry_note'), ['Settings → Model Provider → Add (OpenAI)', `API Host:  ${base}\nAPI Key:   ${key}\nModel:     ${model}`]],
  'Open WebUI': ({ base, key }) => [[t('in_shell'), `docker run -p 3000:8080 \\\n  -e OPENAI_API_BASE_URL=${base}/v1 \\\n  -e OPENAI_API_KEY=${q(key)} \\\n  ghcr.io/open-webui/open-webui:main`]],
  'VS Code': ({ base }) => [t('vscode_note'), ['settings.json', json({ 'github.copilot.chat.byok.ollamaEndpoint': base })]],
  OpenCode: ({ base, key, model }) => [['opencode.json', json({ $schema: 'https://opencode.ai/config.json', provider: { weir: { npm: '@ai-sdk/openai-compatible', name: 'weir', options: { baseURL: base + '/v1', apiKey: key }, models: { [model]: {} } } } })]],
  curl: ({ base, key, model }) => [
    ['OpenAI Chat', `curl ${base}/v1/chat/completions \\\n  -H ${q('authorization: Bearer ' + key)} \\\n  -H 'content-type: application/json' \\\n  -d ${q(JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello' }] }))}`],
    ['Anthropic Messages', `curl ${base}/v1/messages \\\n  -H ${q('x-api-key: ' + key)} \\\n  -H 'anthropic-version: 2023-06-01' \\\n  -H 'content-type: application/json' \\\n  -d ${q(JSON.stringify({ model, max_tokens: 256, messages: [{ role: 'user', content: 'Hello' }] }))}`],
    ['Gemini', `curl ${q(`${base}/v1beta/models/${model}:generateContent`)} \\\n  -H ${q('x-goog-api-key: ' + key)} \\\n  -H 'content-type: application/json' \\\n  -d ${q(JSON.stringify({ contents: [{ parts: [{ text: 'Hello' }] }] }))}`],
  ],
  Python: ({ base, key, model }) => [
    ['openai', `from openai import OpenAI\n\nclient = OpenAI(base_url=${JSON.stringify(base + '/v1')}, api_key=${JSON.stringify(key)})\nanswer = client.chat.completions.create(\n    model=${JSON.stringify(model)},\n    messages=[{"role": "user", "content": "Hello"}],\n)\nprint(answer.choices[0].message.content)`],
    ['anthropic', `from anthropic import Anthropic\n\nclient = Anthropic(base_url=${JSON.stringify(base)}, api_key=${JSON.stringify(key)})\nanswer = client.messages.create(\n    model=${JSON.stringify(model)},\n    max_tokens=256,\n    messages=[{"role": "user", "content": "Hello"}],\n)\nprint(answer.content[0].text)`],
    ['google-genai', `from google import genai\n\nclient = genai.Client(api_key=${JSON.stringify(key)}, http_options={"base_url": ${JSON.stringify(base)}})\nprint(client.models.generate_content(model=${JSON.stringify(model)}, contents="Hello").text)`],
  ],
  'Node.js': ({ base, key, model }) => [
    ['openai', `import OpenAI from 'openai';\n\nconst client = new OpenAI({ baseURL: ${JSON.stringify(base + '/v1')}, apiKey: ${JSON.stringify(key)} });\nconst answer = await client.chat.completions.create({\n  model: ${JSON.stringify(model)},\n  messages: [{ role: 'user', content: 'Hello' }],\n});\nconsole.log(answer.choices[0].message.content);`],
    ['@anthropic-ai/sdk', `import Anthropic from '@anthropic-ai/sdk';\n\nconst client = new Anthropic({ baseURL: ${JSON.stringify(base)}, apiKey: ${JSON.stringify(key)} });\nconst answer = await client.messages.create({\n  model: ${JSON.stringify(model)},\n  max_tokens: 256,\n  messages: [{ role: 'user', content: 'Hello' }],\n});\nconsole.log(answer.content[0].text);`],
  ],
};

/** The relay's address as the browser would reach it: the host of this page where weir listens on all of them. */
export function baseOf(status) {
  const listen = (status.listen || []).find((one) => !one.startsWith('unix:')) || '127.0.0.1:7070';
  const cut = listen.lastIndexOf(':');
  const host = listen.slice(0, cut).replace(/^https?:\/\//, ''), port = listen.slice(cut + 1);
  const everywhere = ['', '0.0.0.0', '[::]', '*'].includes(host);
  return `http${status.tls ? 's' : ''}://${everywhere ? location.hostname : host}:${port}`;
}

export function Connect({ at }) {
  const status = useFetch('/api/status');
  return html`<${Page} title=${t('page_connect')} sub=${t('connect_sub')}>
    <${Loaded} of=${status}>${(told) => html`<${Setup} base=${baseOf(told)} query=${at.query} />`}<//>
  <//>`;
}

function Setup({ base: found, query }) {
  const fresh = useStore(freshKey);
  const clients = useFetch('/api/clients');
  const names = ((clients.value && clients.value.clients) || []).map((one) => one.name);
  const client = query.client || (fresh && fresh.name) || '';
  const known = fresh && fresh.name === client ? fresh.key : '';
  const [base, setBase] = useState(found);
  const [said, setSaid] = useState('');
  const [model, setModel] = useState('auto');
  const key = said || known || 'sk-weir-YOUR-KEY';
  const program = PROGRAMS[query.program] ? query.program : 'Claude Code';
  const go = (more) => location.replace(path('#/connect', { program: query.program, client, ...more }));
  const parts = PROGRAMS[program]({ base: base.replace(/\/+$/, ''), key, model: model.trim() || 'auto' });
  return html`<${Section}><div class="inner form">
      <${Input} label=${t('relay_address')} value=${base} onInput=${setBase} hint=${t('relay_address_hint')} />
      <${Input} label=${t('model')} value=${model} onInput=${setModel} hint=${t('model_auto_hint')} />
      <${Select} label=${t('client')} value=${client} onChange=${(name) => go({ client: name })} options=${[['', t('no_client')], ...new Set([...names, ...(client ? [client] : [])])].map((one) => (Array.isArray(one) ? one : [one, one]))} />
      <${Input} label=${t('client_key')} type="password" autocomplete="new-password" value=${said || known} onInput=${setSaid} placeholder="sk-weir-…" hint=${known ? t('key_in_memory') : t('key_unknown')} />
    </div><//>
    <${Section}><${Tabs} label=${t('program')} value=${program} onChange=${(name) => go({ program: name })} tabs=${Object.keys(PROGRAMS).map((name) => [name, name])} />
      <div class="inner stack" role="tabpanel" aria-label=${program}>${parts.map((part, at) => (Array.isArray(part)
        ? html`<div key=${program + at}><h2 class="file">${part[0]}</h2><${Code} name=${part[0]} text=${part[1]} /></div>`
        : html`<p key=${program + at} class="soft">${part}</p>`))}</div><//>`;
}
