import type { Issue } from '../../errors.js';
import { findSecrets } from '../params/secrets.js';

const ARN = /^arn:aws[a-z-]*:(secretsmanager|ssm):[a-z0-9-]+:\d{12}:(secret:|parameter\/)\S+$/;
const LINE = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s;
const SECRET_NAME = /(PASSWORD|PASSWD|TOKEN|SECRET|API_?KEY|ACCESS_KEY|CREDENTIAL)/i;
const LEAK = { expected: 'no secret', received: 'one' };
const OF_THIS_MACHINE = 'holds a secret of the environment or .env';

export interface JobEnvironment {
  readonly variables: Readonly<Record<string, string>>;
  readonly issues: readonly Issue[];
}

/**
 * The environment of a job. Whoever may look at a job sees it, so that a secret is told by the ARN of where it is kept, as the variable
 * T2I_SECRET_NAME, from which the container sets NAME.
 *
 * @param environment `NAME=VALUE`
 * @param secrets `NAME=ARN`
 */
export function jobEnvironment(environment: readonly string[], secrets: readonly string[]): JobEnvironment {
  const variables: Record<string, string> = {};
  const issues: Issue[] = [];
  for (const { option, name, value } of read('environment', environment)) {
    if (name === undefined) issues.push({ option, expected: 'NAME=VALUE', received: 'something else' });
    else if (SECRET_NAME.test(name) || findSecrets({ [name]: value }).length > 0)
      issues.push({
        option,
        expected: 'no secret',
        received: 'what looks like one',
        problem: `${name} looks like a secret, and whoever may look at the job would see it; keep it in AWS Secrets Manager and write ${name}=ARN under pytorch_estimator.secrets`,
      });
    else variables[name] = value;
  }
  for (const { option, name, value } of read('secrets', secrets)) {
    if (ARN.test(value)) variables[`T2I_SECRET_${name}`] = value;
    else
      issues.push({
        option,
        expected: 'NAME=ARN, the ARN that of a secret of Secrets Manager or of a parameter of Systems Manager',
        received: 'something else',
      });
  }
  return { variables, issues };
}

function read(key: string, lines: readonly string[]) {
  return lines.map((line, at) => {
    const found = LINE.exec(line);
    return { option: `pytorch_estimator.${key}.${at}`, name: found?.[1], value: found?.[2] ?? '' };
  });
}

/** @returns an issue where a value that is secret on this machine is in what is to be sent */
export function findLeaks(what: unknown, option: string, secrets: readonly string[]): Issue[] {
  const text = JSON.stringify(what);
  if (!secrets.some((secret) => text.includes(JSON.stringify(secret).slice(1, -1)))) return [];
  return [{ ...LEAK, option, problem: `${OF_THIS_MACHINE}, which whoever may look at the job would see; take it out` }];
}

/** An issue for each file of code, by its path, that holds a value that is secret on this machine. */
export function codeLeaks(paths: readonly string[]): Issue[] {
  const why = 'and all of the code is sent; take it out, and read it from a variable under pytorch_estimator.secrets';
  const option = 'pytorch_estimator.source_dir';
  return paths.map((path) => ({ ...LEAK, option, problem: `${JSON.stringify(path)} ${OF_THIS_MACHINE}, ${why}` }));
}
