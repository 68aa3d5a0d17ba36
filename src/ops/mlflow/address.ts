/** What `mlflow.server_uri` has to be. */
export const ADDRESS = 'an address such as https://host/path; user and password belong into the environment or .env';

/** Whether a text is the address of a tracking server: of HTTP, without user, password, query and fragment. */
export function isAddress(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : null;
  const usable = url !== null && /^https?:$/.test(url.protocol) && url.search === '' && url.hash === '';
  return usable && url.username === '' && url.password === '';
}
