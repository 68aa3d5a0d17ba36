#pragma once

// All that is known here of NVIDIA's binary interface: no header of theirs is needed to build. Within a major version
// interfaces only grow, so one table a major version is enough; TensorRT-RTX has the table of 11 from its version 1.5
// on. test/native/slots.test.ts takes every number again from NVIDIA's own headers and from a library compiled against
// them.
//
// The shape (Itanium C++ ABI, Linux): what a factory returns, say IBuilder, is an object of two pointers, its vtable
// and its implementation; methods are inlined calls through the vtable of the implementation. It is destroyed by its
// own deleting destructor. The ONNX parser, the logger and the progress monitor are plain abstract classes without an
// implementation pointer.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace t2i::tensorrt {

/// Where a version has no such method.
constexpr int kNoSlot = -1;

// X(name here, NVIDIA's class, its method, index in the vtable of 10, of 11), destructors counted.
#define T2I_TENSORRT_SLOTS(X)                                                                                      \
  X(deserialize_cuda_engine, nvinfer1::apiv::VRuntime, deserializeCudaEngine, 3, 3)                                \
  X(create_execution_context, nvinfer1::apiv::VCudaEngine, createExecutionContext, 5, 5)                           \
  X(get_nb_io_tensors, nvinfer1::apiv::VCudaEngine, getNbIOTensors, 30, 26)                                        \
  X(get_io_tensor_name, nvinfer1::apiv::VCudaEngine, getIOTensorName, 31, 27)                                      \
  X(get_engine_tensor_shape, nvinfer1::apiv::VCudaEngine, getTensorShape, 19, 15)                                  \
  X(get_tensor_data_type, nvinfer1::apiv::VCudaEngine, getTensorDataType, 20, 16)                                  \
  X(get_tensor_location, nvinfer1::apiv::VCudaEngine, getTensorLocation, 21, 17)                                   \
  X(get_tensor_io_mode, nvinfer1::apiv::VCudaEngine, getTensorIOMode, 23, 19)                                      \
  X(get_profile_shape, nvinfer1::apiv::VCudaEngine, getProfileShape, 29, 25)                                       \
  /* With what a context is made by TensorRT-RTX; the others have it too, without the cache and the strategy. */   \
  X(create_context_with_config, nvinfer1::apiv::VCudaEngine, createExecutionContextWithRuntimeConfig, kNoSlot, 47) \
  X(create_runtime_config, nvinfer1::apiv::VCudaEngine, createRuntimeConfig, kNoSlot, 48)                          \
  X(set_allocation_strategy, nvinfer1::apiv::VRuntimeConfig, setExecutionContextAllocationStrategy, kNoSlot, 3)    \
  X(create_runtime_cache, nvinfer1::apiv::VRuntimeConfig, createRuntimeCache, kNoSlot, 5)                          \
  X(set_runtime_cache, nvinfer1::apiv::VRuntimeConfig, setRuntimeCache, kNoSlot, 6)                                \
  X(set_specialization, nvinfer1::apiv::VRuntimeConfig, setDynamicShapesKernelSpecializationStrategy, kNoSlot, 8)  \
  X(serialize_runtime_cache, nvinfer1::apiv::VRuntimeCache, serialize, kNoSlot, 2)                                 \
  X(deserialize_runtime_cache, nvinfer1::apiv::VRuntimeCache, deserialize, kNoSlot, 3)                             \
  X(is_stream_capturable, nvinfer1::apiv::VExecutionContext, isStreamCapturable, kNoSlot, 52)                      \
  X(update_device_memory_size, nvinfer1::apiv::VExecutionContext, updateDeviceMemorySizeForShapes, 48, 47)         \
  X(set_device_memory, nvinfer1::apiv::VExecutionContext, setDeviceMemory, 10, 10)                                 \
  X(set_input_shape, nvinfer1::apiv::VExecutionContext, setInputShape, 21, 20)                                     \
  X(get_context_tensor_shape, nvinfer1::apiv::VExecutionContext, getTensorShape, 22, 21)                           \
  X(set_tensor_address, nvinfer1::apiv::VExecutionContext, setTensorAddress, 24, 23)                               \
  X(enqueue_v3, nvinfer1::apiv::VExecutionContext, enqueueV3, 37, 36)                                              \
  X(create_builder_config, nvinfer1::apiv::VBuilder, createBuilderConfig, 7, 5)                                    \
  X(create_network_v2, nvinfer1::apiv::VBuilder, createNetworkV2, 8, 6)                                            \
  X(create_optimization_profile, nvinfer1::apiv::VBuilder, createOptimizationProfile, 9, 7)                        \
  X(build_serialized_network, nvinfer1::apiv::VBuilder, buildSerializedNetwork, 14, 11)                            \
  X(set_flag, nvinfer1::apiv::VBuilderConfig, setFlag, 11, 9)                                                      \
  X(add_optimization_profile, nvinfer1::apiv::VBuilderConfig, addOptimizationProfile, 25, 23)                      \
  X(create_timing_cache, nvinfer1::apiv::VBuilderConfig, createTimingCache, 40, 29)                                \
  X(set_timing_cache, nvinfer1::apiv::VBuilderConfig, setTimingCache, 41, 30)                                      \
  X(get_timing_cache, nvinfer1::apiv::VBuilderConfig, getTimingCache, 42, 31)                                      \
  X(set_memory_pool_limit, nvinfer1::apiv::VBuilderConfig, setMemoryPoolLimit, 43, 32)                             \
  X(set_max_aux_streams, nvinfer1::apiv::VBuilderConfig, setMaxAuxStreams, 54, 43)                                 \
  X(set_progress_monitor, nvinfer1::apiv::VBuilderConfig, setProgressMonitor, 56, 45)                              \
  /* TensorRT-RTX alone has these two; the others end before them. */                                              \
  X(set_nb_compute_capabilities, nvinfer1::apiv::VBuilderConfig, setNbComputeCapabilities, kNoSlot, 55)            \
  X(set_compute_capability, nvinfer1::apiv::VBuilderConfig, setComputeCapability, kNoSlot, 57)                     \
  X(serialize_timing_cache, nvinfer1::apiv::VTimingCache, serialize, 2, 2)                                         \
  X(set_profile_dimensions, nvinfer1::apiv::VOptimizationProfile, setDimensions, 2, 2)                             \
  X(get_nb_inputs, nvinfer1::apiv::VNetworkDefinition, getNbInputs, 14, 14)                                        \
  X(get_input, nvinfer1::apiv::VNetworkDefinition, getInput, 15, 15)                                               \
  X(get_nb_outputs, nvinfer1::apiv::VNetworkDefinition, getNbOutputs, 16, 16)                                      \
  X(get_tensor_name, nvinfer1::apiv::VTensor, getName, 3, 3)                                                       \
  X(get_tensor_dimensions, nvinfer1::apiv::VTensor, getDimensions, 5, 5)                                           \
  X(get_host_memory_data, nvinfer1::apiv::VHostMemory, data, 2, 2)                                                 \
  X(get_host_memory_size, nvinfer1::apiv::VHostMemory, size, 3, 3)                                                 \
  X(parse_from_file, nvonnxparser::IParser, parseFromFile, 1, 1)                                                   \
  X(get_nb_errors, nvonnxparser::IParser, getNbErrors, 5, 3)                                                       \
  X(get_error, nvonnxparser::IParser, getError, 6, 4)                                                              \
  /* The parser's destructors follow it: complete, then deleting. */                                               \
  X(clear_errors, nvonnxparser::IParser, clearErrors, 7, 5)                                                        \
  X(get_error_code, nvonnxparser::IParserError, code, 0, 0)                                                        \
  X(get_error_desc, nvonnxparser::IParserError, desc, 1, 1)                                                        \
  X(get_error_node, nvonnxparser::IParserError, node, 5, 5)                                                        \
  X(get_error_node_name, nvonnxparser::IParserError, nodeName, 6, 6)                                               \
  X(get_error_node_operator, nvonnxparser::IParserError, nodeOperator, 7, 7)                                       \
  /* We implement these two; see LoggerOf10 and the others below. */                                               \
  X(log, nvinfer1::ILogger, log, 0, 4)                                                                             \
  X(phase_start, nvinfer1::IProgressMonitor, phaseStart, 4, 4)

