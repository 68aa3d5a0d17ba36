import type { SchedulerConfig } from '../diffusion/schedule.js';
import type { ClipTokenizerConfig } from '../text/clip-tokenizer.js';
import type { Manifest } from './manifest.js';
import type { FileStamp } from './stamps.js';

/** Element types that the three graphs of a model may take or give. */
export type TensorType = 'float32' | 'float16' | 'int32' | 'int64';

/** Element types that the tensors of an engine may have; `model.onnx`, which the CPU runs, has none of bfloat16. */
export type ElementType = TensorType | 'bfloat16';

/** One input or output of a graph as the ONNX file declares it; `null` marks a dynamic dimension. */
export interface TensorInfo {
  readonly name: string;
  readonly type: TensorType;
  readonly shape: readonly (number | null)[];
}

/** The text encoder: token ids in, states out. */
export interface TextEncoderGraph {
  readonly path: string;
  readonly ids: TensorInfo;
  /** Present where the exporter made the attention mask an input; it is fed ones, as Stable Diffusion passes none. */
  readonly attentionMask: TensorInfo | null;
  /** [batch, states, width]; the number of states need not be the number of ids. */
  readonly states: TensorInfo;
}

export interface UnetGraph {
  readonly path: string;
  /** [batch, channels, height, width] */
  readonly sample: TensorInfo;
  /** A scalar, [1] or [batch]; integer or float. */
  readonly timestep: TensorInfo;
  /** [batch, states, width] */
  readonly encoderHiddenStates: TensorInfo;
  /** The guidance scale as `guidanceEmbedding` writes it, [batch, width], where guidance was distilled into the weights; null for most. */
  readonly timestepCond: TensorInfo | null;
  readonly output: TensorInfo;
}

export interface VaeDecoderGraph {
  readonly path: string;
  /** [batch, channels, height, width], already divided by the scaling factor. */
  readonly latents: TensorInfo;
  /** [batch, 3, height * factor, width * factor], -1 to 1. */
  readonly image: TensorInfo;
}

/** The tokenizer's files, in either form that exporters write, and what the files beside them decide. */
export type TokenizerDescription = {
  readonly padTokenId: number;
  readonly contextLength: number;
  readonly config: ClipTokenizerConfig;
} & (
  | { readonly kind: 'files'; readonly vocab: string; readonly merges: string }
  | { readonly kind: 'json'; readonly path: string }
);

/** The networks of a model, by their names in {@link ModelDescription}. */
export type NetworkName = 'textEncoder' | 'unet' | 'vaeDecoder';

/** What a model's networks are read from: ONNX graphs, or weights of PyTorch, which the backend `pytorch` alone runs. */
export type ModelWeights = 'onnx' | 'safetensors';

/** In pixels. */
export interface ImageSize {
  readonly width: number;
  readonly height: number;
}

/** Everything about a model that was read from its files and checked; nothing of it is assumed. */
export interface ModelDescription {
  /** Absolute path of the model directory. */
  readonly dir: string;
  /** Directory name, or the manifest's name where there is one. */
  readonly name: string;
  readonly weights: ModelWeights;
  readonly textEncoder: TextEncoderGraph;
  readonly unet: UnetGraph;
  readonly vaeDecoder: VaeDecoderGraph;
  readonly scheduler: SchedulerConfig;
  readonly tokenizer: TokenizerDescription;
  /** States that the text encoder gives for one prompt: as the graphs say, else one for each token of the context. */
  readonly statesPerPrompt: number;
  /** Width of the guidance embedding that the UNet takes in place of a negative prompt; null where it takes none. */
  readonly guidanceWidth: number | null;
  readonly latentChannels: number;
  /** Pixels a latent pixel stands for along one side, for example 8. */
  readonly vaeFactor: number;
  /** Latents are divided by this, then shifted, before they are decoded. */
  readonly scalingFactor: number;
  readonly shiftFactor: number;
  /** Of the image in pixels that the model was trained for, or that its graphs fix. */
  readonly nativeSize: ImageSize;
  /** Fixed sizes in pixels where the graphs are static; null where any multiple of the granularity runs. */
  readonly fixedSize: ImageSize | null;
  /** Width and height must be multiples of this many pixels. */
  readonly sizeGranularity: number;
  /** SHA-256 in hex of every file that decides the image, by its path in the directory. */
  readonly hashes: Readonly<Record<string, string>>;
  /** Of the same files, as they were when they were hashed. */
  readonly stamps: Readonly<Record<string, FileStamp>>;
  readonly manifest: Manifest | null;
}
