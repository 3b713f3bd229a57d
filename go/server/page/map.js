// The view Map: a point for each stored text, and one for a text that is not stored.

import { call, json, wait } from './api.js';
import { $, element, later, plural, say } from './dom.js';

// Okabe and Ito's colours, which people with any kind of colour vision tell apart; what there are more of has another shape.
const LIGHT = ['#0072b2', '#d55e00', '#009e73', '#b8579a', '#8a6d00', '#3f9fd0'];
const DARK = ['#56b4e9', '#f08a3c', '#2fc79a', '#e39ac6', '#f0e442', '#8fb4ff'];
const OTHER = ['#6b6b6b', '#a5a9af'];
const SHAPES = ['circle', 'triangle', 'ring', 'square'];
const MOST = LIGHT.length * SHAPES.length; // groups that can be told apart
const CLUSTERS = 8;

const dark = matchMedia('(prefers-color-scheme: dark)');
let searchNear; // shows the neighbours of an id
let points = [];
let groups = []; // of each point: an index of the palette
let names = [];
let revision;
let stored = 0;
let loading;
let placing;
let placed;     // where the text of the field lies
let chosen = -1; // the point that is read
let view = { x: 0, y: 0, scale: 1 };

export function start(near) {
  searchNear = near;
  const canvas = $('canvas');
  new ResizeObserver(draw).observe($('stage'));
  dark.addEventListener('change', () => { legend(); draw(); });
  for (const radio of document.getElementsByName('colour')) radio.addEventListener('change', () => { group(); draw(); });
  const soon = later(150, place);
  $('place-q').addEventListener('input', soon);
  $('place').addEventListener('submit', (event) => { event.preventDefault(); place(); });
  $('zoom-in').addEventListener('click', () => zoom(1.5));
  $('zoom-out').addEventListener('click', () => zoom(1 / 1.5));
  $('zoom-all').addEventListener('click', reset);
  canvas.addEventListener('wheel', (event) => {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 400), [event.offsetX, event.offsetY]);
  }, { passive: false });
  canvas.addEventListener('keydown', keys);
  canvas.addEventListener('blur', () => choose(-1));
  pointers(canvas);
}

/** How many texts there are; without any there is no map. */
export const setStored = (count) => { stored = count; };

export async function show() {
  $('map-empty').hidden = stored > 0;
  say($('map-error'));
  loading?.abort();
  loading = new AbortController();
  const { signal } = loading;
  try {
    for (;;) {
      const response = await call('/api/embeddings/map', { signal });
      const answer = await response.json();
      if (response.status !== 202) {
        take(answer);
        break;
      }
      $('making').hidden = points.length > 0;
      $('making-bar').value = answer.progress;
      $('map-state').textContent = `Making the map: ${Math.round(answer.progress * 100)} %`;
      await wait(0.3, signal);
    }
  } catch (error) {
    if (signal.aborted) return;
    $('map-state').textContent = '';
    say($('map-error'), error.message);
  }
  $('making').hidden = true;
}

function take(answer) {
  const changed = answer.revision !== revision;
  revision = answer.revision;
  points = answer.points;
  $('map-empty').hidden = points.length > 0;
  $('map-state').textContent = points.length < answer.total
    ? `${plural(points.length, 'text')}, a sample of ${plural(answer.total, 'text')}` : plural(points.length, 'text');
  group();
  if (changed) place();
  draw();
}

// Colours

function group() {
  const by = document.querySelector('input[name=colour]:checked').value;
  if (by === 'type') {
    const counts = new Map();
    for (const point of points) counts.set(point.source_type, (counts.get(point.source_type) ?? 0) + 1);
    const order = [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a) || (a < b ? -1 : 1));
    const place = new Map(order.map((type, i) => [type, Math.min(i, MOST)]));
    groups = points.map((point) => place.get(point.source_type));
    names = order.slice(0, MOST);
    if (order.length > MOST) names.push(plural(order.length - MOST, 'other'));
  } else {
    groups = clusters(points, Math.min(CLUSTERS, Math.ceil(points.length / 8)));
    names = Array.from({ length: groups.reduce((most, i) => Math.max(most, i + 1), 0) }, (_, i) => `Cluster ${i + 1}`);
  }
  legend();
}

/** k-means on the map. It begins with the points that are farthest from those before, so the same map has the same clusters. */
function clusters(all, k) {
  if (all.length === 0) return [];
  const squared = (a, b) => (a.x - b.x) ** 2 + (a.y - b.y) ** 2;
  const centres = [all.reduce((best, point) => (squared(point, { x: 0, y: 0 }) < squared(best, { x: 0, y: 0 }) ? point : best))];
  const near = all.map((point) => squared(point, centres[0]));
  while (centres.length < k) {
    const next = all[near.indexOf(near.reduce((most, value) => Math.max(most, value), 0))];
    centres.push(next);
    all.forEach((point, i) => { near[i] = Math.min(near[i], squared(point, next)); });
  }
  let found = [];
  for (let round = 0; round < 20; round += 1) {
    found = all.map((point) => centres.reduce((best, centre, i) => (squared(point, centre) < squared(point, centres[best]) ? i : best), 0));
    const sums = centres.map(() => ({ x: 0, y: 0, n: 0 }));
    all.forEach((point, i) => { const sum = sums[found[i]]; sum.x += point.x; sum.y += point.y; sum.n += 1; });
    sums.forEach(({ x, y, n }, i) => { if (n) centres[i] = { x: x / n, y: y / n }; });
  }
  return found;
}

