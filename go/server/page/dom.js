// Elements: whatever comes from a user or the store is text, and never markup.

export const $ = (id) => document.getElementById(id);

/** An element with a class and children, which are elements or text. */
export function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/** Shows a text, or hides the element where there is none. */
export function say(where, text) {
  where.textContent = text ?? '';
  where.hidden = !text;
}

/** Calls a function when it has not been asked for during so many milliseconds. */
export function later(milliseconds, act) {
  let timer;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(act, milliseconds, ...given);
  };
}

export const number = new Intl.NumberFormat('en');
export const plural = (count, one, many = `${one}s`) => `${number.format(count)} ${count === 1 ? one : many}`;
