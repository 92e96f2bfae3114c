// The five dialects as the playground and the examples speak them: where a request goes, what it holds, and where
// text, reasoning and token counts are in what comes back. Pure.

const text = (turn) => ({ role: turn.role, content: turn.text });
const clean = (body) => Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined && value !== ''));

export const DIALECTS = {
  chat: {
    title: 'OpenAI Chat', path: () => '/v1/chat/completions',
    body: ({ model, turns, system, stream, most }) => clean({ model,
      messages: [...(system ? [{ role: 'system', content: system }] : []), ...turns.map(text)],
      max_tokens: most, stream: stream || undefined, stream_options: stream ? { include_usage: true } : undefined }),
    read(data, seen) {
      const choice = (data.choices || [])[0] || {};
      const part = choice.delta || choice.message || {};
      seen.text += part.content || '';
      seen.reasoning += part.reasoning_content || part.reasoning || '';
      if (data.usage) seen.usage = { input: data.usage.prompt_tokens, output: data.usage.completion_tokens };
    },
  },
  responses: {
    title: 'OpenAI Responses', path: () => '/v1/responses',
    body: ({ model, turns, system, stream, most }) => clean({ model, instructions: system, input: turns.map(text), max_output_tokens: most,
      stream: stream || undefined, store: false }),
    read(data, seen) {
      if (data.type === 'response.output_text.delta') seen.text += data.delta || '';
      if (/^response\.reasoning.*\.delta$/.test(data.type || '')) seen.reasoning += data.delta || '';
      for (const item of data.output || []) for (const part of item.content || []) if (item.type === 'message') seen.text += part.text || '';
      const usage = (data.response && data.response.usage) || data.usage;
      if (usage) seen.usage = { input: usage.input_tokens, output: usage.output_tokens };
    },
  },
  anthropic: {
    title: 'Anthropic Messages', path: () => '/v1/messages',
    body: ({ model, turns, system, stream, most }) => clean({ model, max_tokens: most || 4096, system, messages: turns.map(text),
      stream: stream || undefined }),
    read(data, seen) {
      if (data.delta) { seen.text += data.delta.text || ''; seen.reasoning += data.delta.thinking || ''; }
      for (const part of data.content || []) { seen.text += part.text || ''; seen.reasoning += part.thinking || ''; }
      const usage = data.usage || (data.message && data.message.usage);
      if (usage) seen.usage = { input: usage.input_tokens ?? (seen.usage || {}).input, output: usage.output_tokens ?? (seen.usage || {}).output };
    },
  },
  gemini: {
    title: 'Gemini', path: ({ model, stream }) => `/v1beta/models/${encodeURI(model)}:${stream ? 'streamGenerateContent?alt=sse'
      : 'generateContent'}`,
    body: ({ turns, system, most }) => clean({ contents: turns.map((turn) => ({ role: turn.role === 'assistant' ? 'model' : 'user',
      parts: [{ text: turn.text }] })),
      systemInstruction: system ? { parts: [{ text: system }] } : undefined, generationConfig: most ? { maxOutputTokens: most } : undefined }),
    read(data, seen) {
      for (const part of (((data.candidates || [])[0] || {}).content || {}).parts || []) seen[part.thought ? 'reasoning' : 'text'] += part.text || '';
      if (data.usageMetadata) seen.usage = { input: data.usageMetadata.promptTokenCount, output: data.usageMetadata.candidatesTokenCount };
    },
  },
  ollama: {
    title: 'Ollama', path: () => '/api/chat',
    body: ({ model, turns, system, stream, most }) => clean({ model,
      messages: [...(system ? [{ role: 'system', content: system }] : []), ...turns.map(text)], stream,
      options: most ? { num_predict: most } : undefined }),
    read(data, seen) {
      if (data.message) { seen.text += data.message.content || ''; seen.reasoning += data.message.thinking || ''; }
      if (data.eval_count != null) seen.usage = { input: data.prompt_eval_count, output: data.eval_count };
    },
  },
};

/** The words of an error answer, in any dialect. */
export function errorOf(data) {
  if (!data || typeof data !== 'object') return null;
  const error = data.error || (data.type === 'response.failed' && data.response && data.response.error) || (data.status >= 400 && data.detail);
  return !error ? null : typeof error === 'string' ? error : error.message || JSON.stringify(error);
}

/**
 * Cuts a stream into its events: of SSE the lines up to an empty one, else one line each (NDJSON). Feed it text;
 * `end()` gives what is left. Each event is { raw, data } with the parsed JSON or null.
 */
export function cutter(sse) {
  let held = '';
  const event = (raw) => {
    const payload = sse ? raw.split('\n').filter((line) => line.startsWith('data:')).map((line) => line.slice(5).trim()).join('\n') : raw;
    let data = null;
    try { data = JSON.parse(payload); } catch { data = null; }
    return { raw, data };
  };
  return {
    feed(chunk) {
      held += chunk.replace(/\r/g, '');
      const parts = held.split(sse ? '\n\n' : '\n');
      held = parts.pop();
      return parts.filter((part) => part.trim()).map(event);
    },
    end() { const last = held; held = ''; return last.trim() ? [event(last)] : []; },
  };
}
