// Charts over time. uPlot draws; this file gives it the page's colours and the size of its place, and tells the values
// under the pointer, or under the place that the arrow keys have moved to. The library is a classic script, so it is loaded when the first chart is shown.

import { html, useEffect, useMemo, useRef, useState } from './vendor/preact.js';
import { clock, utcDay } from './format.js';
import { t } from './i18n.js';

// Told apart by hue and by lightness, on both grounds.
const COLOURS = ['#2a7f9e', '#d0893b', '#6b8f4e', '#a05a86', '#5a6fb5', '#b8564a', '#3f9b8c', '#8a7a52'];
const REST = '#8d9299';
export const colour = (at) => (at < COLOURS.length ? COLOURS[at] : REST);
export const SERIES_MAX = COLOURS.length;
/** Beyond so many moments a line tells enough by itself. */
const POINTS_MAX = 60;

let loading = null;
function load() {
  loading ||= new Promise((done, fail) => {
    const base = new URL('.', import.meta.url);
    const sheet = document.createElement('link');
    sheet.rel = 'stylesheet';
    sheet.href = new URL('vendor/uplot.css', base);
    const script = document.createElement('script');
    script.src = new URL('vendor/uplot.js', base);
    script.onload = () => done(window.uPlot);
    script.onerror = () => { loading = null; fail(new Error('uplot')); };
    document.head.append(sheet, script);
  });
  return loading;
}

const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Each series on top of those before it. */
function stack(rows) {
  const sums = [];
  let under = rows[0] && rows[0].map(() => 0);
  for (const row of rows) {
    under = row.map((value, at) => (value || 0) + under[at]);
    sums.push(under);
  }
  return sums;
}

/** Half a step of room on both sides: for bars, and for the names of the first and the last one. */
function edges(low, high, times) {
  const half = times.length > 1 ? (times[1] - times[0]) / 2000 : 43200;
  return [low - half, high + half];
}

/** As many of the days as have room for their names. */
const some = (times, width) => {
  const each = Math.max(1, Math.ceil((times.length * 64) / Math.max(64, width)));
  return times.filter((_, at) => at % each === 0).map((time) => time / 1000);
};

function options(uPlot, { times, series, stacked, bars, form, daily, height, onHover }, width) {
  const line = ink('--line'), soft = ink('--faint');
  const axis = { stroke: soft, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: '11px ' + ink('--sans') };
  const path = bars ? uPlot.paths.bars({ size: [0.72, 60], align: 0 }) : undefined;
  const drawn = stacked ? series.map((_, at) => series.length - 1 - at) : series.map((_, at) => at);
  return {
    width, height, padding: [8, 16, 0, 0], legend: { show: false },
    cursor: { y: false, points: { show: !bars }, drag: { x: false, y: false } },
    scales: { x: { time: true, range: (_, low, high) => edges(low, high, times) },
      y: { range: (_, low, high) => [Math.min(0, low || 0), (high || 1) * 1.06] } },
    axes: [
      { ...axis, grid: { show: false }, size: 26, space: 70, splits: daily ? (plot) => some(times, plot.width) : undefined,
        values: (_, at) => at.map((s) => (daily ? utcDay(s * 1000).slice(5) : clock(s * 1000).slice(0, 5))) },
      { ...axis, size: 56, values: (_, at) => at.map(form) },
    ],
    series: [{}, ...drawn.map((at) => ({
      label: series[at].name, stroke: series[at].colour, width: bars ? 0 : 1.6,
      fill: bars ? series[at].colour : stacked ? series[at].colour + '55' : undefined,
      // A line of one point would be nothing.
      paths: path, points: { show: !bars && times.length <= POINTS_MAX, size: 6, fill: series[at].colour },
    }))],
    hooks: { setCursor: [(plot) => onHover(plot.cursor.left < 0 ? null : plot.cursor.idx ?? null, plot)] },
  };
}

