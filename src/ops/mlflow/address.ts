/** What `mlflow.server_uri` has to be. */
export const ADDRESS = 'an address such as https://host/path; user and password belong into the environment or .env';

/** Whether a text is the address of a tracking server: of HTTP, without user, password, query and fragment. */
export function isAddress(text: string): boolean {
  // Of the text, since paths are put behind it: URL drops blanks around it, and a ? or # with nothing after it.
  if (!/^https?:\/\/[^\s?#]+$/i.test(text) || !URL.canParse(text)) return false;
  const { username, password } = new URL(text);
  return username === '' && password === '';
}
