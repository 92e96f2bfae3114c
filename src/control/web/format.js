// Numbers, times and sizes as people read them. Pure; the language comes from i18n.

import { lang } from './i18n.js';

const cached = new Map();
function format(options) {
  const key = lang.value + JSON.stringify(options);
  if (!cached.has(key)) cached.set(key, new Intl.NumberFormat(lang.value, options));
  return cached.get(key);
}

export const NONE = '–';
/** Between a number and its unit: a line does not break there. */
const GAP = '\u00a0';

export const whole = (n) => (n == null ? NONE : format({ maximumFractionDigits: 0 }).format(n));

/** 1234567 as 1.23 M: three digits that matter. */
export function short(n) {
  if (n == null || Number.isNaN(n)) return NONE;
  const size = Math.abs(n);
  if (size < 10000) return format({ maximumFractionDigits: size < 10 ? 1 : 0 }).format(n);
  for (const [unit, mark] of [[1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e3, 'k']]) {
    if (size >= unit) return format({ maximumSignificantDigits: 3 }).format(n / unit) + GAP + mark;
  }
  return String(n);
}

/** Dollars: cents for sums, more digits where a request costs less than a cent; all of them where many stand in a column. */
export function cost(n, all = false) {
  if (n == null) return NONE;
  if (n === 0) return '$0';
  const digits = n >= 100 ? 0 : n >= 0.1 ? 2 : n >= 0.001 ? 4 : 6;
  return '$' + format({ minimumFractionDigits: all ? digits : Math.min(2, digits), maximumFractionDigits: digits }).format(n);
}

export function ms(n) {
  if (n == null) return NONE;
  if (n < 1) return format({ maximumFractionDigits: 2 }).format(n) + GAP + 'ms';
  if (n < 10) return format({ maximumFractionDigits: 1 }).format(n) + GAP + 'ms';
  if (n < 1000) return Math.round(n) + GAP + 'ms';
  if (n < 60000) return format({ minimumFractionDigits: 1, maximumFractionDigits: n < 10000 ? 2 : 1 }).format(n / 1000) + GAP + 's';
  return span(n);
}

export const us = (n) => (n == null ? NONE : ms(n / 1000));

const UNITS = { en: ['d', 'h', 'min', 's'], 'zh-CN': ['天', '小时', '分', '秒'] };

/** A length of time in at most two units: 3 d 4 h. */
export function span(n) {
  const s = Math.max(0, Math.round(n / 1000));
  const parts = [Math.floor(s / 86400), Math.floor(s / 3600) % 24, Math.floor(s / 60) % 60, s % 60];
  const first = Math.min(3, parts.findIndex((part, at) => part || at === 3));
  return parts.slice(first, first + 2).map((part, at) => `${part} ${UNITS[lang.value][first + at]}`).join(' ');
}

export function bytes(n) {
  if (n == null) return NONE;
  if (n < 1024) return n + GAP + 'B';
  let unit = -1;
  do { n /= 1024; unit++; } while (n >= 1024 && unit < 3);
  return format({ maximumFractionDigits: n < 10 ? 1 : 0 }).format(n) + GAP + ['KiB', 'MiB', 'GiB', 'TiB'][unit];
}

export const percent = (part, all) =>
  !all ? NONE : format({ style: 'percent', maximumFractionDigits: part / all < 0.1 ? 1 : 0 }).format(part / all);

const two = (n) => String(n).padStart(2, '0');
export const clock = (t) => { const d = new Date(t); return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`; };
export const day = (t) => { const d = new Date(t); return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`; };
export const utcDay = (t) => new Date(t).toISOString().slice(0, 10);
export const moment = (t) => (t == null ? NONE : `${day(t)} ${clock(t)}`);
/** The clock alone where the day is today. */
export const when = (t) => (day(t) === day(Date.now()) ? clock(t) : moment(t).slice(5));
/** A moment of the API: milliseconds or RFC 3339. */
export const unixMs = (t) => (t == null ? null : typeof t === 'number' ? t : Date.parse(t));