/** How a group is drawn. */
const look = (group) => (group < MOST
  ? { colour: (dark.matches ? DARK : LIGHT)[group % LIGHT.length], shape: SHAPES[Math.floor(group / LIGHT.length)] }
  : { colour: OTHER[Number(dark.matches)], shape: 'circle' });

function legend() {
  $('legend').replaceChildren(...names.map((name, i) => {
    const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    svg.setAttribute('viewBox', '-7 -7 14 14');
    svg.setAttribute('aria-hidden', 'true');
    const { colour, shape } = look(i);
    const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
    path.setAttribute('d', outline(shape, 5.5));
    path.setAttribute('fill', shape === 'ring' ? 'none' : colour);
    path.setAttribute('stroke', shape === 'ring' ? colour : 'none');
    path.setAttribute('stroke-width', '2.5');
    svg.append(path);
    return element('li', '', svg, name);
  }));
}

function outline(shape, r) {
  const s = r * 0.85;
  return {
    circle: `M${-r} 0a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`,
    ring: `M${-r} 0a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`,
    square: `M${-s} ${-s}h${2 * s}v${2 * s}h${-2 * s}z`,
    triangle: `M0 ${-r * 1.15}L${r * 1.1} ${r * 0.85}H${-r * 1.1}z`,
  }[shape];
}

// Drawing

function frame() {
  const { clientWidth: width, clientHeight: height } = $('stage');
  return { width, height, unit: (Math.min(width, height) / 2 - 24) * view.scale };
}

const onScreen = (point, { width, height, unit } = frame()) => [width / 2 + (point.x - view.x) * unit, height / 2 - (point.y - view.y) * unit];

let scheduled = false;
function draw() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => { scheduled = false; drawNow(); });
}

function drawNow() {
  const canvas = $('canvas');
  const at = frame();
  if (at.width === 0) return;
  const density = devicePixelRatio || 1;
  canvas.width = at.width * density;
  canvas.height = at.height * density;
  const pen = canvas.getContext('2d');
  pen.scale(density, density);
  const size = Math.min(7, (points.length > 3000 ? 2.2 : points.length > 600 ? 3.2 : 4.6) * Math.sqrt(view.scale));
  const shapes = Object.fromEntries(SHAPES.map((shape) => [shape, new Path2D(outline(shape, size))]));
  const looks = names.map((_, i) => look(i));
  pen.globalAlpha = points.length > 2000 ? 0.65 : 0.85;
  points.forEach((point, i) => {
    const [x, y] = onScreen(point, at);
    if (x < -9 || y < -9 || x > at.width + 9 || y > at.height + 9) return;
    const { colour, shape } = looks[groups[i]];
    pen.setTransform(density, 0, 0, density, x * density, y * density);
    pen.fillStyle = pen.strokeStyle = colour;
    pen.lineWidth = size * 0.45;
    if (shape === 'ring') pen.stroke(shapes.ring); else pen.fill(shapes[shape]);
  });
  pen.setTransform(density, 0, 0, density, 0, 0);
  pen.globalAlpha = 1;
  const ink = getComputedStyle(document.body).color;
  if (placed) {
    const [x, y] = onScreen(placed, at);
    pen.strokeStyle = ink;
    pen.lineWidth = 2.5;
    pen.beginPath();
    pen.arc(x, y, 11, 0, 7);
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) { pen.moveTo(x + dx * 6, y + dy * 6); pen.lineTo(x + dx * 18, y + dy * 18); }
    pen.stroke();
    pen.font = '600 13px system-ui, sans-serif';
    pen.fillStyle = ink;
    const label = 'your text';
    const right = x + 24 + pen.measureText(label).width < at.width;
    pen.textAlign = right ? 'left' : 'right';
    pen.lineWidth = 4;
    pen.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue('--surface');
    pen.strokeText(label, x + (right ? 22 : -22), y + 4.5);
    pen.fillText(label, x + (right ? 22 : -22), y + 4.5);
  }
  if (chosen >= 0 && points[chosen]) {
    const [x, y] = onScreen(points[chosen], at);
    pen.strokeStyle = ink;
    pen.lineWidth = 2;
    pen.beginPath();
    pen.arc(x, y, size + 4, 0, 7);
    pen.stroke();
  }
  tip(at);
}

function tip(at) {
  const box = $('tip');
  const point = points[chosen];
  box.hidden = !point;
  if (!point) return;
  $('tip-text').textContent = point.text;
  $('tip-source').textContent = `${point.source_type} / ${point.source_id}`;
  const [x, y] = onScreen(point, at);
  const [width, height] = [box.offsetWidth, box.offsetHeight];
  box.style.left = `${Math.max(8, Math.min(at.width - width - 8, x + 16 + width > at.width ? x - width - 16 : x + 16))}px`;
  box.style.top = `${Math.max(8, Math.min(at.height - height - 8, y - height / 2))}px`;
}

