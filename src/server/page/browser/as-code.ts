import { requestOf, type Settings } from './settings.js';

export const CODE_KINDS = ['curl', 'TypeScript', 'CLI'] as const;
export type CodeKind = (typeof CODE_KINDS)[number];

/**
 * The settings as a program that draws the same image.
 *
 * @param server address of the server, for the one that asks it
 * @param needsKey whether it must send a key
 */
export function asCode(kind: CodeKind, settings: Settings, server: string, needsKey: boolean): string {
  if (kind === 'curl') return asCurl(settings, server, needsKey);
  return kind === 'CLI' ? asCommand(settings) : asTypeScript(settings);
}

function asCurl(settings: Settings, server: string, needsKey: boolean): string {
  return [
    `curl -s ${quote(`${server}v1/images/generations`)}`,
    ...(needsKey ? ['-H "Authorization: Bearer $T2I_API_KEY"'] : []),
    "-H 'Content-Type: application/json'",
    `-d ${quote(JSON.stringify(requestOf(settings, 1), null, 4))}`,
  ]
    .join(' \\\n  ')
    .concat(" |\n  jq -r '.data[0].b64_json' | base64 -d > image.png\n");
}

function asCommand(settings: Settings): string {
  const { prompt, negativePrompt, model, width, height, steps, guidanceScale, sampler, sigmas, eta, seed } = settings;
  const flags: [string, string | number | null][] = [
    ['--negative', negativePrompt || null],
    ['--model', model],
    ['--size', `${width}x${height}`],
    ['--steps', steps],
    ['--guidance', guidanceScale],
    ['--sampler', sampler],
    ['--sigmas', sigmas],
    ['--eta', eta],
    ['--seed', seed],
    ['--output', 'image.png'],
  ];
  // With "=", a value may begin with a dash; behind "--" the prompt may.
  const given = flags.flatMap(([flag, value]) => (value === null ? [] : [`${flag}=${quote(String(value))}`]));
  return `npx t2i generate ${given.join(' ')} \\\n  -- ${quote(prompt)}\n`;
}

function asTypeScript(settings: Settings): string {
  const { model, negativePrompt, ...rest } = settings;
  const options = { ...rest, ...(negativePrompt !== '' && { negativePrompt }) };
  const lines = Object.entries(options)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `  ${name}: ${JSON.stringify(value)},\n`);
  return [
    "import { Pipeline } from '@t2i/sdk';",
    '',
    `const t2i = await Pipeline.load({ model: ${JSON.stringify(model)} });`,
    `const { images } = await t2i.generate({\n${lines.join('')}});`,
    "await images[0].toFile('image.png');",
    'await t2i.close();\n',
  ].join('\n');
}

/** A word of a POSIX shell, whatever it holds. */
function quote(word: string): string {
  return /^[\w.,:/@%+=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
