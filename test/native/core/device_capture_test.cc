// Captures of the simulated device: what they record, and what they refuse as CUDA does.

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "support_device.h"

namespace t2i::cuda {
namespace {

TEST_F(DeviceTest, ACaptureRecordsAndAGraphReplays) {
  const Stream stream = Stream::create();
  int runs = 0;
  auto alive = std::make_shared<int>(0);
  const std::weak_ptr<int> watch = alive;
  begin_capture(stream.get());
  enqueue(stream, [&runs, alive = std::move(alive)] { runs += 1 + *alive; });
  Graph graph(end_capture(stream.get()));
  synchronize(stream.get());
  EXPECT_EQ(runs, 0) << "a capture must not run";
  for (int i = 0; i < 3; i++) launch(graph.get(), stream.get());
  synchronize(stream.get());
  EXPECT_EQ(runs, 3);
  EXPECT_FALSE(watch.expired());
  graph.reset();
  EXPECT_TRUE(watch.expired()) << "the argument was not dropped";
}

TEST_F(DeviceTest, AGraphMayBeDestroyedWhileItRuns) {
  const Stream stream = Stream::create();
  int runs = 0;
  begin_capture(stream.get());
  enqueue(stream, [&runs] { runs++; });
  {
    const Graph graph(end_capture(stream.get()));
    for (int i = 0; i < 10; i++) launch(graph.get(), stream.get());
  }
  synchronize(stream.get());
  EXPECT_EQ(runs, 10);
}

TEST_F(DeviceTest, ACaptureIsSpoiltByWhatItMustNotContain) {
  const Stream stream = Stream::create();
  const Event event = Event::create();
  const std::vector<std::function<void()>> forbidden = {
      [&] { synchronize(stream.get()); }, [&] { finished(stream.get()); }, [&] { begin_capture(stream.get()); },
      [&] { DeviceBuffer(16); },          [&] { PinnedBuffer(16); },       [&] { record(event.get(), stream.get()); },
  };
  for (const auto& action : forbidden) {
    begin_capture(stream.get());
    EXPECT_EQ(code_of(action), ErrorCode::backend_failed);
    EXPECT_EQ(code_of([&] { end_capture(stream.get()); }), ErrorCode::backend_failed);
  }
  begin_capture(stream.get());
  const Graph graph(end_capture(stream.get()));
  EXPECT_TRUE(graph) << "the stream can be used again";
}

TEST_F(DeviceTest, ACaptureIsOfItsThreadAlone) {
  const Stream stream = Stream::create();
  begin_capture(stream.get());
  std::thread([] { DeviceBuffer(16); }).join();
  std::thread([&] { EXPECT_EQ(code_of([&] { end_capture(stream.get()); }), ErrorCode::backend_failed); }).join();
  const Graph graph(end_capture(stream.get()));
}

TEST_F(DeviceTest, AnAbandonedCaptureIsForgotten) {
  const Stream stream = Stream::create();
  int runs = 0;
  begin_capture(stream.get());
  enqueue(stream, [&] { runs++; });
  abandon_capture(stream.get());
  synchronize(stream.get());
  EXPECT_EQ(runs, 0);
  EXPECT_EQ(code_of([&] { end_capture(stream.get()); }), ErrorCode::backend_failed);
  enqueue(stream, [&] { runs++; });
  synchronize(stream.get());
  EXPECT_EQ(runs, 1);
}

}  // namespace
}  // namespace t2i::cuda
