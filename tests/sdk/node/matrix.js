// Every library for Node before every provider protocol. Reads the cases from stdin, `[{client, model, stream}]`, asks
// `RELAY` some at once, and writes what each library handed to its user, heard or `{error}`, to stdout in the same order:
// what was meant is known to test_translation_node.py, which compares.

import { readFileSync } from "node:fs";

import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import Anthropic from "@anthropic-ai/sdk";
import { GoogleGenAI } from "@google/genai";
import { generateText, jsonSchema, streamText, tool } from "ai";
import { createOllama } from "ai-sdk-ollama";
import { Ollama } from "ollama";
import OpenAI from "openai";

const { RELAY, KEY } = process.env;
const TIMEOUT_MS = 20_000;
const AT_ONCE = 24;
const QUESTION = "Hi, ä";
const SCHEMA = { type: "object", properties: { city: { type: "string" }, words: { type: "array", items: { type: "string" } } } };
const NAMES = ["get_weather", "say"];

// stdout is for the report alone.
globalThis.AI_SDK_LOG_WARNINGS = false;
console.log = console.info = console.warn = console.error;

const bearer = { authorization: `Bearer ${KEY}` };
const openai = new OpenAI({ baseURL: `${RELAY}/v1`, apiKey: KEY, maxRetries: 0, timeout: TIMEOUT_MS });
const anthropic = new Anthropic({ baseURL: RELAY, apiKey: KEY, maxRetries: 0, timeout: TIMEOUT_MS });
const gemini = new GoogleGenAI({ apiKey: KEY, httpOptions: { baseUrl: RELAY, timeout: TIMEOUT_MS } });
const ollama = new Ollama({ host: RELAY, headers: bearer });
const aiOpenai = createOpenAI({ baseURL: `${RELAY}/v1`, apiKey: KEY });
const aiCompatible = createOpenAICompatible({ name: "weir", baseURL: `${RELAY}/v1`, apiKey: KEY, includeUsage: true });
const aiAnthropic = createAnthropic({ baseURL: `${RELAY}/v1`, apiKey: KEY });
const aiGoogle = createGoogleGenerativeAI({ baseURL: `${RELAY}/v1beta`, apiKey: KEY });
const aiOllama = createOllama({ baseURL: RELAY, headers: bearer });

function must(holds, why) {
  if (!holds) throw new Error(`grammar: ${why}`);
}

const textOf = (parts) => (parts ?? []).map((part) => part.text ?? part.thinking ?? "").join("");

async function chat(model, stream) {
  const tools = NAMES.map((name) => ({ type: "function", function: { name, parameters: SCHEMA } }));
  const asked = { model, messages: [{ role: "user", content: QUESTION }], tools, reasoning_effort: "low" };
  let thought = "";
  let answer;
  if (stream) {
    const events = openai.chat.completions.stream({ ...asked, stream_options: { include_usage: true } });
    let text = "";
    events.on("chunk", (chunk) => (thought += chunk.choices[0]?.delta.reasoning_content ?? ""));
    events.on("content", (delta) => (text += delta));
    answer = await events.finalChatCompletion();
    must(text === (answer.choices[0].message.content ?? ""), "the pieces are not the whole");
  } else {
    answer = await openai.chat.completions.create(asked);
    thought = answer.choices[0].message.reasoning_content ?? "";
  }
  const [{ message, finish_reason }] = answer.choices;
  const { usage } = answer;
  must(usage.total_tokens === usage.prompt_tokens + usage.completion_tokens, "the sum of the tokens");
  return {
    text: message.content ?? "",
    thought,
    calls: (message.tool_calls ?? []).map((call) => [call.function.name, JSON.parse(call.function.arguments), call.id]),
    stop: { stop: "stop", length: "length", tool_calls: "calls" }[finish_reason],
    input: usage.prompt_tokens,
    output: usage.completion_tokens,
    cached: usage.prompt_tokens_details?.cached_tokens,
    thoughts: usage.completion_tokens_details?.reasoning_tokens,
  };
}

