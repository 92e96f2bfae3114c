// One request as the API tells it, with the same members whatever told it.

import { unixMs } from './format.js';

export function asRow(told) {
  return { ...told, unix_ms: told.unix_ms ?? unixMs(told.time), model_sent: told.model_sent ?? told.model ?? null };
}

export const failed = (row) => row.outcome !== 'ok';

/** Tokens a second after the first one, where a stream was long enough to tell. */
export function speed(row) {
  const took = row.first_token_us == null ? 0 : row.total_us - row.first_token_us;
  return row.streamed && row.output_tokens > 1 && took > 50000 ? (row.output_tokens / took) * 1e6 : null;
}
