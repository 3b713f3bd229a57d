// The view Search: as you type, by meaning or by words too, or what is near a stored text.

import { json } from './api.js';
import { $, element, later, plural, say } from './dom.js';

let running; // the controller of the request that is on its way
let like;    // the id whose neighbours are shown, in place of words
let stored = 0;

export function start() {
  const soon = later(120, search);
  $('q').addEventListener('input', () => { leaveLike(); soon(); });
  $('search').addEventListener('submit', (event) => { event.preventDefault(); search(); });
  for (const id of ['type', 'threshold', 'filter']) $(id).addEventListener('input', () => { showFilters(); soon(); });
  for (const id of ['hybrid', 'limit']) $(id).addEventListener('change', () => { showFilters(); search(); });
  $('like-end').addEventListener('click', () => { leaveLike(); search(); $('q').focus(); });
}

/** How many texts there are: without any, the view says how to get some. */
export function setStored(count) {
  stored = count;
  if (!like && !$('q').value.trim()) search();
  if (stored > 0) offerTypes();
}

export const show = () => { if (matchMedia('(hover: hover)').matches) $('q').focus(); };

/** Shows the neighbours of a stored text. */
export function neighbours(id, text) {
  like = id;
  $('like-text').textContent = text;
  $('like').hidden = false;
  $('q').value = '';
  search();
}

function leaveLike() {
  like = undefined;
  $('like').hidden = true;
}

async function offerTypes() {
  const { rows } = await json('/api/embeddings/rows?limit=500').catch(() => ({ rows: [] }));
  const types = [...new Set(rows.map((row) => row.source_type))].sort();
  $('types').replaceChildren(...types.map((type) => Object.assign(document.createElement('option'), { value: type })));
}

function showFilters() {
  $('threshold-is').value = Number($('threshold').value).toFixed(2);
  const set = [$('type').value.trim(), $('filter').value.trim(), $('threshold').value !== '0.3', $('limit').value !== '20'];
  say($('filters-set'), set.filter(Boolean).length || '');
}

function filter() {
  const parts = [];
  if ($('type').value.trim()) parts.push(['=', 'source_type', $('type').value.trim()]);
  const written = $('filter').value.trim();
  if (written) {
    try {
      parts.push(JSON.parse(written));
    } catch {
      throw new Error('The filter is no JSON yet, such as ["=", "source_type", "manual"].');
    }
  }
  return parts.length > 1 ? ['and', ...parts] : parts[0];
}

async function search() {
  running?.abort();
  const query = $('q').value.trim();
  const asked = query || like;
  $('empty').hidden = asked || stored > 0;
  $('idle').hidden = asked || stored === 0;
  say($('search-error'));
  $('none').hidden = true;
  if (!asked) {
    $('results').replaceChildren();
    $('took').textContent = '';
    return;
  }
  running = new AbortController();
  const signal = running.signal;
  const hybrid = $('hybrid').checked && !like;
  try {
    const parameters = new URLSearchParams({ limit: $('limit').value, threshold: $('threshold').value });
    parameters.set(like ? 'like' : 'q', like ?? query);
    if (hybrid) parameters.set('mode', 'hybrid'); else parameters.set('details', 'true');
    const narrowed = filter();
    if (narrowed) parameters.set('filter', JSON.stringify(narrowed));
    const begun = performance.now();
    const found = await json(`/api/search/semantic?${parameters}`, { signal });
    const took = performance.now() - begun;
    const words = telling(query);
    $('results').replaceChildren(...found.results.map((result) => item(result, words, hybrid)));
    $('none').hidden = found.results.length > 0;
    $('took').textContent = `${plural(found.results.length, 'result')} in ${took.toFixed(0)} ms ` +
      `(${like ? '' : `embedding ${found.stats.inference_ms.toFixed(1)}, `}search ${found.stats.search_ms.toFixed(1)})`;
  } catch (error) {
    if (error.name === 'AbortError') return;
    $('results').replaceChildren();
    $('took').textContent = '';
    say($('search-error'), error.message);
  }
}

function item(result, words, hybrid) {
  const share = element('i');
  share.style.setProperty('--share', Math.max(0, Math.min(1, result.similarity)));
  const bar = element('div', 'bar', share);
  bar.setAttribute('aria-hidden', 'true');
  const score = element('div', 'score', element('b', '', result.similarity.toFixed(3)), element('span', 'unseen', ' similarity'), bar);
  const text = element('p', 'text', ...marked(result.text, words));
  const about = element('p', 'about', element('span', '', `${result.source_type} / ${result.source_id}`));
  if (result.chunk > 0 || result.chunk_end > 0) about.append(element('span', '', `part ${result.chunk + 1}`));
  if (hybrid) {
    const ranks = [['meaning', result.vector_rank], ['words', result.words_rank]].filter(([, rank]) => rank > 0);
    about.append(...ranks.map(([by, rank]) => element('span', '', `${by} #${rank}`)));
  }
  const near = element('button', 'quiet', 'More like this');
  near.type = 'button';
  near.addEventListener('click', () => { neighbours(result.id, result.text); scrollTo({ top: 0 }); });
  about.append(near);
  return element('li', '', score, element('div', '', text, about));
}

/** The words of a query that are marked: of three letters or fewer only where there are no others, or every "the" would be. */
function telling(query) {
  const words = split(query).map((part) => part.word).filter(Boolean);
  const long = words.filter((word) => word.length > 3);
  return new Set(long.length ? long : words);
}

/** A text in parts: words, folded as they are compared, and what is between them. */
function split(text) {
  return text.split(/([\p{L}\p{N}\p{M}]+)/u).map((part, i) => (
    { part, word: i % 2 ? part.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase() : '' }));
}

function marked(text, words) {
  return split(text).map(({ part, word }) => (word && words.has(word) ? element('mark', '', part) : part));
}
