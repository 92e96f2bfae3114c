// The official libraries for Node through the relay: `RELAY` is its URL, `KEY` the client's key. Started by test_node.py.

import assert from "node:assert/strict";
import { test } from "node:test";

import Anthropic from "@anthropic-ai/sdk";
import { GoogleGenAI } from "@google/genai";
import OpenAI from "openai";

const { RELAY, KEY } = process.env;
const TEXT = 'Grüße, 世界 🦀: "quoted" \\ and\nlines';
const asked = [{ role: "user", content: TEXT }];

const openai = new OpenAI({ baseURL: `${RELAY}/v1`, apiKey: KEY, maxRetries: 0, timeout: 20_000 });
const anthropic = new Anthropic({ baseURL: RELAY, apiKey: KEY, maxRetries: 0, timeout: 20_000 });
const gemini = new GoogleGenAI({ apiKey: KEY, httpOptions: { baseUrl: RELAY, timeout: 20_000 } });

async function gathered(stream, text) {
  let all = "";
  for await (const part of stream) all += text(part) ?? "";
  return all;
}

test("openai: chat, and its stream", async () => {
  const answer = await openai.chat.completions.create({ model: "gpt-4o", messages: asked });
  assert.equal(answer.choices[0].message.content, TEXT);
  const stream = await openai.chat.completions.create({ model: "gpt-4o", messages: asked, stream: true });
  assert.equal(await gathered(stream, (chunk) => chunk.choices[0].delta.content), TEXT);
});

test("openai: the helper that assembles a stream", async () => {
  const stream = openai.chat.completions.stream({ model: "gpt-4o", messages: asked, stream_options: { include_usage: true } });
  const final = await stream.finalChatCompletion();
  assert.equal(final.choices[0].message.content, TEXT);
  assert.equal(final.usage.total_tokens, 18);
});

test("openai: responses, and their stream", async () => {
  assert.equal((await openai.responses.create({ model: "gpt-5", input: TEXT })).output_text, TEXT);
  const final = await openai.responses.stream({ model: "gpt-5", input: TEXT }).finalResponse();
  assert.equal(final.output_text, TEXT);
});

test("openai: an upload", async () => {
  const file = new File([new Uint8Array(100_000)], "sound.wav");
  const answer = await openai.audio.transcriptions.create({ model: "gpt-4o", file });
  assert.match(answer.text, /^1\d{5} bytes, model gpt-4o$/);
});

test("openai: an error keeps its status", async () => {
  await assert.rejects(openai.chat.completions.create({ model: "fail-429", messages: asked }), OpenAI.RateLimitError);
});

test("anthropic: a message, and its stream", async () => {
  const question = { model: "claude-x", max_tokens: 100, messages: asked };
  assert.equal((await anthropic.messages.create(question)).content[0].text, TEXT);
  assert.equal(await anthropic.messages.stream(question).finalText(), TEXT);
  await assert.rejects(anthropic.messages.create({ ...question, model: "fail-529" }), (error) => error.status === 529);
});

test("gemini: an answer, and its stream", async () => {
  const question = { model: "gemini-x", contents: TEXT };
  assert.equal((await gemini.models.generateContent(question)).text, TEXT);
  assert.equal(await gathered(await gemini.models.generateContentStream(question), (part) => part.text), TEXT);
  await assert.rejects(gemini.models.generateContent({ ...question, model: "fail-400" }), (error) => error.status === 400);
});
