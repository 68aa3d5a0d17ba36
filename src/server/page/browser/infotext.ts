/** What a `parameters` text says, as far as this page can use it; what is missing is left out. */
export interface Infotext {
  readonly prompt: string;
  readonly negativePrompt: string;
  readonly settings: ReadonlyMap<string, string>;
}

const NEGATIVE = 'Negative prompt:';

/**
 * Reads AUTOMATIC1111's infotext: the prompt, the negative prompt from its marker on, and a last line of at least three settings,
 * `Name: value` between commas.
 */
export function readInfotext(text: string): Infotext {
  const lines = text.trim().split(/\r?\n/);
  const last = readSettings(lines.at(-1) ?? '');
  const settings = last.size >= 3 ? last : new Map<string, string>();
  if (settings.size > 0) lines.pop();
  const start = lines.findIndex((line) => line.trimStart().startsWith(NEGATIVE));
  const prompt = start < 0 ? lines : lines.slice(0, start);
  const negative = start < 0 ? [] : lines.slice(start);
  return {
    prompt: prompt.join('\n').trim(),
    negativePrompt: negative.join('\n').trim().slice(NEGATIVE.length).trim(),
    settings,
  };
}

function readSettings(line: string): Map<string, string> {
  // A name is short, so that a long line of letters is not searched from each of them to its end.
  const field = /([\p{L}\p{N}_][\p{L}\p{N}_ /-]{1,60}):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)/gu;
  return new Map([...line.matchAll(field)].map(([, name = '', value = '']) => [name, unquote(value)]));
}

/** A value with a comma or a colon in it is a JSON string. */
function unquote(value: string): string {
  if (!value.startsWith('"')) return value.trim();
  try {
    return String(JSON.parse(value));
  } catch {
    return value;
  }
}
