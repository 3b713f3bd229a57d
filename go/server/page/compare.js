// The view Compare: how similar some sentences are, each with each.

import { json } from './api.js';
import { $, element, later, plural, say } from './dom.js';

const MOST = 12;
const EXAMPLES = ['The cat sleeps on the sofa.', 'A kitten is napping on the couch.', 'My dog barks at the postman.',
  'Interest rates rose again this quarter.', 'The central bank has made borrowing dearer.'];

let running;
let model = '';

export function start() {
  $('sentences').value = EXAMPLES.join('\n');
  $('sentences').addEventListener('input', later(200, compare));
}

export const setModel = (name) => { model = name; };

export function show() {
  if ($('matrix-scroll').hidden) compare();
}

async function compare() {
  running?.abort();
  running = new AbortController();
  const lines = $('sentences').value.split('\n').map((line) => line.trim()).filter(Boolean);
  const texts = lines.slice(0, MOST);
  say($('compare-error'));
  if (texts.length < 2) {
    draw([], []);
    $('compare-state').textContent = 'Two sentences or more can be compared.';
    return;
  }
  try {
    const begun = performance.now();
    const { data } = await json('/v1/embeddings', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ model, input: texts }),
      signal: running.signal,
    });
    draw(texts, data.map((one) => unit(one.embedding)));
    $('compare-state').textContent = `${plural(texts.length, 'sentence')} in ${(performance.now() - begun).toFixed(0)} ms` +
      (lines.length > MOST ? `; the first ${MOST} of ${lines.length}` : '');
  } catch (error) {
    if (error.name === 'AbortError') return;
    draw([], []);
    $('compare-state').textContent = '';
    say($('compare-error'), error.message);
  }
}

function unit(vector) {
  const length = Math.hypot(...vector) || 1;
  return vector.map((x) => x / length);
}

function draw(texts, vectors) {
  $('matrix-scroll').hidden = $('scale').hidden = texts.length === 0;
  const [head, body] = [$('matrix').tHead, $('matrix').tBodies[0]];
  const column = (i) => Object.assign(element('th', '', String(i + 1)), { scope: 'col' });
  head.replaceChildren(element('tr', '', element('td', 'corner'), ...texts.map((_, i) => column(i))));
  head.firstChild.firstChild.hidden = texts.length === 0;
  body.replaceChildren(...texts.map((text, i) => {
    const name = Object.assign(element('th', '', element('span', '', String(i + 1)), text), { scope: 'row' });
    return element('tr', '', name, ...vectors.map((other) => cell(vectors[i].reduce((sum, x, k) => sum + x * other[k], 0))));
  }));
}

function cell(similarity) {
  const share = Math.max(0, Math.min(1, similarity));
  const made = element('td', share > 0.785 ? 'strong stronger' : share > 0.61 ? 'strong' : '', similarity.toFixed(2).replace('-0.00', '0.00'));
  made.style.setProperty('--share', share);
  return made;
}
