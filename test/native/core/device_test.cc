// The simulated device behaves as CUDA does where the core relies on it, and refuses what CUDA refuses.

#include "cuda/device.h"

#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>
#include <vector>

#include "support_device.h"

namespace t2i::cuda {
namespace {

TEST_F(DeviceTest, ProbeNamesOneDevice) {
  const DeviceProbe found = probe();
  EXPECT_STREQ(device_kind(), "sim");
  EXPECT_TRUE(found.available);
  ASSERT_EQ(found.devices.size(), 1u);
  EXPECT_EQ(found.devices[0].name, "simulated device");
  EXPECT_EQ(found.devices[0].compute_major * 10 + found.devices[0].compute_minor, 89);
}

TEST_F(DeviceTest, RefusesADeviceThatIsNotThere) {
  use_device(0);
  EXPECT_EQ(code_of([] { use_device(1); }), ErrorCode::backend_failed);
}

TEST_F(DeviceTest, CopiesThereAndBackInOrder) {
  PinnedBuffer host(16), back(16);
  DeviceBuffer first(16), second(16);
  std::memcpy(host.get(), "0123456789abcde", 16);
  const Stream stream = Stream::create();
  copy_to_device(first.get(), host.get(), 16, stream.get());
  copy_on_device(second.get(), first.get(), 16, stream.get());
  fill_zero(static_cast<char*>(second.get()) + 4, 1, stream.get());
  copy_to_host(back.get(), second.get(), 16, stream.get());
  synchronize(stream.get());
  EXPECT_TRUE(finished(stream.get()));
  EXPECT_STREQ(back.as<char>(), "0123");
  EXPECT_STREQ(back.as<char>() + 5, "56789abcde");
}

TEST_F(DeviceTest, NewMemoryIsNotZeroAndIsAligned) {
  const DeviceBuffer buffer(40);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.get()) % 256, 0u);
  EXPECT_EQ(*static_cast<uint8_t*>(buffer.get()), 0xff);
}

TEST_F(DeviceTest, RefusesCopiesBeyondAnAllocation) {
  const DeviceBuffer buffer(16);
  const PinnedBuffer host(32);
  std::vector<char> pageable(16);
  const Stream stream = Stream::create();
  EXPECT_EQ(code_of([&] { copy_to_device(buffer.get(), host.get(), 17, stream.get()); }), ErrorCode::backend_failed);
  EXPECT_EQ(code_of([&] { copy_to_device(buffer.get(), pageable.data(), 16, stream.get()); }),
            ErrorCode::backend_failed);
}

TEST_F(DeviceTest, RefusesWhatDoesNotFit) {
  const std::size_t all = probe().devices.at(0).memory_bytes;
  {
    const DeviceBuffer buffer(1 << 20);
    EXPECT_EQ(code_of([&] { DeviceBuffer rest(all - (1 << 20) + 1); }), ErrorCode::out_of_memory);
    const DeviceBuffer rest(64 << 20);
    EXPECT_EQ(code_of([&] { DeviceBuffer more(all - (65 << 20) + 1); }), ErrorCode::out_of_memory);
    EXPECT_EQ(code_of([] { DeviceBuffer more(SIZE_MAX); }), ErrorCode::out_of_memory);
  }
  const DeviceBuffer again(1 << 20);
}

TEST_F(DeviceTest, QueuingDoesNotWait) {
  const Stream stream = Stream::create();
  std::atomic<bool> open{false};
  std::atomic<bool> ran{false};
  enqueue(stream, [&] {
    while (!open) std::this_thread::yield();
    ran = true;
  });
  EXPECT_FALSE(finished(stream.get()));
  EXPECT_FALSE(ran);
  open = true;
  synchronize(stream.get());
  EXPECT_TRUE(ran);
}

TEST_F(DeviceTest, DestroyingAStreamRunsWhatIsQueued) {
  std::atomic<int> runs{0};
  {
    const Stream stream = Stream::create();
    for (int i = 0; i < 100; i++) enqueue(stream, [&] { runs++; });
  }
  EXPECT_EQ(runs, 100);
}

TEST_F(DeviceTest, StreamsRunBesideEachOther) {
  const Stream first = Stream::create();
  const Stream second = Stream::create();
  std::atomic<bool> met{false};
  enqueue(first, [&] {
    while (!met) std::this_thread::yield();
  });
  enqueue(second, [&] { met = true; });
  synchronize(first.get());
}