/// The vtable index of every method that is called, for one major version.
struct Slots {
#define T2I_MEMBER(name, interface, method, ten, eleven) int name;
  T2I_TENSORRT_SLOTS(T2I_MEMBER)
#undef T2I_MEMBER
  /// Argument of createNetworkV2 for a strongly typed network; 11 knows no other kind.
  uint32_t strongly_typed;
};

#define T2I_TEN(name, interface, method, ten, eleven) ten,
#define T2I_ELEVEN(name, interface, method, ten, eleven) eleven,
/// TensorRT 10.0 to 10.16.
inline constexpr Slots kSlots10{T2I_TENSORRT_SLOTS(T2I_TEN) 1u << 1};
/// TensorRT 11.0 to 11.4, TensorRT-RTX 1.5 to 1.7.
inline constexpr Slots kSlots11{T2I_TENSORRT_SLOTS(T2I_ELEVEN) 1u << 0};
#undef T2I_TEN
#undef T2I_ELEVEN

/// The deleting destructor of objects that derive from INoCopy: all but the parser.
constexpr int kDeleteSlot = 1;
/// From clear_errors of the parser to its deleting destructor.
constexpr int kParserDeleteOffset = 2;
/// Bytes from a public object to the pointer to its implementation.
constexpr std::size_t kImplementationOffset = sizeof(void*);

