import { refuse } from '../fields.js';

export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** Services that this package talks to, as AWS's own variables name them: AWS_ENDPOINT_URL_S3. */
export const SERVICES = ['S3', 'SAGEMAKER', 'CLOUDWATCH_LOGS'] as const;
export type Service = (typeof SERVICES)[number];

/** How AWS is reached: what variables say. The rest is the SDK's to find (profiles, roles). */
export interface AwsSettings {
  /** Undefined where the shared configuration decides. */
  readonly region: string | undefined;
  /** Undefined where a profile or a role of this machine decides. */
  readonly credentials: AwsCredentials | undefined;
  readonly endpoints: Partial<Record<Service, string>>;
  /** Values that no message, request or file may hold. */
  readonly secrets: readonly string[];
}

/** Variables whose values are secret, of AWS and of what a training talks to. */
const SECRETS =
  /^(AWS_ACCESS_KEY_ID|AWS_SECRET_ACCESS_KEY|AWS_SESSION_TOKEN|HF_TOKEN|HUGGING_FACE_HUB_TOKEN|MLFLOW_TRACKING_(PASSWORD|TOKEN))$/;
/** Shorter ones would be found everywhere. */
const SHORTEST_SECRET = 8;
const REGION = /^[a-z]{2,}(-[a-z]+)+-\d+$/;

type Variables = Readonly<Record<string, string | undefined>>;

/**
 * Reads the settings. A variable of the environment goes before one of a file; a pair of keys is taken from one of the two.
 *
 * @throws T2IError OPTION_INVALID for a region or an endpoint that cannot be one
 */
export function readAwsSettings(env: Variables, file: Variables = {}): AwsSettings {
  const get = (name: string) => env[name] || file[name] || undefined;
  const region = get('AWS_REGION') ?? get('AWS_DEFAULT_REGION');
  const endpoints = Object.fromEntries(
    SERVICES.flatMap((service) => {
      const url = get(`AWS_ENDPOINT_URL_${service}`) ?? get('AWS_ENDPOINT_URL');
      return url === undefined ? [] : [[service, url]];
    }),
  );
  refuse([
    ...(region !== undefined && !REGION.test(region)
      ? [{ option: 'AWS_REGION', expected: 'a region such as eu-west-1', received: JSON.stringify(region) }]
      : []),
    ...Object.entries(endpoints)
      .filter(([, url]) => !/^https?:\/\/[^\s/@]+\/?$/.test(url))
      .map(([service]) => ({
        option: `AWS_ENDPOINT_URL_${service}`,
        expected: 'an address such as http://127.0.0.1:5000',
        received: 'something else',
      })),
  ]);
  const secrets = [...Object.entries(file), ...Object.entries(env)]
    .filter(([name, value]) => SECRETS.test(name) && (value?.length ?? 0) >= SHORTEST_SECRET)
    .map(([, value]) => value as string);
  return { region, credentials: credentialsOf(env) ?? credentialsOf(file), endpoints, secrets: [...new Set(secrets)] };
}

function credentialsOf(variables: Variables): AwsCredentials | undefined {
  const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: key, AWS_SESSION_TOKEN: token } = variables;
  if (!id || !key) return undefined;
  return { accessKeyId: id, secretAccessKey: key, ...(token ? { sessionToken: token } : {}) };
}
