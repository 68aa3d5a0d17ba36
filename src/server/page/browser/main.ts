import { Api } from './api.js';
import { type Capabilities, loadCapabilities } from './capabilities.js';
import { element } from './dom.js';
import { watchForImages } from './drop.js';
import { HistoryStore, type StoredImage } from './history-store.js';
import { HistoryView } from './history-view.js';
import { settingsOfImage } from './image-settings.js';
import { TabKey } from './key.js';
import { RequestForm } from './request-form.js';
import { ShownImage } from './shown-image.js';
import { Sketching } from './sketching.js';
import { Stage } from './stage.js';
import { Studio } from './studio.js';
import { startTheme } from './theme.js';

startTheme();
const key = new TabKey();
const api = new Api(key);
const stage = new Stage();
try {
  const capabilities = await loadCapabilities(api);
  // Browsers keep nothing for pages of some private windows.
  const history = new HistoryView(await HistoryStore.open().catch(() => null));
  start(capabilities, history, await history.load());
} catch (error) {
  stage.say(`The page cannot start: ${error instanceof Error ? error.message : error}. Reload it to try again.`);
}

/** @param newest image of the history, null where it is empty */
function start(capabilities: Capabilities, history: HistoryView, newest: StoredImage | null): void {
  const form = new RequestForm(capabilities);
  const shown = new ShownImage(() => key.key !== null);
  const studio = new Studio({ api, form, stage, shown, history });
  const sketching = new Sketching(form, (seed) => studio.sketch(seed));

  form.watch(
    () => {
      sketching.stop();
      studio.draw();
    },
    () => sketching.edited(),
  );
  history.watch({ chosen: (drawn) => studio.choose(drawn), gone: (drawn) => studio.forget(drawn) });
  watchForImages(async (file) => {
    const found = await settingsOfImage(file);
    if (found) studio.reuse(found);
    else stage.say(`${file.name} carries no settings.`);
  });
  element('reuse', HTMLButtonElement).addEventListener('click', () => {
    if (studio.shown) studio.reuse(studio.shown.settings);
  });
  element('remove', HTMLButtonElement).addEventListener('click', () => void studio.remove());
  if (newest) studio.choose(newest);
  describe(capabilities);
  // A small screen has no room for the settings, nor for the keyboard that a field with the focus brings up.
  if (!matchMedia('(width > 52rem)').matches) return;
  element('settings', HTMLDetailsElement).open = true;
  form.focus();
}

/** What draws here. */
function describe({ models }: Capabilities): void {
  element('where', HTMLElement).textContent = models.length === 1 ? models[0].id : `${models.length} models`;
}
