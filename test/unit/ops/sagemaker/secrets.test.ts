import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Moto, OPS, startMoto } from '../../../support/moto.js';
import { skipFor } from '../../../support/skip-for.js';

const TRAINER = fileURLToPath(new URL('../../../../trainer', import.meta.url));

let moto: Moto;
beforeAll(async () => {
  if (OPS.lack === null) moto = await startMoto();
});
afterAll(() => moto?.close());

it('a container reads secrets of both services by their ARNs', skipFor(OPS.lack), () => {
  const program = `import json, os, sys
sys.path.insert(0, ${JSON.stringify(TRAINER)})
import boto3
from t2i_trainer.container.secrets import fetch_secrets
manager, ssm = boto3.client("secretsmanager"), boto3.client("ssm")
plain = manager.create_secret(Name="plain", SecretString="value-1")["ARN"]
several = manager.create_secret(Name="several", SecretString=json.dumps({"TWO": "value-2", "OTHER": "x"}))["ARN"]
ssm.put_parameter(Name="/t2i/three", Value="value-3", Type="SecureString")
arn = ssm.get_parameter(Name="/t2i/three")["Parameter"]["ARN"]
os.environ |= {"T2I_SECRET_ONE": plain, "T2I_SECRET_TWO": several, "T2I_SECRET_THREE": arn}
fetch_secrets()
print(json.dumps([os.environ[name] for name in ("ONE", "TWO", "THREE")]))
os.environ["T2I_SECRET_FOUR"] = plain.replace("plain", "absent")
try:
    fetch_secrets()
except Exception as error:
    print(json.dumps([error.code, error.message.split(" from ")[0], error.message.split(": ")[-1]]))`;
  const env = { ...process.env, ...moto.env, AWS_DEFAULT_REGION: 'eu-west-1' };
  const [found, refused] = execFileSync(OPS.python, ['-c', program], { encoding: 'utf8', env }).trim().split('\n');
  expect(JSON.parse(found as string)).toEqual(['value-1', 'value-2', 'value-3']);
  expect(JSON.parse(refused as string)).toEqual([
    'ACCESS_DENIED',
    'the secret for FOUR could not be read',
    'ResourceNotFoundException',
  ]);
});
