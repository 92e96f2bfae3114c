// Reading and changing JSON with comments as text: a change touches the bytes of its member and nothing else, so
// comments and order stay. What cannot be read is left to the server, which names the line.

/** A tree of { type, value, start, end, members: [{ name, start, value }], items }, or null for text that is no JSON. */
export function parse(text) {
  let at = 0;
  const wrong = () => { throw new SyntaxError('at ' + at); };
  const skip = () => {
    for (;;) {
      const rest = text.slice(at, at + 2);
      if (/^\s/.test(rest)) at++;
      else if (rest === '//') { const end = text.indexOf('\n', at); at = end < 0 ? text.length : end; }
      else if (rest === '/*') { const end = text.indexOf('*/', at + 2); if (end < 0) wrong(); at = end + 2; }
      else return;
    }
  };
  const string = () => {
    const start = at++;
    while (text[at] !== '"') { if (at >= text.length || text[at] === '\n') wrong(); at += text[at] === '\\' ? 2 : 1; }
    at++;
    return { type: 'string', start, end: at, value: JSON.parse(text.slice(start, at)) };
  };
  const value = () => {
    skip();
    const start = at;
    if (text[at] === '"') return string();
    if (text[at] === '{' || text[at] === '[') return within(text[at] === '{');
    const word = /^[-+\w.]+/.exec(text.slice(at, at + 64));
    if (!word) wrong();
    at += word[0].length;
    return { type: 'plain', start, end: at, value: JSON.parse(word[0]) };
  };
  const within = (named) => {
    const node = { type: named ? 'object' : 'array', start: at++, end: 0, members: [], items: [] };
    for (;;) {
      skip();
      if (text[at] === (named ? '}' : ']')) { at++; node.end = at; return node; }
      if (named) {
        if (text[at] !== '"') wrong();
        const name = string();
        skip();
        if (text[at++] !== ':') wrong();
        node.members.push({ name: name.value, start: name.start, value: value() });
      } else node.items.push(value());
      skip();
      if (text[at] === ',') at++;
      else if (text[at] !== (named ? '}' : ']')) wrong();
    }
  };
  try {
    const root = value();
    skip();
    return at === text.length ? root : null;
  } catch { return null; }
}

/** What the tree says, as plain values. */
export function plain(node) {
  if (!node) return undefined;
  if (node.type === 'object') return Object.fromEntries(node.members.map((member) => [member.name, plain(member.value)]));
  if (node.type === 'array') return node.items.map(plain);
  return node.value;
}

function find(node, path) {
  for (const step of path) {
    if (!node) return null;
    if (node.type === 'object') { const found = node.members.filter((member) => member.name === step).pop(); node = found && found.value; }
    else if (node.type === 'array') node = node.items[step];
    else return null;
  }
  return node || null;
}

/** The indent of the line that holds `at`. */
const indentAt = (text, at) => /^[ \t]*/.exec(text.slice(text.lastIndexOf('\n', at - 1) + 1))[0];

const written = (value, indent) => JSON.stringify(value, null, 2).replace(/\n/g, '\n' + indent);

/** The text with the member at `path` (names and places) set to `value`; `undefined` takes it away. null: unreadable. */
export function edit(text, path, value) {
  const root = parse(text);
  if (!root || root.type !== 'object') return null;
  const node = find(root, path);
  if (value === undefined) return node ? cut(text, root, path) : text;
  if (node) return text.slice(0, node.start) + written(value, indentAt(text, node.start)) + text.slice(node.end);
  let depth = path.length - 1;
  while (depth > 0 && !find(root, path.slice(0, depth))) depth--;
  const parent = find(root, path.slice(0, depth));
  if (!parent || parent.type !== 'object') return null;
  const inner = path.slice(depth + 1).reduceRight((held, name) => ({ [name]: held }), value);
  return add(text, parent, path[depth], inner);
}

function add(text, parent, name, value) {
  const outer = indentAt(text, parent.start), last = parent.members[parent.members.length - 1];
  const multiline = text.slice(parent.start, parent.end).includes('\n') || !last;
  const indent = last && multiline ? indentAt(text, last.start) : outer + '  ';
  const member = `${JSON.stringify(name)}: ${written(value, indent)}`;
  if (!last) {
    // Comments inside an empty object stay before the new member.
    const inside = text.slice(parent.start + 1, parent.end - 1);
    return `${text.slice(0, parent.start + 1)}${inside.trim() ? inside.trimEnd() : ''}\n${indent}${member}\n${outer}${text.slice(parent.end - 1)}`;
  }
  const comma = commaAfter(text, last.value.end);
  const place = comma ?? last.value.end;
  const rest = multiline ? lineComment(text, place) : place;
  const between = text.slice(place, rest);
  return `${text.slice(0, place)}${comma == null ? ',' : ''}${between}${multiline ? '\n' + indent : ' '}${member}${comma != null
    && multiline ? ',' : ''}${text.slice(rest)}`;
}

/** The offset behind the comma that follows `at`, over blanks and comments; null if there is none. */
function commaAfter(text, at) {
  const found = /^(?:\s|\/\/[^\n]*\n|\/\*[^]*?\*\/)*,/.exec(text.slice(at));
  return found ? at + found[0].length : null;
}

/** The end of a comment on the rest of the line of `at`, or `at`. */
function lineComment(text, at) {
  const found = /^[ \t]*(?:\/\/[^\n]*|\/\*[^\n]*?\*\/[ \t]*(?=\n))/.exec(text.slice(at));
  return found ? at + found[0].length : at;
}

function cut(text, root, path) {
  const parent = find(root, path.slice(0, -1)), last = path[path.length - 1];
  const all = parent.type === 'object' ? parent.members.map((member) => [member.name, member.start, member.value.end])
    : parent.items.map((item, place) => [place, item.start, item.end]);
  const place = all.findIndex(([name]) => name === last);
  const [, start, end] = all[place];
  const comma = commaAfter(text, end);
  let from = start, to = comma ?? end;
  if (comma == null && place > 0) {
    // The last member takes the comma before it along.
    const before = all[place - 1][2];
    from = before + text.slice(before, start).indexOf(',');
    return text.slice(0, from) + text.slice(from + 1, start).replace(/\s+$/, '') + text.slice(lineComment(text, to));
  }
  to = lineComment(text, to);
  const lineStart = text.lastIndexOf('\n', from - 1) + 1;
  if (!text.slice(lineStart, from).trim() && /^[ \t]*\n/.test(text.slice(to))) {
    from = lineStart;
    to = text.indexOf('\n', to) + 1;
  } else to += /^[ \t]*/.exec(text.slice(to))[0].length;
  return text.slice(0, from) + text.slice(to);
}
