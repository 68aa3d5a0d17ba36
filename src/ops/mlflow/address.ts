/** What `mlflow.server_uri` has to be, beside an address of a server. */
export const ADDRESS = 'an address such as https://host/path; user and password belong into the environment or .env';
