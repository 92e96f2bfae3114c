// How to point a program at this relay: text to copy, with this relay's address and a client's key in it.

import { html, useState } from '../vendor/preact.js';
import { path } from '../api.js';
import { freshKey } from '../fresh_key.js';
import { t } from '../i18n.js';
import { Code, Input, Loaded, Page, Section, Select, Tabs, useFetch } from '../parts.js';
import { useStore } from '../store.js';

const json = (value) => JSON.stringify(value, null, 2);
const q = (text) => `'${String(text).replace(/'/g, `'\\''`)}'`;

const isLoopback = (base) => /^https?:\/\/(127\.|localhost\b|\[::1\])/.test(base);

const text = (...lines) => lines.join('\n');
const hello = { role: 'user', content: 'Hello' };

// Weir takes a slash in a model's name as it is.
const inPath = (model) => encodeURIComponent(model).replace(/%2F/g, '/').replace(/'/g, '%27');

/** Three ways to ask the same by hand. */
const curl = ({ base, key, model }) => [
  ['OpenAI Chat', text(
    `curl ${base}/v1/chat/completions \\`,
    `  -H ${q('authorization: Bearer ' + key)} -H 'content-type: application/json' \\`,
    `  -d ${q(JSON.stringify({ model, messages: [hello] }))}`,
  )],
  ['Anthropic Messages', text(
    `curl ${base}/v1/messages \\`,
    `  -H ${q('x-api-key: ' + key)} -H 'anthropic-version: 2023-06-01' -H 'content-type: application/json' \\`,
    `  -d ${q(JSON.stringify({ model, max_tokens: 256, messages: [hello] }))}`,
  )],
  ['Gemini', text(
    `curl ${q(`${base}/v1beta/models/${inPath(model)}:generateContent`)} \\`,
    `  -H ${q('x-goog-api-key: ' + key)} -H 'content-type: application/json' \\`,
    `  -d ${q(JSON.stringify({ contents: [{ parts: [{ text: 'Hello' }] }] }))}`,
  )],
];

// JSON strings are strings of Python and of JavaScript, too.
const s = JSON.stringify;

const python = ({ base, key, model }) => [
  ['openai', text(
    'from openai import OpenAI',
    '',
    `client = OpenAI(base_url=${s(base + '/v1')}, api_key=${s(key)})`,
    'answer = client.chat.completions.create(',
    `    model=${s(model)},`,
    '    messages=[{"role": "user", "content": "Hello"}],',
    ')',
    'print(answer.choices[0].message.content)',
  )],
  ['anthropic', text(
    'from anthropic import Anthropic',
    '',
    `client = Anthropic(base_url=${s(base)}, api_key=${s(key)})`,
    'answer = client.messages.create(',
    `    model=${s(model)},`,
    '    max_tokens=256,',
    '    messages=[{"role": "user", "content": "Hello"}],',
    ')',
    'print(answer.content[0].text)',
  )],
  ['google-genai', text(
    'from google import genai',
    '',
    `client = genai.Client(api_key=${s(key)}, http_options={"base_url": ${s(base)}})`,
    `print(client.models.generate_content(model=${s(model)}, contents="Hello").text)`,
  )],
  ['ollama', text(
    'from ollama import Client',
    '',
    `client = Client(host=${s(base)}, headers={"authorization": ${s('Bearer ' + key)}})`,
    `answer = client.chat(model=${s(model)}, messages=[{"role": "user", "content": "Hello"}])`,
    'print(answer.message.content)',
  )],
];

const node = ({ base, key, model }) => [
  ['openai', text(
    "import OpenAI from 'openai';",
    '',
    `const client = new OpenAI({ baseURL: ${s(base + '/v1')}, apiKey: ${s(key)} });`,
    'const answer = await client.chat.completions.create({',
    `  model: ${s(model)},`,
    "  messages: [{ role: 'user', content: 'Hello' }],",
    '});',
    'console.log(answer.choices[0].message.content);',
  )],
  ['@anthropic-ai/sdk', text(
    "import Anthropic from '@anthropic-ai/sdk';",
    '',
    `const client = new Anthropic({ baseURL: ${s(base)}, apiKey: ${s(key)} });`,
    'const answer = await client.messages.create({',
    `  model: ${s(model)},`,
    '  max_tokens: 256,',
    "  messages: [{ role: 'user', content: 'Hello' }],",
    '});',
    'console.log(answer.content[0].text);',
  )],
];

/** Each program: its parts in order, [title, text] or words to read. */
const PROGRAMS = {
  'Claude Code': ({ base, key, model }) => [
    [t('in_shell'), text(
      `export ANTHROPIC_BASE_URL=${base}`,
      `export ANTHROPIC_AUTH_TOKEN=${q(key)}`,
      `export ANTHROPIC_MODEL=${q(model)}`,
      'claude',
    )],
    ['~/.claude/settings.json', json({ env: { ANTHROPIC_BASE_URL: base, ANTHROPIC_AUTH_TOKEN: key, ANTHROPIC_MODEL: model } })],
  ],
  Codex: ({ base, key, model }) => [
    ['~/.codex/config.toml', text(
      `model = ${s(model)}`,
      'model_provider = "weir"',
      '',
      '[model_providers.weir]',
      'name = "weir"',
      `base_url = ${s(base + '/v1')}`,
      'wire_api = "responses"',
      'env_key = "WEIR_KEY"',
    )],
    [t('in_shell'), text(`export WEIR_KEY=${q(key)}`, 'codex')],
  ],
  'Gemini CLI': ({ base, key, model }) => [
    [t('in_shell'), text(`export GOOGLE_GEMINI_BASE_URL=${base}`, `export GEMINI_API_KEY=${q(key)}`, `gemini -m ${q(model)}`)],
  ],
  Cursor: ({ base, key, model }) => [
    t('cursor_note'),
    ['Settings → Models → API Keys', text(`Override OpenAI Base URL:  ${base}/v1`, `OpenAI API Key:            ${key}`,
      `Custom model:              ${model}`)],
  ],
  Cline: ({ base, key, model }) => [
    ['API Provider: OpenAI Compatible', text(`Base URL:  ${base}/v1`, `API Key:   ${key}`, `Model ID:  ${model}`)],
  ],
  'Cherry Studio': ({ base, key, model }) => [
    t('cherry_note'),
    [t('cherry_place'), text(`${t('cherry_host')}: ${base}`, `${t('cherry_key')}: ${key}`, `${t('model')}: ${model}`)],
  ],
  'Open WebUI': ({ base, key }) => [
    [t('in_shell'), text(
      // A container of its own network has another loopback.
      isLoopback(base) ? 'docker run --network host -e PORT=3000 \\' : 'docker run -p 3000:8080 \\',
      `  -e OPENAI_API_BASE_URL=${base}/v1 \\`,
      `  -e OPENAI_API_KEY=${q(key)} \\`,
      '  ghcr.io/open-webui/open-webui:main',
    )],
  ],
  'VS Code': ({ base }) => [t('vscode_note'), ['settings.json', json({ 'github.copilot.chat.byok.ollamaEndpoint': base })]],
  OpenCode: ({ base, key, model }) => [
    ['opencode.json', json({
      $schema: 'https://opencode.ai/config.json',
      provider: { weir: { npm: '@ai-sdk/openai-compatible', name: 'weir', options: { baseURL: base + '/v1', apiKey: key },
        models: { [model]: {} } } },
    })],
  ],
  curl,
  Python: python,
  'Node.js': node,
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
      <${Select} label=${t('client')} value=${client} onChange=${(name) => go({ client: name })}
        options=${[['', t('no_client')], ...new Set([...names, ...(client ? [client] : [])])].map((one) => (Array.isArray(one) ? one
          : [one, one]))} />
      <${Input} label=${t('client_key')} type="password" autocomplete="new-password" value=${said || known} onInput=${setSaid}
        placeholder="sk-weir-…" hint=${known ? t('key_in_memory') : t('key_unknown')} />
    </div><//>
    <${Section}><${Tabs} label=${t('program')} value=${program} onChange=${(name) => go({ program: name })}
      tabs=${Object.keys(PROGRAMS).map((name) => [name, name])} />
      <div class="inner stack" role="tabpanel" aria-label=${program}>${parts.map((part, at) => (Array.isArray(part)
        ? html`<div key=${program + at}><h2 class="file">${part[0]}</h2><${Code} name=${part[0]} text=${part[1]} /></div>`
        : html`<p key=${program + at} class="soft">${part}</p>`))}</div><//>`;
}
