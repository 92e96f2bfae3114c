// Requests to the admin API. Every failure is an `ApiError` with the problem document's words; a 401 ends the
// session for the whole page, which then shows the log-in.

import { store } from './store.js';

/** null: not known yet; false: log in first; true: in. */
export const session = store(null);

export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || (problem.error && problem.error.message) || `HTTP ${status}`);
    this.status = status;
    this.problems = problem.problems || [];
    this.member = problem.member;
  }
}

export async function call(method, path, body, { headers = {}, signal } = {}) {
  const init = { method, headers: { accept: 'application/json', ...headers }, signal, credentials: 'same-origin' };
  if (body !== undefined) {
    init.headers['content-type'] = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    init.body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(path, init);
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError(0, { detail: '' });
  }
  const text = await answer.text();
  let value = null;
  try { value = text ? JSON.parse(text) : null; } catch { value = null; }
  if (!answer.ok) {
    if (answer.status === 401 && path !== '/api/login') session.set(false);
    throw new ApiError(answer.status, value || { title: `${answer.status} ${answer.statusText}` });
  }
  if (value && typeof value === 'object' && !Array.isArray(value)) Object.defineProperty(value, 'headers', { value: answer.headers });
  return value;
}

export const get = (path, options) => call('GET', path, undefined, options);
export const post = (path, body = {}, options) => call('POST', path, body, options);
export const put = (path, body, options) => call('PUT', path, body, options);
export const patch = (path, body) => call('PATCH', path, body);
export const remove = (path) => call('DELETE', path);

/** A path with the members of `query` that say something. */
export function path(base, query) {
  const said = Object.entries(query).filter(([, value]) => value !== '' && value != null);
  return said.length ? `${base}?${new URLSearchParams(said)}` : base;
}

export const enc = encodeURIComponent;