async function responses(model, stream) {
  const tools = NAMES.map((name) => ({ type: "function", name, parameters: SCHEMA, strict: false }));
  const asked = { model, input: QUESTION, tools, reasoning: { effort: "low", summary: "auto" } };
  let answer;
  if (stream) {
    const events = openai.responses.stream(asked);
    let text = "";
    let last;
    for await (const event of events) {
      must(event.sequence_number > (last?.sequence_number ?? -1), "the sequence numbers");
      last = event;
      if (event.type === "response.output_text.delta") text += event.delta;
      if (event.type === "response.failed") throw new Error(event.response.error.message);
      if (event.type === "error") throw new Error(event.message);
    }
    must(["response.completed", "response.incomplete"].includes(last.type), `it ends with ${last.type}`);
    answer = await events.finalResponse();
    must(text === answer.output_text, "the pieces are not the whole");
  } else {
    answer = await openai.responses.create(asked);
  }
  const kind = (type) => answer.output.filter((item) => item.type === type);
  const calls = kind("function_call").map((item) => [item.name, JSON.parse(item.arguments), item.call_id]);
  const { usage } = answer;
  must(usage.total_tokens === usage.input_tokens + usage.output_tokens, "the sum of the tokens");
  const ended = answer.status === "completed" ? (calls.length ? "calls" : "stop") : null;
  return {
    text: answer.output_text,
    thought: kind("reasoning").map((item) => textOf([...item.summary, ...(item.content ?? [])])).join(""),
    calls,
    stop: ended ?? { max_output_tokens: "length" }[answer.incomplete_details.reason],
    input: usage.input_tokens,
    output: usage.output_tokens,
    cached: usage.input_tokens_details.cached_tokens,
    thoughts: usage.output_tokens_details.reasoning_tokens,
  };
}

async function messages(model, stream) {
  const tools = NAMES.map((name) => ({ name, input_schema: SCHEMA }));
  const asked = { model, max_tokens: 4096, messages: [{ role: "user", content: QUESTION }], tools, thinking: { type: "enabled", budget_tokens: 1024 } };
  let answer;
  if (stream) {
    const events = anthropic.messages.stream(asked);
    let text = "";
    events.on("text", (delta) => (text += delta));
    answer = await events.finalMessage();
    must(text === textOf(answer.content.filter((block) => block.type === "text")), "the pieces are not the whole");
  } else {
    answer = await anthropic.messages.create(asked);
  }
  const kind = (type) => answer.content.filter((block) => block.type === type);
  const { usage } = answer;
  return {
    text: textOf(kind("text")),
    thought: textOf(kind("thinking")),
    calls: kind("tool_use").map((block) => [block.name, block.input, block.id]),
    stop: { end_turn: "stop", max_tokens: "length", tool_use: "calls" }[answer.stop_reason],
    input: usage.input_tokens + (usage.cache_read_input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0),
    output: usage.output_tokens,
    cached: usage.cache_read_input_tokens,
  };
}

async function generateContent(model, stream) {
  const functionDeclarations = NAMES.map((name) => ({ name, parametersJsonSchema: SCHEMA }));
  const config = { tools: [{ functionDeclarations }], thinkingConfig: { includeThoughts: true, thinkingBudget: 1024 } };
  const asked = { model, contents: QUESTION, config };
  const answers = [];
  if (stream) for await (const answer of await gemini.models.generateContentStream(asked)) answers.push(answer);
  else answers.push(await gemini.models.generateContent(asked));
  const candidates = answers.flatMap((answer) => answer.candidates ?? []);
  const parts = candidates.flatMap((candidate) => candidate.content?.parts ?? []);
  const ends = candidates.flatMap((candidate) => candidate.finishReason ?? []);
  must(ends.length === 1, `${ends.length} ends`);
  const calls = parts.flatMap(({ functionCall: call }) => (call ? [[call.name, call.args, call.id]] : []));
  const usage = answers.at(-1).usageMetadata;
  const thoughts = usage.thoughtsTokenCount ?? 0;
  const output = (usage.candidatesTokenCount ?? 0) + thoughts;
  must(usage.totalTokenCount === usage.promptTokenCount + output, "the sum of the tokens");
  return {
    text: textOf(parts.filter((part) => !part.thought)),
    thought: textOf(parts.filter((part) => part.thought)),
    calls,
    stop: ends[0] === "STOP" && calls.length ? "calls" : { STOP: "stop", MAX_TOKENS: "length" }[ends[0]],
    input: usage.promptTokenCount,
    output,
    cached: usage.cachedContentTokenCount,
    thoughts,
  };
}

