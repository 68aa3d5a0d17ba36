/** Names of a network's graphs in its folder, by what they compute in; every model has the one in fp32, and they share their weights. */
export const GRAPH_FILES = { fp16: 'model.fp16.onnx', bf16: 'model.bf16.onnx', fp32: 'model.onnx' } as const;
