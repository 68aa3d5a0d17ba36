/** What a Stable Diffusion program reads from a `parameters` text. */
export interface Infotext {
  readonly prompt: string;
  readonly negativePrompt: string;
  readonly settings: ReadonlyMap<string, string>;
}

/** Blanks as Python's `str.strip` counts them; JavaScript's `trim` knows fewer control characters, and the BOM more. */
const isBlank = (unit = '') =>
  (/\s/.test(unit) && unit !== '\ufeff') || ['\u001c', '\u001d', '\u001e', '\u001f', '\u0085'].includes(unit);
const strip = (text: string) => {
  let [start, end] = [0, text.length];
  while (start < end && isBlank(text[start])) start++;
  while (end > start && isBlank(text[end - 1])) end--;
  return text.slice(start, end);
};

/**
 * Reads AUTOMATIC1111's infotext by its public grammar: lines of the prompt, from a line that starts with `Negative prompt:` on those of
 * the negative one, and a last line of at least three settings, `name: value` between commas, where a value may be a JSON string.
 * Written from the description, so that what we write is not only read by ourselves.
 */
export function parseInfotext(text: string): Infotext {
  const lines = strip(text).split('\n');
  let settings = parseSettings(lines.at(-1) as string);
  if (settings.length < 3) settings = [];
  else lines.pop();
  const prompts: [string[], string[]] = [[], []];
  let which: 0 | 1 = 0;
  for (const raw of lines) {
    let line = strip(raw);
    if (line.startsWith('Negative prompt:')) {
      which = 1;
      line = strip(line.slice('Negative prompt:'.length));
    }
    prompts[which].push(line);
  }
  const joined = (list: string[]) => list.join('\n').replace(/^\n+/, '');
  return { prompt: joined(prompts[0]), negativePrompt: joined(prompts[1]), settings: new Map(settings) };
}

function parseSettings(line: string): [string, string][] {
  const field = /\s*([\p{L}\p{N}_][\p{L}\p{N}_ \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)/gu;
  return [...line.matchAll(field)].map(([, name = '', value = '']) => [name, unquote(value)]);
}

function unquote(value: string): string {
  if (!/^".*"$/s.test(value)) return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}
