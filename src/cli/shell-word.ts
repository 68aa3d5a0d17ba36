/** A text as one word of a shell, in quotes where it needs them: double ones, which every shell knows, where nothing in them is special. */
export function shellWord(text: string): string {
  if (/^[\w.,:/@%+=-]+$/.test(text)) return text;
  return /["$`\\!]/.test(text) ? singleQuoted(text) : `"${text}"`;
}

/** A text in the single quotes of a POSIX shell, in which nothing is special. */
export function singleQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
