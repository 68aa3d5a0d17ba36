import type { TextEncoderGraph, UnetGraph, VaeDecoderGraph } from './description.js';
import { checkExternalData } from './external-data.js';
import { assignRoles, ROLES } from './graph-roles.js';
import { missingGraph } from './missing-graph.js';
import type { ModelFiles } from './model-files.js';
import { type OnnxFile, readOnnxFile } from './onnx-file.js';
import { invalidModel, type Problems } from './problems.js';
import { ProtobufError } from './protobuf.js';

/** What protobuf, and with it every runtime, can hold; larger weights belong into external data. */
const LARGEST_GRAPH = 2 ** 31 - 1;

/** The three graphs, each null where it could not be read, and the external files that have other names on the disk too. */
export interface Graphs {
  readonly textEncoder: TextEncoderGraph | null;
  readonly unet: UnetGraph | null;
  readonly vaeDecoder: VaeDecoderGraph | null;
  readonly shared: readonly string[];
}

/** Whether there is a graph of any network. */
export async function hasGraphs(files: ModelFiles): Promise<boolean> {
  const found = await Promise.all(
    ['text_encoder', 'unet', 'vae_decoder'].map((name) => files.has(`${name}/model.onnx`)),
  );
  return found.some(Boolean);
}

/** Reads and checks `model.onnx` of text_encoder/, unet/ and vae_decoder/; notes everything that is wrong. */
export async function readGraphs(files: ModelFiles, problems: Problems): Promise<Graphs> {
  const shared: string[] = [];
  const open = async (component: string) => {
    const path = `${component}/model.onnx`;
    return problems.collect(async () => {
      if (!(await files.has(path))) throw await missingGraph(files, path);
      const file = await files.check(path);
      if (file.size > LARGEST_GRAPH) throw invalidModel(path, 'less than 2 GiB', `${file.size} bytes`);
      const onnx = parse(file.path, path);
      shared.push(...(await checkExternalData(files, { path, file, external: onnx.external }, problems)).shared);
      return { onnx, path: file.path, inputs: `${path}: input`, outputs: `${path}: output` };
    });
  };
  const text = await open('text_encoder');
  const unet = await open('unet');
  const vae = await open('vae_decoder');
  return {
    textEncoder: text && textEncoder(text, problems),
    unet: unet && denoiser(unet, problems),
    vaeDecoder: vae && decoder(vae, problems),
    shared,
  };
}

interface Opened {
  readonly onnx: OnnxFile;
  /** Absolute. */
  readonly path: string;
  readonly inputs: string;
  readonly outputs: string;
}

function textEncoder({ onnx, path, inputs, outputs }: Opened, problems: Problems): TextEncoderGraph | null {
  const where = { label: inputs, refuseRest: true, optional: ['attentionMask'] as const };
  const roles = { ids: ROLES.ids, attentionMask: ROLES.attentionMask };
  const { ids, attentionMask } = assignRoles(onnx.inputs, roles, where, problems);
  const { states } = assignRoles(
    onnx.outputs,
    { states: ROLES.states },
    { label: outputs, refuseRest: false },
    problems,
  );
  return ids && states && { path, ids, attentionMask, states };
}

function denoiser({ onnx, path, inputs, outputs }: Opened, problems: Problems): UnetGraph | null {
  const roles = {
    sample: ROLES.sample,
    timestep: ROLES.timestep,
    encoderHiddenStates: ROLES.encoderHiddenStates,
    timestepCond: ROLES.timestepCond,
  };
  const where = { label: inputs, refuseRest: true, optional: ['timestepCond'] as const };
  const { sample, timestep, encoderHiddenStates, timestepCond } = assignRoles(onnx.inputs, roles, where, problems);
  const { output } = assignRoles(
    onnx.outputs,
    { output: ROLES.noise },
    { label: outputs, refuseRest: false },
    problems,
  );
  if (!sample || !timestep || !encoderHiddenStates || !output) return null;
  return { path, sample, timestep, encoderHiddenStates, timestepCond, output };
}

function decoder({ onnx, path, inputs, outputs }: Opened, problems: Problems): VaeDecoderGraph | null {
  const { latents } = assignRoles(
    onnx.inputs,
    { latents: ROLES.latents },
    { label: inputs, refuseRest: true },
    problems,
  );
  const { image } = assignRoles(onnx.outputs, { image: ROLES.image }, { label: outputs, refuseRest: false }, problems);
  return latents && image && { path, latents, image };
}

function parse(fullPath: string, path: string): OnnxFile {
  try {
    return readOnnxFile(fullPath);
  } catch (error) {
    if (error instanceof ProtobufError) throw invalidModel(path, 'a whole ONNX model', error.message);
    throw invalidModel(path, 'a file that can be read', error instanceof Error ? error.message : String(error));
  }
}
