/**
 * The element of the page with this id, as the class that it has in index.html.
 *
 * @throws Error where index.html has none
 */
export function element<T extends HTMLElement>(id: string, kind: abstract new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`index.html has no ${kind.name} with the id ${id}`);
  return found;
}

/** A new element; strings become text, never markup. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Partial<HTMLElementTagNameMap[K]> = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const created = Object.assign(document.createElement(tag), properties);
  created.append(...children);
  return created;
}

/** One radio button of a row of them, with its label. */
export function choice(name: string, value: string, label: string): HTMLLabelElement {
  return make('label', {}, make('input', { type: 'radio', name, value }), make('span', {}, label));
}