// Moving about

function zoom(by, at) {
  const before = frame();
  const [x, y] = at ?? [before.width / 2, before.height / 2];
  const scale = Math.max(0.8, Math.min(60, view.scale * by));
  const grown = before.unit * (scale / view.scale);
  view.x += (x - before.width / 2) * (1 / before.unit - 1 / grown);
  view.y -= (y - before.height / 2) * (1 / before.unit - 1 / grown);
  view.scale = scale;
  draw();
}

function reset() {
  view = { x: 0, y: 0, scale: 1 };
  draw();
}

function choose(index) {
  if (index === chosen) return;
  chosen = index;
  $('canvas').classList.toggle('on', index >= 0);
  draw();
}

function under(x, y) {
  const at = frame();
  let [best, least] = [-1, 14 ** 2];
  points.forEach((point, i) => {
    const [px, py] = onScreen(point, at);
    const distance = (px - x) ** 2 + (py - y) ** 2;
    if (distance < least) [best, least] = [i, distance];
  });
  return best;
}

function open(index) {
  const point = points[index];
  if (point) searchNear(point.id, point.text);
}

function pointers(canvas) {
  const down = new Map();
  let moved = 0;
  canvas.addEventListener('pointerdown', (event) => {
    canvas.setPointerCapture(event.pointerId);
    down.set(event.pointerId, [event.offsetX, event.offsetY]);
    if (down.size === 1) moved = 0;
  });
  canvas.addEventListener('pointermove', (event) => {
    const last = down.get(event.pointerId);
    if (!last) { choose(under(event.offsetX, event.offsetY)); return; }
    const [dx, dy] = [event.offsetX - last[0], event.offsetY - last[1]];
    moved += Math.abs(dx) + Math.abs(dy);
    if (moved < 5) return;
    canvas.classList.add('moving');
    if (down.size === 2) {
      const [other] = [...down].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
      const spread = (at) => Math.hypot(at[0] - other[0], at[1] - other[1]);
      zoom(spread([event.offsetX, event.offsetY]) / Math.max(1, spread(last)), other);
    } else {
      const { unit } = frame();
      view.x -= dx / unit;
      view.y += dy / unit;
    }
    down.set(event.pointerId, [event.offsetX, event.offsetY]);
    draw();
  });
  const up = (event) => {
    down.delete(event.pointerId);
    if (down.size === 0) canvas.classList.remove('moving');
  };
  canvas.addEventListener('pointerup', (event) => {
    if (down.size === 1 && moved < 5) {
      const hit = under(event.offsetX, event.offsetY);
      // A finger cannot hover: its first touch reads, its second opens.
      if (event.pointerType === 'touch' && hit !== chosen) choose(hit); else open(hit);
    }
    up(event);
  });
  canvas.addEventListener('pointercancel', up);
  canvas.addEventListener('pointerleave', () => { if (down.size === 0 && document.activeElement !== canvas) choose(-1); });
}

const DIRECTIONS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === '+' || event.key === '=') zoom(1.5);
  else if (event.key === '-') zoom(1 / 1.5);
  else if (event.key === '0') reset();
  else if (event.key === 'Escape') choose(-1);
  else if (event.key === 'Enter') open(chosen);
  else if (DIRECTIONS[event.key]) step(DIRECTIONS[event.key]);
  else return;
  event.preventDefault();
}

/** Goes to the next point in a direction: near it, and not far aside. */
function step([dx, dy]) {
  const from = points[chosen] ?? { x: view.x - dx * 1e-9, y: view.y - dy * 1e-9 };
  let [best, least] = [-1, Infinity];
  points.forEach((point, i) => {
    const [x, y] = [point.x - from.x, point.y - from.y];
    const [ahead, aside] = [x * dx + y * dy, Math.abs(x * dy) + Math.abs(y * dx)];
    if (i === chosen || ahead <= 0) return;
    const cost = ahead + 2 * aside;
    if (cost < least) [best, least] = [i, cost];
  });
  if (best < 0) return;
  choose(best);
  const point = points[best];
  $('map-said').textContent = `${point.text} (${point.source_type} / ${point.source_id})`;
  const at = frame();
  const [x, y] = onScreen(point, at);
  if (x < 20 || y < 20 || x > at.width - 20 || y > at.height - 20) [view.x, view.y] = [point.x, point.y];
}

// A text that is not stored

async function place() {
  placing?.abort();
  placing = new AbortController();
  const { signal } = placing;
  const text = $('place-q').value.trim();
  if (!text || points.length === 0) {
    placed = undefined;
    draw();
    return;
  }
  try {
    const found = await json(`/api/embeddings/map/place?${new URLSearchParams({ q: text })}`, { signal });
    if (found.progress !== undefined) return; // the map is being made anew, and places it when it is there
    if (found.revision !== revision) { show(); return; }
    placed = found;
    say($('map-error'));
  } catch (error) {
    if (error.name === 'AbortError') return;
    placed = undefined;
    say($('map-error'), error.message);
  }
  draw();
}
