#pragma once

namespace t2i::cuda {

/// The kernels for one generation of GPUs.
struct KernelImage {
  /// Compute capability times ten, 89 for 8.9; 0 for portable code, which the driver compiles.
  int generation;
  const void* code;
};

// Written by native/tools/kernels.py; generations ascend, the portable code comes last.
extern const KernelImage kernel_images[];
extern const int kernel_image_count;

}  // namespace t2i::cuda
