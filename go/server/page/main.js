// The page: which view is shown, what the server is, the key.

import { json, key } from './api.js';
import { $, element, plural, say } from './dom.js';
import * as compare from './compare.js';
import * as files from './files.js';
import * as map from './map.js';
import * as search from './search.js';

const views = { search, map, compare };
let usable = false;

/** What keeps the page from being of use, as a person can mend it. */
const notices = {
  'not-compiled': ['This build has no native library',
    'It was compiled without the tag rustembeddings, or without cgo, so it can neither embed nor search. Build it with the tag:',
    'make build\ngo build -tags rustembeddings ./cmd/qntx-embed'],
  'not-available': ['The model is not available', 'The server runs, but it could not open its model. The reason is in its log.'],
  unauthorized: ['A key is needed', 'This server answers only who shows a key. Whoever runs it can give you one.'],
  unreachable: ['The server does not answer', 'It may have been stopped, or be starting.'],
};

function current() {
  const name = location.hash.slice(1);
  return Object.hasOwn(views, name) ? name : 'search';
}

function route() {
  const name = current();
  for (const other of Object.keys(views)) $(`view-${other}`).hidden = !usable || other !== name;
  for (const link of document.querySelectorAll('nav a')) {
    if (link.hash === `#${name}`) link.setAttribute('aria-current', 'page'); else link.removeAttribute('aria-current');
  }
  if (usable) views[name].show();
}

function notice(error) {
  usable = false;
  const [title, text, code] = notices[error.kind] ?? ['The server has a problem', error.message];
  $('notice').hidden = false;
  $('notice-title').textContent = title;
  $('notice-text').textContent = text;
  $('notice-code').hidden = !code;
  $('notice-code').firstChild.textContent = code ?? '';
  $('notice-again').textContent = error.kind === 'unauthorized' ? 'Enter a key' : 'Try again';
  $('notice-again').onclick = error.kind === 'unauthorized' ? () => askKey() : () => refresh();
  $('add').hidden = true;
  say($('state'));
  route();
}

/** Asks what there is, and shows it. */
async function refresh() {
  let info;
  try {
    info = await json('/api/embeddings/info');
  } catch (error) {
    notice(error);
    return;
  }
  const first = !usable;
  usable = true;
  $('notice').hidden = true;
  $('key-open').hidden = !key.get();
  $('add').hidden = info.rows === null;
  $('state').hidden = false;
  $('state').replaceChildren(info.rows === null ? 'no store' : plural(info.rows, 'text'), element('span', 'model', ` · ${info.model.name}`));
  compare.setModel(info.model.name);
  search.setStored(info.rows ?? 0);
  map.setStored(info.rows ?? 0);
  if (first) route(); else if (current() === 'map') map.show();
}

function askKey(problem) {
  say($('key-error'), problem);
  if (!$('key-dialog').open) $('key-dialog').showModal();
  $('key').focus();
}

$('key-open').addEventListener('click', () => askKey());
$('key-cancel').addEventListener('click', () => $('key-dialog').close());
$('key-form').addEventListener('submit', (event) => {
  event.preventDefault();
  key.set($('key').value.trim());
  $('key').value = '';
  $('key-dialog').close();
  refresh();
});
document.addEventListener('key-wanted', (event) => askKey(key.get() ? event.detail.message : ''));

addEventListener('hashchange', route);
search.start();
compare.start();
files.start(refresh);
map.start((id, text) => {
  location.hash = '#search';
  search.neighbours(id, text);
});
refresh();
