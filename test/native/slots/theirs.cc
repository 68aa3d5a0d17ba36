// Prints the same facts as ours.cc, taken from NVIDIA's headers; what a version does not have is left out. C++20, GNU
// ABI.
#include <NvInfer.h>
#include <NvOnnxParser.h>

#include <utility>

#include "print.h"
#include "tensorrt/interfaces.h"

/// TensorRT-RTX alone has it.
namespace nvinfer1::apiv {
class VRuntimeCache;
}

namespace {

// Some versions overload this method; the one that is called takes an engine in memory.
long long slot(nvinfer1::ICudaEngine* (nvinfer1::apiv::VRuntime::*method)(void const*, std::size_t) noexcept) {
  return ::slot<decltype(method)>(method);
}
using ::slot;

/// The objects' second word is protected.
template <typename Public>
struct Open : Public {
  static long long offset() { return offsetof(Open, mImpl); }
};

#define METHOD(name, interface, method, ten, eleven)        \
  template <typename Interface>                             \
  void print_##name() {                                     \
    if constexpr (requires { slot(&Interface::method); }) { \
      print(#name, slot(&Interface::method));               \
    }                                                       \
  }
T2I_TENSORRT_SLOTS(METHOD)

/// TensorRT-RTX alone has this flag.
template <typename Flag>
void print_require_user_allocation() {
  if constexpr (requires { Flag::kREQUIRE_USER_ALLOCATION; }) {
    print("BuilderFlag::require_user_allocation", static_cast<long long>(Flag::kREQUIRE_USER_ALLOCATION));
  }
}

/// So has it this enumeration.
template <typename Config>
void print_eager() {
  if constexpr (requires(Config config) { config.getDynamicShapesKernelSpecializationStrategy(); }) {
    using Strategy = decltype(std::declval<Config>().getDynamicShapesKernelSpecializationStrategy());
    print("Specialization::eager", static_cast<long long>(Strategy::kEAGER));
  }
}

}  // namespace

int main() {
  print("major", NV_TENSORRT_MAJOR);
  print("minor", NV_TENSORRT_MINOR);

#define PRINT(name, interface, method, ten, eleven) print_##name<interface>();
  T2I_TENSORRT_SLOTS(PRINT)

  print("strongly_typed", 1ll << static_cast<int>(nvinfer1::NetworkDefinitionCreationFlag::kSTRONGLY_TYPED));

  print("api_language", slot(&nvinfer1::IVersionedInterface::getAPILanguage));
  print("interface_info", slot(&nvinfer1::IVersionedInterface::getInterfaceInfo));
  print("implemented_log", slot(&nvinfer1::ILogger::log));
  print("implemented_phase_start", slot(&nvinfer1::IProgressMonitor::phaseStart));
  print("step_complete", slot(&nvinfer1::IProgressMonitor::stepComplete));
  print("phase_finish", slot(&nvinfer1::IProgressMonitor::phaseFinish));

  // The destructors lie between these two.
  print("parser_delete_offset",
        slot(&nvonnxparser::IParser::getUsedVCPluginLibraries) - 1 - slot(&nvonnxparser::IParser::clearErrors));
  for (const long long offset : {Open<nvinfer1::IRuntime>::offset(), Open<nvinfer1::ICudaEngine>::offset(),
                                 Open<nvinfer1::IExecutionContext>::offset(), Open<nvinfer1::IBuilder>::offset(),
                                 Open<nvinfer1::IBuilderConfig>::offset(), Open<nvinfer1::INetworkDefinition>::offset(),
                                 Open<nvinfer1::IOptimizationProfile>::offset(), Open<nvinfer1::IHostMemory>::offset(),
                                 Open<nvinfer1::ITimingCache>::offset(), Open<nvinfer1::ITensor>::offset()}) {
    print("implementation_offset", offset);
  }
  // The first method of a public class that is virtual itself, after the complete and the deleting destructor.
  print("delete_slot", slot(&nvinfer1::IBuilderConfig::setAvgTimingIterations) - 1);
  print("sizeof(Dims)", sizeof(nvinfer1::Dims));
  print("Dims.count", offsetof(nvinfer1::Dims, nbDims));
  print("Dims.sizes", offsetof(nvinfer1::Dims, d));
  print("sizeof(InterfaceInfo)", sizeof(nvinfer1::InterfaceInfo));

#define PRINT_ENUM(name, value) print(name, static_cast<long long>(value));
  PRINT_ENUM("Severity::internal_error", nvinfer1::ILogger::Severity::kINTERNAL_ERROR)
  PRINT_ENUM("Severity::error", nvinfer1::ILogger::Severity::kERROR)
  PRINT_ENUM("Severity::warning", nvinfer1::ILogger::Severity::kWARNING)
  PRINT_ENUM("Severity::info", nvinfer1::ILogger::Severity::kINFO)
  PRINT_ENUM("Severity::verbose", nvinfer1::ILogger::Severity::kVERBOSE)
  PRINT_ENUM("TensorLocation::device", nvinfer1::TensorLocation::kDEVICE)
  PRINT_ENUM("TensorLocation::host", nvinfer1::TensorLocation::kHOST)
  PRINT_ENUM("TensorIOMode::none", nvinfer1::TensorIOMode::kNONE)
  PRINT_ENUM("TensorIOMode::input", nvinfer1::TensorIOMode::kINPUT)
  PRINT_ENUM("TensorIOMode::output", nvinfer1::TensorIOMode::kOUTPUT)
  PRINT_ENUM("ProfileSelector::min", nvinfer1::OptProfileSelector::kMIN)
  PRINT_ENUM("ProfileSelector::opt", nvinfer1::OptProfileSelector::kOPT)
  PRINT_ENUM("ProfileSelector::max", nvinfer1::OptProfileSelector::kMAX)
  PRINT_ENUM("MemoryPool::workspace", nvinfer1::MemoryPoolType::kWORKSPACE)
  PRINT_ENUM("AllocationStrategy::user_managed", nvinfer1::ExecutionContextAllocationStrategy::kUSER_MANAGED)
  print_eager<nvinfer1::apiv::VRuntimeConfig>();
  print_require_user_allocation<nvinfer1::BuilderFlag>();
  PRINT_ENUM("ParserErrorCode::out_of_memory", nvonnxparser::ErrorCode::kMEM_ALLOC_FAILED)
  PRINT_ENUM("ParserErrorCode::model_not_read", nvonnxparser::ErrorCode::kMODEL_DESERIALIZE_FAILED)
  PRINT_ENUM("ParserErrorCode::unsupported_node", nvonnxparser::ErrorCode::kUNSUPPORTED_NODE)
  PRINT_ENUM("DataType::float32", nvinfer1::DataType::kFLOAT)
  PRINT_ENUM("DataType::float16", nvinfer1::DataType::kHALF)
  PRINT_ENUM("DataType::int8", nvinfer1::DataType::kINT8)
  PRINT_ENUM("DataType::int32", nvinfer1::DataType::kINT32)
  PRINT_ENUM("DataType::boolean", nvinfer1::DataType::kBOOL)
  PRINT_ENUM("DataType::uint8", nvinfer1::DataType::kUINT8)
  PRINT_ENUM("DataType::fp8", nvinfer1::DataType::kFP8)
  PRINT_ENUM("DataType::bfloat16", nvinfer1::DataType::kBF16)
  PRINT_ENUM("DataType::int64", nvinfer1::DataType::kINT64)
}
