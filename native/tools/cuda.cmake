# The device seam on the CUDA driver. T2I_CUDA_HOME is a toolkit of CUDA 12, or the folder of NVIDIA's packages from PyPI
# (native/tools/nvidia.py cuda): of it are taken the driver's header and NVRTC, which compiles the kernels. Nothing of CUDA is linked.
set(T2I_CUDA_HOME "" CACHE PATH "Folder with NVRTC and cuda.h")
find_package(Python3 REQUIRED COMPONENTS Interpreter)
find_path(T2I_CUDA_INCLUDE cuda.h HINTS ${T2I_CUDA_HOME}/cuda_runtime/include ${T2I_CUDA_HOME}/include NO_DEFAULT_PATH NO_CACHE REQUIRED)

set(T2I_KERNELS ${CMAKE_BINARY_DIR}/kernels)
add_custom_command(
  OUTPUT ${T2I_KERNELS}/kernel_images.cc
  COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/native/tools/kernels.py ${T2I_CUDA_HOME} ${T2I_KERNELS}
  DEPENDS native/tools/kernels.py native/cuda/kernels.cu native/cuda/elements.h native/cuda/kernel_args.h native/base/dtype.h native/base/half.h
    native/base/image.h native/base/step.h
  VERBATIM)
target_sources(t2i_core PRIVATE ${T2I_KERNELS}/kernel_images.cc
  native/cuda/cuda.cc native/cuda/cuda_kernels.cc native/cuda/cuda_probe.cc native/cuda/cuda_status.cc native/cuda/driver.cc)
target_include_directories(t2i_core SYSTEM PRIVATE ${T2I_CUDA_INCLUDE})