async function ollamaChat(model, stream) {
  const tools = NAMES.map((name) => ({ type: "function", function: { name, description: "d", parameters: SCHEMA } }));
  const asked = { model, messages: [{ role: "user", content: QUESTION }], tools, think: true, stream };
  const parts = [];
  if (stream) for await (const part of await ollama.chat(asked)) parts.push(part);
  else parts.push(await ollama.chat(asked));
  const end = parts.at(-1);
  must(parts.every((part) => part.done === (part === end)), "one end, and last");
  const calls = parts.flatMap((part) => part.message.tool_calls ?? []).map((call) => [call.function.name, call.function.arguments, null]);
  return {
    text: parts.map((part) => part.message.content ?? "").join(""),
    thought: parts.map((part) => part.message.thinking ?? "").join(""),
    calls,
    stop: calls.length ? "calls" : end.done_reason,
    input: end.prompt_eval_count,
    output: end.eval_count,
  };
}

// The AI SDK checks every chunk against its schema and gives a part `error` for one that does not fit.
const ai = (chosen, providerOptions) => async (model, stream) => {
  const tools = Object.fromEntries(NAMES.map((name) => [name, tool({ description: "d", inputSchema: jsonSchema(SCHEMA) })]));
  const asked = { model: chosen(model), prompt: QUESTION, tools, providerOptions, maxRetries: 0, abortSignal: AbortSignal.timeout(TIMEOUT_MS) };
  let answer;
  let text;
  if (stream) {
    const going = streamText({ ...asked, onError: () => {} });
    text = "";
    for await (const part of going.fullStream) {
      if (part.type === "error") throw part.error;
      if (part.type === "text-delta") text += part.text;
    }
    const [whole, reasoningText, toolCalls, finishReason, usage] = await Promise.all([
      going.text, going.reasoningText, going.toolCalls, going.finishReason, going.usage,
    ]);
    answer = { text: whole, reasoningText, toolCalls, finishReason, usage };
    must(text === whole, "the pieces are not the whole");
  } else {
    answer = await generateText(asked);
  }
  const { usage } = answer;
  return {
    text: answer.text,
    thought: answer.reasoningText ?? "",
    calls: answer.toolCalls.map((call) => [call.toolName, call.input, call.toolCallId]),
    stop: { stop: "stop", length: "length", "tool-calls": "calls" }[answer.finishReason],
    input: usage.inputTokens,
    output: usage.outputTokens,
    cached: usage.inputTokenDetails.cacheReadTokens,
    thoughts: usage.outputTokenDetails.reasoningTokens,
  };
};

const CLIENTS = {
  chat,
  responses,
  anthropic: messages,
  gemini: generateContent,
  ollama: ollamaChat,
  "ai-chat": ai((model) => aiOpenai.chat(model), { openai: { reasoningEffort: "low" } }),
  "ai-compatible": ai((model) => aiCompatible(model), { weir: { reasoningEffort: "low" } }),
  "ai-responses": ai((model) => aiOpenai.responses(model), { openai: { reasoningEffort: "low", reasoningSummary: "auto", store: false, forceReasoning: true } }),
  "ai-anthropic": ai((model) => aiAnthropic(model), { anthropic: { thinking: { type: "enabled", budgetTokens: 1024 } } }),
  "ai-gemini": ai((model) => aiGoogle(`models/${model}`), { google: { thinkingConfig: { includeThoughts: true, thinkingBudget: 1024 } } }),
  "ai-ollama": ai((model) => aiOllama(model, { think: true })),
};

function failure(error) {
  const status = error.status ?? error.statusCode ?? error.status_code ?? error.cause?.status_code;
  return { error: { status, message: String(error.message ?? JSON.stringify(error)) } };
}

const cases = JSON.parse(readFileSync(0, "utf8"));
const heard = new Array(cases.length);
let next = 0;
async function worker() {
  while (next < cases.length) {
    const at = next++;
    const { client, model, stream } = cases[at];
    heard[at] = await CLIENTS[client](model, stream).catch(failure);
  }
}
await Promise.all(Array.from({ length: AT_ONCE }, worker));
process.stdout.write(JSON.stringify(heard));
