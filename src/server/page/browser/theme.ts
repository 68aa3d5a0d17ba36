import { element } from './dom.js';

const THEMES = ['auto', 'light', 'dark'] as const;
const LABELS = { auto: 'Theme: system', light: 'Theme: light', dark: 'Theme: dark' };
const KEY = 't2i-theme';

/** Applies the theme that was chosen last, and lets the button choose the next. */
export function startTheme(): void {
  const button = element('theme', HTMLButtonElement);
  let current = THEMES.find((theme) => theme === localStorage.getItem(KEY)) ?? 'auto';
  const apply = () => {
    document.documentElement.dataset.theme = current;
    button.textContent = LABELS[current];
  };
  button.addEventListener('click', () => {
    current = THEMES[(THEMES.indexOf(current) + 1) % THEMES.length] ?? 'auto';
    localStorage.setItem(KEY, current);
    apply();
  });
  apply();
}
