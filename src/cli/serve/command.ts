import { type Command, JSON_FLAG, longName } from '../command.js';
import { LOAD_FLAGS } from '../load-flags.js';

export const serve: Command = {
  name: 'serve',
  summary: "Answer requests for images over HTTP: OpenAI's API and others.",
  arguments: [],
  flags: [
    { flags: '--host <address>', description: 'address to listen on (default: 127.0.0.1, this machine alone)' },
    { flags: '--port <n>', description: 'port to listen on; 0 takes a free one (default: 8080)' },
    { flags: '--admin-port <n>', description: 'port for /healthz, /readyz and /metrics (default: 8081)' },
    {
      flags: '--model <name...>',
      description:
        'models that clients may name, as DIR, a name, OWNER/NAME of the Hub, or ID=one of these; the first is the default',
      sets: ['models'],
    },
    {
      flags: '--api-key-file <file>',
      description: 'keys that clients must send one of, one a line, each the key or sha256:HASH',
      sets: ['apiKeys'],
    },
    { flags: '--queue <n>', description: 'requests that may wait; one more gets 429 (default: 64)', sets: ['queue'] },
    {
      flags: '--batch-window <time>',
      description:
        'how long an idle server waits for requests like the first, for example 5ms; 0 for not (default: 5ms)',
      sets: ['batchWindow'],
    },
    {
      flags: '--image-store <dir>',
      description: 'folder for images that are asked for by url, and for nothing else (default: none are)',
    },
    { flags: '--ttl <time>', description: 'how long an image is kept there, for example 90s or 1h (default: 1h)' },
    {
      flags: '--memory <bytes>',
      description: 'for all open models, for example 8GiB; the least recently used is closed (default: no limit)',
      sets: ['memory'],
    },
    {
      flags: '--cors <origin...>',
      description: 'pages elsewhere that may use the server, for example https://example.org (default: none)',
      sets: ['cors'],
    },
    { flags: '--log-prompts', description: 'write prompts to the log, too', sets: ['logPrompts'] },
    { flags: '--insecure', description: 'listen for other machines without a key' },
    ...LOAD_FLAGS.filter((flag) => longName(flag) !== '--model'),
    JSON_FLAG,
  ],
  examples: [
    't2i serve',
    't2i serve --model emoji-128 --port 8080 --queue 16',
    't2i serve --host 0.0.0.0 --api-key-file keys.txt --image-store /var/lib/t2i --ttl 1h',
  ],
  async run(input, io) {
    const { runServe } = await import('./run-serve.js');
    return runServe(input, io);
  },
};
