/**
 * Text of others (prompts, names, messages that quote them) as a terminal or a log may show it: control characters, which could move
 * its cursor or rename its window, and marks that turn the direction of writing become visible escapes. Line feeds stay.
 */
export function printable(text: string): string {
  const escaped = (unit: string) => `\\u{${unit.charCodeAt(0).toString(16)}}`;
  return text.replace(/(?!\n)[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, escaped);
}