// Enumerations, with the numbers of both majors. Element types are in dtype.h.

/// nvinfer1::ILogger::Severity.
enum class Severity : int32_t { internal_error = 0, error = 1, warning = 2, info = 3, verbose = 4 };
/// nvinfer1::TensorIOMode.
enum class TensorIOMode : int32_t { none = 0, input = 1, output = 2 };
/// nvinfer1::TensorLocation.
enum class TensorLocation : int32_t { device = 0, host = 1 };
/// nvinfer1::OptProfileSelector.
enum class ProfileSelector : int32_t { min = 0, opt = 1, max = 2 };
/// nvinfer1::MemoryPoolType, the one that is limited.
enum class MemoryPool : int32_t { workspace = 0 };
/// nvinfer1::BuilderFlag of TensorRT-RTX: an engine allocates nothing while it runs, which a capture forbids.
enum class BuilderFlag : int32_t { require_user_allocation = 28 };
/// nvinfer1::ExecutionContextAllocationStrategy, the one where we give a context the memory that it works in.
enum class AllocationStrategy : int32_t { user_managed = 2 };
/// nvinfer1::DynamicShapesKernelSpecializationStrategy of TensorRT-RTX, the one that compiles kernels for a shape
/// before its first forward is done, not in the background: a capture would freeze those that stand in meanwhile.
enum class Specialization : int32_t { eager = 1 };
/// nvonnxparser::ErrorCode, those that are told apart.
enum class ParserErrorCode : int32_t { out_of_memory = 2, model_not_read = 3, unsupported_node = 8 };

/// nvinfer1::Dims64.
struct Dims64 {
  static constexpr int kMax = 8;
  int32_t count;
  std::array<int64_t, kMax> sizes;
};

/// nvinfer1::InterfaceInfo.
struct InterfaceInfo {
  const char* kind;
  int32_t major;
  int32_t minor;
};

// Interfaces that TensorRT calls. The order of their virtual methods, destructor included, is the binary interface.

/// nvinfer1::ILogger of 10.
class LoggerOf10 {
 public:
  virtual void log(Severity severity, const char* message) noexcept = 0;
  virtual ~LoggerOf10() = default;
};

/// nvinfer1::IVersionedInterface.
class VersionedInterface {
 public:
  /// 0 is C++.
  virtual int32_t api_language() const noexcept { return 0; }
  virtual InterfaceInfo interface_info() const noexcept = 0;
  virtual ~VersionedInterface() = default;
};

/// nvinfer1::ILogger of 11.
class LoggerOf11 : public VersionedInterface {
 public:
  InterfaceInfo interface_info() const noexcept final { return {"ILogger", 1, 0}; }
  virtual void log(Severity severity, const char* message) noexcept = 0;
};

/// nvinfer1::IProgressMonitor of both.
class ProgressMonitorInterface : public VersionedInterface {
 public:
  InterfaceInfo interface_info() const noexcept final { return {"IProgressMonitor", 1, 0}; }
  virtual void phase_start(const char* phase, const char* parent, int32_t steps) noexcept = 0;
  /// False ends the build.
  virtual bool step_complete(const char* phase, int32_t step) noexcept = 0;
  virtual void phase_finish(const char* phase) noexcept = 0;
};

// Calls. A method is, to the ABI, a function whose first argument is the object; a result that does not fit registers
// (Dims64) is passed the same way by both.

/// Calls the method at `slot` of the vtable that `object` begins with. The types of Ret and of the arguments must be
/// the method's own, references being pointers.
template <typename Ret, typename... Args>
Ret call(void* object, int slot, Args... args) {
  void** vtable = *static_cast<void***>(object);
  return reinterpret_cast<Ret (*)(void*, Args...)>(vtable[slot])(object, args...);
}

/// The object behind a public one, whose methods the slots count.
inline void* implementation(void* object) {
  void* behind;
  std::memcpy(&behind, static_cast<char*>(object) + kImplementationOffset, sizeof behind);
  return behind;
}

}  // namespace t2i::tensorrt
