// Files that are dropped onto the page or chosen: their lines are sent as they are read, a piece at a time, so that a file of any
// size fits. A browser streams a request's body over HTTP/2 only, so each piece is a request of the route that takes streams.

import { call, wait } from './api.js';
import { $, element, number, plural, say } from './dom.js';

const PIECE_LINES = 128;
const PIECE_CHARACTERS = 200_000;
const ERRORS_SHOWN = 20;

let stopping;
let queue = Promise.resolve();

/** `done` is called when texts were added. */
export function start(done) {
  let inside = 0;
  const files = (event) => [...(event.dataTransfer?.types ?? [])].includes('Files');
  addEventListener('dragenter', (event) => { if (files(event)) { inside += 1; $('dropping').hidden = false; } });
  addEventListener('dragleave', (event) => { if (files(event)) { inside = Math.max(0, inside - 1); $('dropping').hidden = inside === 0; } });
  addEventListener('dragover', (event) => { if (files(event)) event.preventDefault(); });
  addEventListener('drop', (event) => {
    inside = 0;
    $('dropping').hidden = true;
    if (!files(event)) return;
    event.preventDefault();
    addAll(event.dataTransfer.files, done);
  });
  for (const id of ['add', 'empty-add']) $(id).addEventListener('click', () => $('file').click());
  $('file').addEventListener('change', () => { addAll($('file').files, done); $('file').value = ''; });
  $('import-stop').addEventListener('click', () => { if (stopping) stopping.abort(); else $('import').hidden = true; });
}

function addAll(files, done) {
  for (const file of [...files]) queue = queue.then(() => add(file, done)).catch((error) => console.error(error));
}

async function add(file, done) {
  stopping = new AbortController();
  const { signal } = stopping;
  const counts = { inserted: 0, replaced: 0, unchanged: 0, failed: 0 };
  $('import').hidden = false;
  $('import-name').textContent = file.name;
  $('import-errors').replaceChildren();
  $('import-stop').textContent = 'Stop';
  $('import-bar').value = 0;
  $('import-state').textContent = 'Reading…';
  let ended = '';
  try {
    for await (const { items, share } of pieces(file)) {
      await send(items, counts, signal);
      $('import-bar').value = share;
      $('import-state').textContent = told(counts);
    }
    ended = counts.inserted + counts.replaced + counts.unchanged + counts.failed ? 'Done: ' : 'The file has no texts. ';
    $('import-bar').value = 1;
  } catch (error) {
    ended = signal.aborted ? 'Stopped: ' : 'Not finished: ';
    if (!signal.aborted) problem(error.message);
  }
  stopping = undefined;
  $('import-state').textContent = ended + told(counts);
  $('import-stop').textContent = 'Close';
  done();
}

function told(counts) {
  const parts = [];
  if (counts.inserted || !(counts.replaced || counts.unchanged || counts.failed)) parts.push(`${plural(counts.inserted, 'text')} added`);
  if (counts.replaced) parts.push(`${number.format(counts.replaced)} replaced`);
  if (counts.unchanged) parts.push(`${number.format(counts.unchanged)} there already`);
  if (counts.failed) parts.push(`${number.format(counts.failed)} refused`);
  return `${parts.join(', ')}.`;
}

function problem(text) {
  if ($('import-errors').childElementCount < ERRORS_SHOWN) $('import-errors').append(element('li', '', text));
}

/** A file's lines as items, some at a time, and what share of the file they and those before them are. */
async function* pieces(file) {
  const reader = file.stream().getReader();
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const reading = { name: file.name, line: 0, structured: /\.(jsonl|ndjson)$/i.test(file.name) || undefined };
  let [rest, read, decoded, used, items, characters] = ['', 0, 0, 0, [], 0];
  // Of what is not decoded yet a byte is taken for a character.
  const share = () => Math.min(1, used / Math.max(1, decoded + file.size - read));
  for (let more = true; more;) {
    const { done, value } = await reader.read();
    more = !done;
    read += value?.length ?? 0;
    try {
      const text = decoder.decode(value, { stream: more });
      decoded += text.length;
      rest += text;
    } catch {
      throw new Error(`Near line ${reading.line + 1} the file is not UTF-8.`);
    }
    const lines = rest.split(/\r?\n/);
    rest = more ? lines.pop() : '';
    for (const line of lines) {
      reading.line += 1;
      used += line.length + 1;
      const item = itemOf(line, reading);
      if (!item) continue;
      items.push(item);
      characters += line.length;
      if (items.length >= PIECE_LINES || characters >= PIECE_CHARACTERS) {
        yield { items, share: share() };
        [items, characters] = [[], 0];
      }
    }
  }
  if (items.length) yield { items, share: share() };
}

/** A line's item, and which line it is. Lines of JSON may leave out their source: it is the file and the line then. */
function itemOf(line, reading) {
  if (!line.trim()) return undefined;
  const own = { source_type: reading.name, source_id: String(reading.line) };
  if (reading.structured !== false) {
    try {
      const value = JSON.parse(line);
      if (value && typeof value === 'object' && !Array.isArray(value)) {
        reading.structured = true;
        return { line: reading.line, item: JSON.stringify({ ...own, ...value }) };
      }
    } catch { /* it is not JSON: the server says what is wrong with it, or it is a line of text */ }
    if (reading.structured) return { line: reading.line, item: line };
    reading.structured = false;
  }
  return { line: reading.line, item: JSON.stringify({ ...own, text: line.trim() }) };
}

async function send(items, counts, signal) {
  const body = items.map(({ item }) => `${item}\n`).join('');
  let response;
  for (;;) {
    try {
      response = await call('/api/embeddings/batch', { method: 'POST', headers: { 'Content-Type': 'application/x-ndjson' }, body, signal });
      break;
    } catch (error) {
      if (error.status !== 429) throw error;
      $('import-state').textContent = `The server asks to wait ${plural(error.retryAfter, 'second')}. ${told(counts)}`;
      await wait(error.retryAfter, signal);
    }
  }
  let whole = false;
  for (const line of (await response.text()).split('\n').filter(Boolean)) {
    const answer = JSON.parse(line);
    if (answer.done !== undefined) {
      if (answer.error) throw new Error(answer.error.detail);
      whole = answer.done;
    } else {
      counts[answer.status] += 1;
      if (answer.error) problem(`Line ${items[answer.line - 1].line}: ${answer.error.detail}`);
    }
  }
  if (!whole) throw new Error('The server did not answer to the end.');
  say($('import-state'), told(counts));
}
