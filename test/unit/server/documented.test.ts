import { expect, it } from 'vitest';
import { memoryModel, memoryServer } from '../../support/memory-server.js';

const REQUEST = { prompt: 'a red apple', steps: 3 };
const INPUTS = { inputs: [{ name: 'prompt', shape: [1], datatype: 'BYTES', data: ['a red apple'] }] };

/** What is documented of the routes of other servers' clients: how each is called, with a wrong body and with a right one. */
it.each<[method: 'get' | 'post' | 'put', path: string, body?: object]>([
  ['get', '/ping'],
  ['post', '/invocations', REQUEST],
  ['post', '/predictions/{model}', REQUEST],
  ['put', '/predictions/{model}', REQUEST],
  ['get', '/v2'],
  ['get', '/v2/health/live'],
  ['get', '/v2/health/ready'],
  ['get', '/v2/models/{model}'],
  ['get', '/v2/models/{model}/ready'],
  ['post', '/v2/models/{model}/infer', INPUTS],
  ['post', '/v2/models/{model}/versions/1/infer', INPUTS],
])('the document of the API has the models, answers and errors of %s %s', async (method, path, body) => {
  const server = await memoryServer({}, { models: [memoryModel('first'), memoryModel('second')] });
  const { paths } = (await server.get('/openapi.json')).body;
  const { parameters = [], responses } = paths[path][method];
  const names = parameters.map(({ schema }: { schema: { enum: string[] } }) => schema.enum);
  expect(names).toEqual(path.includes('{model}') ? [['first', 'second']] : []);
  const call = async (json: object | undefined) => {
    const headers = { 'content-type': 'application/json' };
    const init = { method: method.toUpperCase(), headers, ...(json && { body: JSON.stringify(json) }) };
    const response = await server.app.request(path.replace('{model}', 'second'), init);
    return { status: response.status, fields: Object.keys((await response.json()) as object) };
  };
  const documented = (status: string) => {
    const { required, properties } = responses[status].content['application/json'].schema;
    return { required, properties: Object.keys(properties) };
  };
  const answered = await call(body);
  expect(
    documented(String(answered.status)).required.filter((name: string) => !answered.fields.includes(name)),
  ).toEqual([]);
  expect(answered.fields.filter((name) => !documented(String(answered.status)).properties.includes(name))).toEqual([]);
  if (body === undefined) return;
  const refused = await call({ ...body, promt: 1 });
  expect([refused.status, refused.fields]).toEqual([400, documented('default').properties]);
});
