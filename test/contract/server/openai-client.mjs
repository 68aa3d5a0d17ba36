// Runs OpenAI's client against the addresses that the parent names, and prints what it saw as JSON: one process for each version of the
// client, since the newer one needs a newer Node.
const [name, addresses] = process.argv.slice(2);
const clients = { 'openai-6': () => import('openai-6'), 'openai-7': () => import('openai-7') };
const { default: OpenAI, APIError, APIUserAbortError, BadRequestError } = await clients[name]();
const { normal, busy, broken, failing } = JSON.parse(addresses);

const clientOf = (url, options = {}) =>
  new OpenAI({ apiKey: 'a-key-that-is-long-enough', baseURL: `${url}/v1`, ...options });
const request = { model: 'formula', prompt: 'a red apple', size: '16x24', n: 2, seed: 7, steps: 4 };

async function thrown(call) {
  try {
    return await call();
  } catch (error) {
    const { status, code, param, message, requestID } = error;
    return {
      ...{ name: error.constructor.name, status, code, param, message, requestID },
      typed: error instanceof BadRequestError,
      isApi: error instanceof APIError,
      isAbort: error instanceof APIUserAbortError,
    };
  }
}

async function eventsOf(client, more = {}) {
  const events = [];
  const stream = await client.images.generate({ ...request, n: 1, steps: 8, stream: true, partial_images: 2, ...more });
  for await (const event of stream) events.push(event);
  return events;
}

const client = clientOf(normal);
const plain = await client.images.generate(request);
const models = [];
for await (const model of client.models.list()) models.push(model.id);
const abort = new AbortController();
const aborted = thrown(() => client.images.generate({ ...request, steps: 200, n: 10 }, { signal: abort.signal }));
setImmediate(() => abort.abort());

console.log(
  JSON.stringify({
    plain: { ...plain, requestId: plain._request_id },
    models,
    model: await client.models.retrieve('formula'),
    invalid: await thrown(() => client.images.generate({ ...request, n: 0, stepz: 1 })),
    unknown: await thrown(() => client.images.generate({ ...request, model: 'dall-e-3' })),
    unauthorized: await thrown(() => clientOf(normal, { apiKey: 'wrong-key-wrong-key' }).models.list()),
    stream: await eventsOf(client),
    aborted: await aborted,
    busy: (await clientOf(busy).images.generate(request)).data.length,
    broken: await thrown(() => clientOf(broken).images.generate(request)),
    failing: await thrown(() => eventsOf(clientOf(failing))),
  }),
);
