// A value that components can watch: the smallest thing between a global and a framework.

import { useEffect, useState } from './vendor/preact.js';

export function store(value) {
  const watchers = new Set();
  return {
    get value() { return value; },
    set(next) { value = next; for (const watch of watchers) watch(value); },
    watch(each) { watchers.add(each); return () => watchers.delete(each); },
  };
}

export function useStore(of) {
  const [, turn] = useState(0);
  const { value } = of;
  useEffect(() => {
    const next = () => turn((n) => n + 1);
    // It may have changed since this was drawn, before anybody watched.
    if (of.value !== value) next();
    return of.watch(next);
  }, [of]);
  return value;
}

/** What the browser keeps between visits; a browser that keeps nothing is no error. */
export const kept = {
  get(name) { try { return localStorage.getItem('weir.' + name); } catch { return null; } },
  set(name, value) {
    try { value == null ? localStorage.removeItem('weir.' + name) : localStorage.setItem('weir.' + name, value); } catch { /* private mode */ }
  },
};