TEST_F(DeviceTest, RefusesADestroyedGraphEventOrStream) {
  Stream stream = Stream::create();
  begin_capture(stream.get());
  Graph graph(end_capture(stream.get()));
  Event event = Event::create();
  const GraphHandle old_graph = graph.get();
  const EventHandle old_event = event.get();
  const StreamHandle old_stream = stream.get();
  graph.reset();
  event.reset();
  EXPECT_EQ(code_of([&] { launch(old_graph, stream.get()); }), ErrorCode::backend_failed);
  EXPECT_EQ(code_of([&] { record(old_event, stream.get()); }), ErrorCode::backend_failed);
  stream.reset();
  EXPECT_EQ(code_of([&] { synchronize(old_stream); }), ErrorCode::backend_failed);
}

TEST_F(DeviceTest, EventsTellTheTimeBetweenThem) {
  const Stream stream = Stream::create();
  const Event start = Event::create();
  const Event end = Event::create();
  std::atomic<bool> open{false};
  record(start.get(), stream.get());
  enqueue(stream, [&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    while (!open) std::this_thread::yield();
  });
  record(end.get(), stream.get());
  EXPECT_EQ(code_of([&] { elapsed(start.get(), end.get()); }), ErrorCode::backend_failed) << "not passed yet";
  EXPECT_FALSE(passed(end.get()));
  open = true;
  synchronize(stream.get());
  EXPECT_TRUE(passed(end.get()));
  EXPECT_GE(elapsed(start.get(), end.get()), 19.0f);
  EXPECT_LT(elapsed(start.get(), end.get()), 10'000.0f);
}

/// All that throws, once.
void use_all() {
  use_device(0);
  const DeviceBuffer device(16);
  const PinnedBuffer host(16);
  device_address(host.get());
  const Event first = Event::create();
  const Event last = Event::create();
  const Stream stream = Stream::create();
  record(first.get(), stream.get());
  copy_to_device(device.get(), host.get(), 16, stream.get());
  begin_capture(stream.get());
  Graph graph;
  try {
    copy_on_device(device.get(), device.get(), 16, stream.get());
    fill_zero(device.get(), 16, stream.get());
    graph = Graph(end_capture(stream.get()));
  } catch (const Error&) {
    abandon_capture(stream.get());
    throw;
  }
  launch(graph.get(), stream.get());
  copy_to_host(host.get(), device.get(), 16, stream.get());
  record(last.get(), stream.get());
  finished(stream.get());
  synchronize(stream.get());
  passed(last.get());
  elapsed(first.get(), last.get());
}

TEST_F(DeviceTest, TheKthCallFailsForEveryK) {
  sim_fail_call(0, SimFailure::none);
  use_all();
  const int64_t calls = sim_calls();
  EXPECT_EQ(calls, 20);
  const int64_t live = sim_live();
  for (int64_t k = 1; k <= calls; k++) {
    sim_fail_call(k, SimFailure::out_of_memory);
    EXPECT_EQ(code_of(use_all), ErrorCode::out_of_memory) << "call " << k;
    EXPECT_EQ(sim_live(), live) << "call " << k;
    use_all();
    sim_fail_call(k, SimFailure::launch);
    EXPECT_EQ(code_of(use_all), ErrorCode::backend_failed) << "call " << k;
    EXPECT_EQ(sim_live(), live) << "call " << k;
    use_all();
  }
}

TEST_F(DeviceTest, AStickyFailureStaysUntilHealed) {
  sim_fail_call(3, SimFailure::sticky);
  EXPECT_EQ(code_of(use_all), ErrorCode::device_lost);
  EXPECT_EQ(code_of(use_all), ErrorCode::device_lost);
  EXPECT_EQ(code_of([] { use_device(0); }), ErrorCode::device_lost);
  sim_fail_call(0, SimFailure::none);
  use_all();
}

TEST_F(DeviceTest, ManyThreadsAtOnce) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; i++) {
    threads.emplace_back([] {
      for (int round = 0; round < 25; round++) use_all();
    });
  }
  for (auto& thread : threads) thread.join();
}

TEST(DeviceDeathTest, ReleasingTwiceEndsTheProcess) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_DEATH(
      {
        void* memory = allocate(16);
        release(memory);
        release(memory);
      },
      "release");
}

}  // namespace
}  // namespace t2i::cuda
