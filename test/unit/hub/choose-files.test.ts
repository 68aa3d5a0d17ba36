import { describe, expect, it } from 'vitest';
import { chooseFiles } from '../../../src/hub/choose-files.js';

const file = (path: string) => ({ path, bytes: 1, sha256: null, gitId: 'a'.repeat(40) });
const choose = (...paths: string[]) => {
  const graphs = ['text_encoder', 'unet', 'vae_decoder'].map((network) => `${network}/model.onnx`);
  const chosen = chooseFiles('tester/flowers', [...graphs, ...paths].map(file)).map(({ path }) => path);
  expect(chosen).toEqual(expect.arrayContaining(graphs));
  return chosen.filter((path) => !graphs.includes(path));
};

describe('the files of a model', () => {
  it('are manifest, index, scheduler, tokenizer and configurations', () => {
    const paths = [
      ...['model_index.json', 'scheduler/scheduler_config.json', 't2i.json', 'text_encoder/config.json'],
      ...['tokenizer/merges.txt', 'tokenizer/tokenizer_config.json', 'tokenizer/vocab.json', 'unet/config.json'],
      ...['vae/config.json', 'vae_decoder/config.json'],
    ];
    expect(choose(...paths)).toEqual(paths);
  });

  it('are weights beside a graph under any name', () => {
    const paths = [
      'text_encoder/model.weights',
      'unet/model.onnx_data',
      'unet/weights.pb',
      'vae_decoder/onnx__MatMul_12',
    ];
    expect(choose(...paths)).toEqual(paths);
  });

  it.each([
    [
      'weights of PyTorch',
      'unet/diffusion_pytorch_model.safetensors',
      'unet/pytorch_model.bin',
      'text_encoder/model.ckpt',
    ],
    ['an index of such weights', 'unet/diffusion_pytorch_model.safetensors.index.json'],
    ['engines', 'unet/model.engine', 'unet/model.plan', 'trt/sm89-10.15/unet.engine'],
    [
      'other graphs with their weights',
      'unet/model_int8.onnx',
      'unet/model_int8.onnx_data',
      'unet/model.fp16.onnx',
      'unet/model.fp16.onnx_data',
      'vae_decoder/model.bf16.onnx',
      'vae_decoder/model.bf16.onnx_data',
    ],
    [
      'networks that are not run',
      'vae_encoder/model.onnx',
      'safety_checker/model.onnx',
      'vae/diffusion_pytorch_model.bin',
    ],
    [
      'anything else',
      'README.md',
      'sample.png',
      'diffuser/unet/config.json',
      'unet/deeper/model.onnx',
      'tokenizer/readme.txt',
      '.gitattributes',
    ],
  ])('are not %s', (_, ...paths) => {
    expect(choose(...paths)).toEqual([]);
  });

  it('are graphs in half precision, too, where our manifest says that they share their weights', () => {
    const graphs = ['unet/model.fp16.onnx', 'unet/model.weights', 'vae_decoder/model.bf16.onnx'];
    const paths = ['t2i.json', ...graphs, 'vae_decoder/model.bf16.onnx_data'];
    expect(choose(...paths)).toEqual(paths);
  });

  it('are missing where a graph is, and nothing is said of PyTorch where there is none of it', () => {
    expect(() => chooseFiles('tester/flowers', ['unet/model.onnx', 'vae_decoder/model.onnx'].map(file))).toThrow(
      /text_encoder\/model\.onnx is missing$/,
    );
  });

  it('are in the order of their names', () => {
    const graphs = ['vae_decoder', 'text_encoder', 'unet'].map((network) => `${network}/model.onnx`);
    const chosen = chooseFiles('a/b', [...graphs, 't2i.json', 'model_index.json'].map(file));
    expect(chosen.map(({ path }) => path)).toEqual(['model_index.json', 't2i.json', ...graphs.sort()]);
  });

  it('are weights that are called as the graph of another network', () => {
    const paths = ['unet/other.onnx_data', 'vae_decoder/other.onnx'];
    expect(choose(...paths)).toEqual(['unet/other.onnx_data']);
  });

  it('are not taken for weights of PyTorch by the middle of a name', () => {
    expect(() => chooseFiles('a/b', ['unet/model.safetensors.md'].map(file))).toThrow(/are missing$/);
  });

  it('are named where graphs are missing, with how to export weights of PyTorch', () => {
    const paths = ['unet/model.onnx', 'unet/diffusion_pytorch_model.safetensors'];
    expect(() => chooseFiles('tester/flowers', paths.map(file))).toThrow(
      expect.objectContaining({
        code: 'MODEL_INVALID',
        message: expect.stringMatching(
          /text_encoder\/model\.onnx, vae_decoder\/model\.onnx are missing; it has weights of PyTorch$/,
        ),
        hint: expect.stringContaining('--model tester/flowers DIR'),
        issues: [
          { option: 'text_encoder/model.onnx', expected: 'a file', received: 'none' },
          { option: 'vae_decoder/model.onnx', expected: 'a file', received: 'none' },
        ],
      }),
    );
  });

  it('are no more, and no larger, than those of any model', () => {
    const graphs = ['text_encoder', 'unet', 'vae_decoder'].map((network) => file(`${network}/model.onnx`));
    const part = (at: number) => file(`unet/part-${at}`);
    const parts = Array.from({ length: 197 }, (_, at) => part(at));
    const largest = { ...part(0), bytes: 64 * 2 ** 30 - 3 };
    const refused = (found: string) =>
      expect.objectContaining({ code: 'DOWNLOAD_INVALID', message: expect.stringContaining(found) });
    expect(chooseFiles('a/b', [...graphs, ...parts])).toHaveLength(200);
    expect(() => chooseFiles('a/b', [...graphs, ...parts, part(197)])).toThrow(
      refused('found 201 files and 201 bytes'),
    );
    expect(chooseFiles('a/b', [...graphs, largest])).toHaveLength(4);
    expect(() => chooseFiles('a/b', [...graphs, largest, part(1)])).toThrow(refused('found 5 files and 68719476737'));
  });
});
