/// Stands in for libnvinfer_builder_resource, the kernels that TensorRT builds from: it only has to be loadable.
extern "C" __attribute__((visibility("default"))) int fake_builder_resource() { return 0; }
