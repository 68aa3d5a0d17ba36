# The device seam on CUDA. T2I_CUDA_HOME is a toolkit, or the folder of NVIDIA's packages from PyPI (native/tools/nvidia.py
# cuda). nvcc is called directly: CMake's own support expects a whole toolkit.
set(T2I_CUDA_HOME "" CACHE PATH "Folder with bin/nvcc")
find_program(T2I_NVCC nvcc HINTS ${T2I_CUDA_HOME}/bin NO_DEFAULT_PATH NO_CACHE REQUIRED)
find_path(T2I_CUDA_INCLUDE cuda_runtime_api.h HINTS ${T2I_CUDA_HOME}/include NO_DEFAULT_PATH NO_CACHE REQUIRED)
find_library(T2I_CUDART libcudart_static.a HINTS ${T2I_CUDA_HOME}/lib64 ${T2I_CUDA_HOME}/lib NO_DEFAULT_PATH NO_CACHE REQUIRED)

# Machine code for each generation from Turing on, and portable code for those to come.
execute_process(COMMAND ${T2I_NVCC} --list-gpu-arch OUTPUT_VARIABLE T2I_NVCC_KNOWS COMMAND_ERROR_IS_FATAL ANY)
set(T2I_GENCODE -gencode arch=compute_75,code=[compute_75,sm_75])
foreach(sm 80 86 89 90 100 120 121)
  if(T2I_NVCC_KNOWS MATCHES "compute_${sm}\n")
    list(APPEND T2I_GENCODE -gencode arch=compute_${sm},code=sm_${sm})
  endif()
endforeach()

# -fmad=false: native/step.h. The other three are nvcc's defaults, said because bit-equality rests on them.
set(T2I_NVCC_FLAGS -std=c++17 -O3 -Xfatbin=-compress-all -fmad=false -ftz=false -prec-div=true -prec-sqrt=true -ccbin ${CMAKE_CXX_COMPILER}
  -Xcompiler -fPIC,-fvisibility=hidden,-ffp-contract=off -I ${CMAKE_SOURCE_DIR}/native)
set(T2I_STEP_OBJECT ${CMAKE_BINARY_DIR}/step.o)
add_custom_command(
  OUTPUT ${T2I_STEP_OBJECT}
  COMMAND ${T2I_NVCC} ${T2I_NVCC_FLAGS} ${T2I_GENCODE} -MD -MF ${T2I_STEP_OBJECT}.d
    -c ${CMAKE_SOURCE_DIR}/native/step.cu -o ${T2I_STEP_OBJECT}
  DEPENDS native/step.cu
  DEPFILE ${T2I_STEP_OBJECT}.d
  VERBATIM)
target_sources(t2i_core PRIVATE ${T2I_STEP_OBJECT}
  native/cuda/cuda.cc native/cuda/cuda_probe.cc native/cuda/cuda_status.cc)
target_include_directories(t2i_core SYSTEM PRIVATE ${T2I_CUDA_INCLUDE})
target_link_libraries(t2i_core PUBLIC ${T2I_CUDART} rt)
