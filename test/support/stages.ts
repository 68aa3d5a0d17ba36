/** The stages of a project, in the order of its dvc.yaml. */
export const STAGES: readonly string[] = [
  'caption-generator',
  'precompute-embeddings',
  'data-push',
  'training',
  'log_training_model',
  'evaluate',
  'onnx_convert',
  'tensorrt_convert',
  'push_to_hub',
];