/** `times` in ms; `series`: [{ name, colour, values }]. The legend tells the values under the pointer. */
export function Chart({ times, series, stacked, bars, form = String, daily, height = 200, label }) {
  const place = useRef();
  const [at, setAt] = useState(null);
  const [turn, setTurn] = useState(0);
  const drawn = useMemo(() => {
    const rows = series.map((one) => one.values);
    const data = stacked ? stack(rows).reverse() : rows;
    return [times.map((time) => time / 1000), ...data];
  }, [times, series, stacked]);
  useEffect(() => {
    const again = () => setTurn((n) => n + 1);
    const dark = matchMedia('(prefers-color-scheme: dark)');
    addEventListener('weir-theme', again);
    dark.addEventListener('change', again);
    return () => { removeEventListener('weir-theme', again); dark.removeEventListener('change', again); };
  }, []);
  const shape = series.map((one) => one.name + one.colour).join('|');
  const plot = useRef(null);
  useEffect(() => {
    let gone = false, watch = null;
    load().then((uPlot) => {
      if (gone) return;
      const width = () => Math.max(120, place.current.clientWidth - 16);
      plot.current = new uPlot(options(uPlot, { times, series, stacked, bars, form, daily, height, onHover: setAt }, width()), drawn, place.current);
      watch = new ResizeObserver(() => plot.current && plot.current.setSize({ width: width(), height }));
      watch.observe(place.current);
    }, () => {});
    return () => { gone = true; if (watch) watch.disconnect(); if (plot.current) plot.current.destroy(); plot.current = null; };
  }, [shape, stacked, bars, daily, height, turn, form]);
  useEffect(() => { if (plot.current) plot.current.setData(drawn); }, [drawn]);
  const step = (event) => {
    const way = { ArrowLeft: -1, ArrowRight: 1, Home: -times.length, End: times.length }[event.key];
    if (event.key === 'Escape') { setAt(null); return; }
    if (!way || !plot.current) return;
    event.preventDefault();
    const next = Math.max(0, Math.min(times.length - 1, (at == null ? (way < 0 ? times.length : -1) : at) + way));
    plot.current.setCursor({ left: plot.current.valToPos(times[next] / 1000, 'x'), top: 0 });
  };
  const known = at != null && times[at] != null;
  return html`<figure role="group" aria-label=${label} tabindex="0" onKeyDown=${step} onBlur=${() => setAt(null)}>
    <div class="chart" ref=${place}>${known ? html`<${Tip} at=${at} time=${times[at]} series=${series} stacked=${stacked} form=${form} daily=${daily}
      plot=${plot.current} />` : null}</div>
    <ul class="legend">
      ${series.map((one) => html`<li key=${one.name}><${Swatch} colour=${one.colour} />${one.name}</li>`)}
    </ul></figure>`;
}

const Swatch = ({ colour: fill }) => html`<svg viewBox="0 0 9 9" aria-hidden="true"><rect width="9" height="9" rx="2" fill=${fill} /></svg>`;

/** The values of one moment beside the pointer, on the side where there is room. */
function Tip({ at, time, series, stacked, form, daily, plot }) {
  const left = plot ? plot.valToPos(time / 1000, 'x') + plot.bbox.left / devicePixelRatio + 8 : 0;
  const right = plot && left > plot.width / 2;
  const rows = series.filter((one) => one.values[at] != null && (!stacked || one.values[at]));
  const sum = rows.reduce((all, one) => all + one.values[at], 0);
  return html`<div class=${'tip' + (right ? ' right' : '')} style=${{ left: `${left}px` }} role="status">
    <strong>${daily ? utcDay(time) : clock(time).slice(0, 5)}</strong>
    <dl>${rows.slice().reverse().map((one) => html`<dt key=${one.name}><${Swatch} colour=${one.colour} />${one.name}</dt>
      <dd>${form(one.values[at])}</dd>`)}
      ${stacked && rows.length > 1 ? html`<dt class="sum">${t('total')}</dt><dd class="sum">${form(sum)}</dd>` : null}</dl></div>`;
}

/** A rate over the last minutes, without axes: the shape is what it tells. */
export function Spark({ values, max, label }) {
  const top = Math.max(1, ...values) * 1.1, width = Math.max(2, max);
  const from = width - values.length;
  const points = values.map((value, at) => `${from + at},${(40 - (value / top) * 38).toFixed(2)}`);
  const line = points.length > 1 ? 'M' + points.join('L') : '';
  return html`<svg class="spark" viewBox=${`0 0 ${width - 1} 40`} preserveAspectRatio="none" role="img" aria-label=${label}>
    ${line ? html`<path class="under" d=${`${line}L${width - 1},40L${from},40Z`} /><path d=${line} />` : null}</svg>`;
}
