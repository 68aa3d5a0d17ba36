import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { SMALLEST } from '../../model/model-dir.js';

/** Large files, each in more than one part of an upload. */
export const WEIGHTS = Buffer.alloc(25_000, 'weights of PyTorch ');

const sha256 = (content: string | Buffer) => createHash('sha256').update(content).digest('hex');
const INDEX = JSON.stringify({ _class_name: 'OnnxStableDiffusionPipeline' });

/** Writes files of a project; null is left out. */
export function write(project: string, files: Readonly<Record<string, string | Buffer | null>>): void {
  for (const [path, content] of Object.entries(files)) {
    if (content === null) continue;
    mkdirSync(dirname(join(project, path)), { recursive: true });
    writeFileSync(join(project, path), content);
  }
}

/** A project with a promoted and exported model, the smallest that is one. */
export function writePromoted(project: string, name = 'flowers'): void {
  const exported = { ...SMALLEST, 'model_index.json': INDEX };
  const files = Object.entries(exported).map(([path, content]) => [path, sha256(content as string)]);
  const manifest = {
    formatVersion: 1,
    name,
    files: Object.fromEntries(files),
    defaults: { steps: 30, guidanceScale: 7.5, sampler: 'ddim' },
    training: {},
    dataFingerprint: 'x',
    nullEmbeddingSha256: 'a'.repeat(64),
    evaluation: null,
    licence: 'not stated',
  };
  const below = (folder: string, entries: Readonly<Record<string, string | Buffer | null>>) =>
    Object.fromEntries(Object.entries(entries).map(([path, content]) => [`${folder}/${path}`, content]));
  write(project, {
    'params.yaml': '{}',
    ...below('saved_models/onnx_models', { ...exported, 't2i.json': JSON.stringify(manifest) }),
    ...below('saved_models/diffuser', {
      'model_index.json': JSON.stringify({ _class_name: 'StableDiffusionPipeline' }),
      'unet/config.json': JSON.stringify({ says: 'less than the exported one' }),
      'unet/diffusion_pytorch_model.safetensors': WEIGHTS,
      'vae/diffusion_pytorch_model.safetensors': Buffer.from('weights of the autoencoder'),
    }),
    'saved_models/README.md': '# The model card',
    'saved_models/model_metadata.json': JSON.stringify({ run_name: 'run 7' }),
  });
}
