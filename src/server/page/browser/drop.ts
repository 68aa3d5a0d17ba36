import { element } from './dom.js';

/** Calls back with every image file that is dropped on the page, pasted into it or chosen. */
export function watchForImages(onImage: (file: File) => void): void {
  const cover = element('drop', HTMLElement);
  const chooser = element('image-file', HTMLInputElement);
  const take = (files: FileList | undefined | null) => {
    const [file] = files ?? [];
    if (file) onImage(file);
    return file !== undefined;
  };
  const holdsFiles = (event: DragEvent) => event.dataTransfer?.types.includes('Files') ?? false;

  document.addEventListener('dragover', (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    cover.hidden = false;
  });
  document.addEventListener('dragleave', ({ relatedTarget }) => {
    if (relatedTarget === null) cover.hidden = true;
  });
  document.addEventListener('drop', (event) => {
    cover.hidden = true;
    if (!holdsFiles(event)) return;
    event.preventDefault();
    take(event.dataTransfer?.files);
  });
  document.addEventListener('paste', (event) => {
    if (take(event.clipboardData?.files)) event.preventDefault();
  });
  chooser.addEventListener('change', () => {
    take(chooser.files);
    chooser.value = '';
  });
}
