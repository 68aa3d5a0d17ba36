import { type Command, JSON_FLAG } from '../command.js';
import { LIMIT_FLAGS } from './limit-flags.js';
import { SERVED_MODEL_FLAGS } from './model-flags.js';
import { REDIS_FLAGS } from './redis-flags.js';

export const serve: Command = {
  name: 'serve',
  summary: "Answer requests for images over HTTP: OpenAI's API and others.",
  arguments: [],
  flags: [
    { flags: '--host <address>', description: 'address to listen on (default: 127.0.0.1, this machine alone)' },
    { flags: '--port <n>', description: 'port to listen on; 0 takes a free one (default: 8080)' },
    { flags: '--admin-port <n>', description: 'port for /healthz, /readyz and /metrics (default: 8081)' },
    {
      flags: '--api-key-file <file>',
      description: 'keys that clients must send one of, one a line, each the key or sha256:HASH',
      sets: ['apiKeys'],
    },
    { flags: '--queue <n>', description: 'requests that may wait; one more gets 429 (default: 64)', sets: ['queue'] },
    ...LIMIT_FLAGS,
    {
      flags: '--image-store <place>',
      description:
        'folder or s3://BUCKET/PREFIX for images that are asked for by url, and for nothing else (default: none)',
      sets: ['imageStore.dir', 'imageStore.s3'],
    },
    {
      flags: '--ttl <time>',
      description: 'how long an image is kept there, for example 90s or 1h (default: 1h)',
      sets: ['imageStore.ttl'],
    },
    {
      flags: '--cors <origin...>',
      description: 'pages elsewhere that may use the server, for example https://example.org (default: none)',
      sets: ['cors'],
    },
    { flags: '--log-prompts', description: 'write prompts to the log, too', sets: ['logPrompts'] },
    { flags: '--insecure', description: 'listen for other machines without a key' },
    ...REDIS_FLAGS,
    { flags: '--no-worker', description: 'with --redis: draw nothing here, and leave that to others' },
    ...SERVED_MODEL_FLAGS,
    JSON_FLAG,
  ],
  examples: [
    't2i serve',
    't2i serve --model emoji-128 --port 8080 --queue 16',
    't2i serve --host 0.0.0.0 --api-key-file keys.txt --image-store /var/lib/t2i --ttl 1h',
    't2i serve --redis redis://queue:6379 --no-worker --image-store s3://pictures/served --ttl 1h',
  ],
  async run(input, io) {
    const { runServe } = await import('./run-serve.js');
    return runServe(input, io);
  },
};
