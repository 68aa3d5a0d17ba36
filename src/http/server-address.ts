/**
 * Whether a text is the address of a server that paths can be put behind: of HTTP, without user, password, query and fragment. Of the text,
 * since URL drops blanks around it, and a ? or # with nothing after it.
 */
export function isServerAddress(text: string): boolean {
  if (!/^https?:\/\/[^\s?#]+$/i.test(text) || !URL.canParse(text)) return false;
  const { username, password } = new URL(text);
  return username === '' && password === '';
}
