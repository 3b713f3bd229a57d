// Calls of the server: the key, and errors with what the server says of them.

const KEY = 'qntx-embed-key';

export class Refused extends Error {
  constructor(status, kind, detail, retryAfter) {
    super(detail);
    this.status = status;
    this.kind = kind;
    this.retryAfter = retryAfter;
  }
}

export const key = {
  get: () => sessionStorage.getItem(KEY) ?? '',
  set: (value) => sessionStorage.setItem(KEY, value),
};

/** Calls a route. The answer is a Response of status 2xx; anything else is thrown. */
export async function call(path, options = {}) {
  const headers = new Headers(options.headers);
  if (key.get()) headers.set('Authorization', `Bearer ${key.get()}`);
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Refused(0, 'unreachable', 'The server does not answer. Is it still running?');
  }
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  const detail = problem.detail ?? problem.error?.message ?? `The server answers ${response.status}.`;
  const kind = problem.type?.split(':').pop() ?? problem.error?.code ?? '';
  const refused = new Refused(response.status, kind, detail, Number(response.headers.get('Retry-After')) || 1);
  if (refused.status === 401) document.dispatchEvent(new CustomEvent('key-wanted', { detail: refused }));
  throw refused;
}

export async function json(path, options) {
  return (await call(path, options)).json();
}

export const wait = (seconds, signal) => new Promise((resolve, reject) => {
  const timer = setTimeout(resolve, seconds * 1000);
  signal?.addEventListener('abort', () => { clearTimeout(timer); reject(signal.reason); }, { once: true });
});
