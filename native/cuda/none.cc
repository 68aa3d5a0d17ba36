#include "base/error.h"
#include "cuda/device.h"
#include "cuda/kernels.h"

// An addon that was built without a CUDA compiler: it finds TensorRT and builds engines ahead of time, and runs none.

namespace t2i::cuda {

namespace {

constexpr const char* kReason = "this addon was built without CUDA: it cannot run engines";
constexpr const char* kHint =
    "Use the package's own binary, or build the addon where a CUDA compiler is (T2I_CUDA_HOME).";

[[noreturn]] void refuse() { throw Error(ErrorCode::backend_unavailable, kReason, kHint); }

}  // namespace

const char* device_kind() noexcept { return "none"; }
DeviceProbe probe() noexcept { return {false, kReason, kHint, 0, 0, {}}; }

void use_device(int) { refuse(); }
void* allocate(std::size_t) { refuse(); }
void release(void*) noexcept {}
void* allocate_pinned(std::size_t) { refuse(); }
void* device_address(void*) { refuse(); }
void release_pinned(void*) noexcept {}
StreamHandle create_stream() { refuse(); }
void destroy_stream(StreamHandle) noexcept {}
void synchronize(StreamHandle) { refuse(); }
bool finished(StreamHandle) { refuse(); }
void copy_to_device(void*, const void*, std::size_t, StreamHandle) { refuse(); }
void copy_to_host(void*, const void*, std::size_t, StreamHandle) { refuse(); }
void copy_on_device(void*, const void*, std::size_t, StreamHandle) { refuse(); }
void fill_zero(void*, std::size_t, StreamHandle) { refuse(); }
void begin_capture(StreamHandle) { refuse(); }
GraphHandle end_capture(StreamHandle) { refuse(); }
void abandon_capture(StreamHandle) noexcept {}
void launch(GraphHandle, StreamHandle) { refuse(); }
void destroy_graph(GraphHandle) noexcept {}
EventHandle create_event() { refuse(); }
void destroy_event(EventHandle) noexcept {}
void record(EventHandle, StreamHandle) { refuse(); }
bool passed(EventHandle) { refuse(); }
float elapsed(EventHandle, EventHandle) { refuse(); }

void launch_prepare(const PrepareArgs&, StreamHandle) { refuse(); }
void launch_step(const StepArgs&, StreamHandle) { refuse(); }
void launch_decoder_input(const DecoderInputArgs&, StreamHandle) { refuse(); }
void launch_rgb(const RgbArgs&, StreamHandle) { refuse(); }

}  // namespace t2i::cuda
