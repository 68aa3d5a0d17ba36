// Prints what native/tensorrt/interfaces.h says, for slots.test.ts.
#include "base/dtype.h"
#include "print.h"
#include "tensorrt/interfaces.h"

using namespace t2i;
using namespace t2i::tensorrt;

int main() {
#define PRINT(name, interface, method, ten, eleven)              \
  std::printf("method:%s %s::%s\n", #name, #interface, #method); \
  print("10:" #name, kSlots10.name);                             \
  print("11:" #name, kSlots11.name);
  T2I_TENSORRT_SLOTS(PRINT)

  print("10:strongly_typed", kSlots10.strongly_typed);
  print("11:strongly_typed", kSlots11.strongly_typed);

  // What TensorRT calls in objects of ours.
  print("10:implemented_log", slot(&LoggerOf10::log));
  print("11:implemented_log", slot(&LoggerOf11::log));
  print("api_language", slot(&VersionedInterface::api_language));
  print("interface_info", slot(&VersionedInterface::interface_info));
  print("implemented_phase_start", slot(&ProgressMonitorInterface::phase_start));
  print("step_complete", slot(&ProgressMonitorInterface::step_complete));
  print("phase_finish", slot(&ProgressMonitorInterface::phase_finish));

  print("parser_delete_offset", kParserDeleteOffset);
  print("implementation_offset", kImplementationOffset);
  print("delete_slot", kDeleteSlot);
  print("sizeof(Dims)", sizeof(Dims64));
  print("Dims.count", offsetof(Dims64, count));
  print("Dims.sizes", offsetof(Dims64, sizes));
  print("sizeof(InterfaceInfo)", sizeof(InterfaceInfo));

#define PRINT_ENUM(value) print(#value, static_cast<long long>(value));
  PRINT_ENUM(Severity::internal_error)
  PRINT_ENUM(Severity::error)
  PRINT_ENUM(Severity::warning)
  PRINT_ENUM(Severity::info)
  PRINT_ENUM(Severity::verbose)
  PRINT_ENUM(TensorLocation::device)
  PRINT_ENUM(TensorLocation::host)
  PRINT_ENUM(TensorIOMode::none)
  PRINT_ENUM(TensorIOMode::input)
  PRINT_ENUM(TensorIOMode::output)
  PRINT_ENUM(ProfileSelector::min)
  PRINT_ENUM(ProfileSelector::opt)
  PRINT_ENUM(ProfileSelector::max)
  PRINT_ENUM(MemoryPool::workspace)
  PRINT_ENUM(AllocationStrategy::user_managed)
  PRINT_ENUM(Specialization::eager)
  PRINT_ENUM(BuilderFlag::require_user_allocation)
  PRINT_ENUM(ParserErrorCode::out_of_memory)
  PRINT_ENUM(ParserErrorCode::model_not_read)
  PRINT_ENUM(ParserErrorCode::unsupported_node)
  PRINT_ENUM(DataType::float32)
  PRINT_ENUM(DataType::float16)
  PRINT_ENUM(DataType::int8)
  PRINT_ENUM(DataType::int32)
  PRINT_ENUM(DataType::boolean)
  PRINT_ENUM(DataType::uint8)
  PRINT_ENUM(DataType::fp8)
  PRINT_ENUM(DataType::bfloat16)
  PRINT_ENUM(DataType::int64)
}
