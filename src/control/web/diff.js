// What differs between two texts, line by line. JSON is compared in one spelling (pretty, members in their order), so
// that a difference is one of meaning. Myers' greedy algorithm, bounded: beyond the bound the rest counts as changed.

const LINES_MAX = 6000;
const EDITS_MAX = 800;
const AROUND = 3;

/** The text as JSON in one spelling, or as it is. */
export function pretty(text) {
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
}

/** Pairs of [left, right] line numbers that are equal, in order. */
function equalPairs(a, b) {
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let endA = a.length, endB = b.length;
  while (endA > start && endB > start && a[endA - 1] === b[endB - 1]) { endA--; endB--; }
  const pairs = [];
  for (let at = 0; at < start; at++) pairs.push([at, at]);
  pairs.push(...middle(a.slice(start, endA), b.slice(start, endB)).map(([x, y]) => [x + start, y + start]));
  for (let at = 0; at < a.length - endA; at++) pairs.push([endA + at, endB + at]);
  return pairs;
}

function middle(a, b) {
  const most = Math.min(a.length + b.length, EDITS_MAX);
  let reach = new Map([[1, 0]]);
  const kept = [];
  for (let edits = 0; edits <= most; edits++) {
    kept.push(new Map(reach));
    for (let k = -edits; k <= edits; k += 2) {
      const down = k === -edits || (k !== edits && (reach.get(k - 1) ?? -1) < (reach.get(k + 1) ?? -1));
      let x = down ? reach.get(k + 1) ?? 0 : (reach.get(k - 1) ?? 0) + 1;
      let y = x - k;
      while (x < a.length && y < b.length && a[x] === b[y]) { x++; y++; }
      reach.set(k, x);
      if (x >= a.length && y >= b.length) return trace(kept, a.length, b.length);
    }
  }
  return [];
}

function trace(kept, x, y) {
  const pairs = [];
  for (let edits = kept.length - 1; edits >= 0; edits--) {
    const reach = kept[edits], k = x - y;
    const down = k === -edits || (k !== edits && (reach.get(k - 1) ?? -1) < (reach.get(k + 1) ?? -1));
    const from = down ? k + 1 : k - 1;
    const startX = edits === 0 ? 0 : reach.get(from) ?? 0, startY = edits === 0 ? 0 : startX - from;
    while (x > startX && y > startY && x > 0 && y > 0) { x--; y--; pairs.push([x, y]); }
    if (edits === 0) break;
    x = startX;
    y = startY;
  }
  return pairs.reverse();
}

/**
 * Rows of a side-by-side view: { kind: 'same' | 'changed' | 'left' | 'right' | 'fold', a, b, left, right, count }.
 * `whole` shows the equal parts too.
 */
export function sideBySide(leftText, rightText, whole = false) {
  const a = leftText.split('\n').slice(0, LINES_MAX), b = rightText.split('\n').slice(0, LINES_MAX);
  const rows = [];
  let x = 0, y = 0;
  const gap = (toX, toY) => {
    while (x < toX || y < toY) {
      const left = x < toX, right = y < toY;
      rows.push({ kind: left && right ? 'changed' : left ? 'left' : 'right', a: left ? x + 1 : null, b: right ? y + 1 : null, left: left
        ? a[x] : '', right: right ? b[y] : '' });
      if (left) x++;
      if (right) y++;
    }
  };
  for (const [toX, toY] of equalPairs(a, b)) {
    gap(toX, toY);
    rows.push({ kind: 'same', a: x + 1, b: y + 1, left: a[x], right: b[y] });
    x++;
    y++;
  }
  gap(a.length, b.length);
  return whole ? rows : fold(rows);
}

function fold(rows) {
  const near = new Uint8Array(rows.length);
  rows.forEach((row, at) => {
    if (row.kind === 'same') return;
    for (let i = Math.max(0, at - AROUND); i <= Math.min(rows.length - 1, at + AROUND); i++) near[i] = 1;
  });
  const shown = [];
  for (let at = 0; at < rows.length; at++) {
    if (near[at]) { shown.push(rows[at]); continue; }
    const last = shown[shown.length - 1];
    if (last && last.kind === 'fold') last.count++;
    else shown.push({ kind: 'fold', count: 1 });
  }
  return shown;
}

export const changes = (rows) => rows.filter((row) => row.kind !== 'same' && row.kind !== 'fold').length;
