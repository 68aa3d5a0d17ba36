// The kernels, as the simulated device runs them, against expectations written out by hand.

#include "cuda/kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <vector>

#include "base/bfloat16.h"
#include "base/error.h"
#include "base/half.h"
#include "base/image.h"
#include "base/step.h"
#include "cuda/resources.h"

namespace t2i::cuda {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

class KernelsTest : public testing::Test {
 protected:
  /// Device memory with these values in it.
  template <typename T>
  DeviceBuffer upload(const std::vector<T>& values) {
    const PinnedBuffer host(values.size() * sizeof(T));
    std::memcpy(host.get(), values.data(), values.size() * sizeof(T));
    DeviceBuffer device(values.size() * sizeof(T));
    copy_to_device(device.get(), host.get(), host.bytes(), stream_.get());
    synchronize(stream_.get());
    return device;
  }

  template <typename T>
  std::vector<T> download(const DeviceBuffer& device) {
    const PinnedBuffer host(device.bytes());
    copy_to_host(host.get(), device.get(), device.bytes(), stream_.get());
    synchronize(stream_.get());
    return std::vector<T>(host.as<T>(), host.as<T>() + device.bytes() / sizeof(T));
  }

  template <typename T>
  static T* as(const DeviceBuffer& device) {
    return static_cast<T*>(device.get());
  }

  Stream stream_ = Stream::create();
};

void expect_backend_failed(const std::function<void()>& action) {
  try {
    action();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::backend_failed);
  }
}

template <typename T>
std::vector<float> widened(const std::vector<T>& narrow) {
  std::vector<float> values;
  for (const T value : narrow) values.push_back(widen(value));
  return values;
}

TEST_F(KernelsTest, PrepareCopiesTheLatentsForEachConditionAndPicksTheTimestep) {
  const DeviceBuffer latents = upload<float>({1, 2, 3, 4, 5, 6});
  const DeviceBuffer timesteps = upload<float>({900, 500, 100});
  const DeviceBuffer step = upload<int32_t>({1});
  const DeviceBuffer sample(12 * sizeof(float));
  const DeviceBuffer timestep(4 * sizeof(float));
  launch_prepare({as<float>(latents), sample.get(), DataType::float32, as<float>(timesteps), timestep.get(),
                  DataType::float32, 4, as<int32_t>(step), 2, 2, 3},
                 stream_.get());
  EXPECT_EQ(download<float>(sample), (std::vector<float>{1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(download<float>(timestep), (std::vector<float>{500, 500, 500, 500}));
  EXPECT_EQ(download<float>(latents), (std::vector<float>{1, 2, 3, 4, 5, 6}));
}

TEST_F(KernelsTest, PrepareNarrowsToHalfAndRoundsTheTimestepTiesToEven) {
  const DeviceBuffer latents = upload<float>({1.0f + 0x1p-11f, 1.0f + 3 * 0x1p-11f, -70000});
  const DeviceBuffer timesteps = upload<float>({2.5f, 3.5f, 999.4f});
  const DeviceBuffer sample(3 * sizeof(Half));
  const std::vector<int64_t> expected = {2, 4, 999};
  for (int32_t index = 0; index < 3; index++) {
    const DeviceBuffer step = upload<int32_t>({index});
    const DeviceBuffer timestep64(2 * sizeof(int64_t)), timestep32(sizeof(int32_t)), timestep16(sizeof(Half));
    PrepareArgs args{as<float>(latents),
                     sample.get(),
                     DataType::float16,
                     as<float>(timesteps),
                     timestep64.get(),
                     DataType::int64,
                     2,
                     as<int32_t>(step),
                     1,
                     1,
                     3};
    launch_prepare(args, stream_.get());
    EXPECT_EQ(download<int64_t>(timestep64), (std::vector<int64_t>{expected[index], expected[index]}));
    args.timestep = timestep32.get();
    args.timestep_type = DataType::int32;
    args.timestep_count = 1;
    launch_prepare(args, stream_.get());
    EXPECT_EQ(download<int32_t>(timestep32)[0], expected[index]);
    args.timestep = timestep16.get();
    args.timestep_type = DataType::float16;
    launch_prepare(args, stream_.get());
    EXPECT_EQ(widened(download<Half>(timestep16))[0], index == 2 ? 999.5f : index + 2.5f);
  }
  EXPECT_EQ(widened(download<Half>(sample)), (std::vector<float>{1, 1 + 0x1p-9f, -kInfinity}));
}

TEST_F(KernelsTest, NarrowToBFloat16AndWidenIt) {
  const DeviceBuffer latents = upload<float>({1.0f + 0x1p-8f, 1.0f + 3 * 0x1p-8f, -70000});
  const DeviceBuffer timesteps = upload<float>({999.0f}), step = upload<int32_t>({0});
  const DeviceBuffer sample(3 * sizeof(BFloat16)), timestep(sizeof(BFloat16)), input(3 * sizeof(BFloat16));
  launch_prepare({as<float>(latents), sample.get(), DataType::bfloat16, as<float>(timesteps), timestep.get(),
                  DataType::bfloat16, 1, as<int32_t>(step), 1, 1, 3},
                 stream_.get());
  EXPECT_EQ(widened(download<BFloat16>(sample)), (std::vector<float>{1, 1 + 0x1p-6f, -70144}));
  EXPECT_EQ(widened(download<BFloat16>(timestep)), (std::vector<float>{1000}));
  launch_decoder_input({as<float>(latents), input.get(), DataType::bfloat16, 2, 0, 3}, stream_.get());
  EXPECT_EQ(widened(download<BFloat16>(input)), (std::vector<float>{0.5f, 0.5f + 0x1p-7f, -35072}));

  // x' = out, guided at scale 2 from 1 and 3.
  const DeviceBuffer rows = upload<float>({0, 1, 0, 0, 1, 0, 0, 0}), image = upload<float>({7}), clean(sizeof(float));
  const DeviceBuffer output = upload<BFloat16>({to_bfloat16(1), to_bfloat16(3)}), blocks = upload<int32_t>({0});
  const DeviceBuffer ticket = upload<uint32_t>({0}), settings = upload<StepSettings>({{2, kInfinity}});
  const PinnedBuffer progress(sizeof(int32_t));
  launch_step({as<float>(image), as<float>(clean), output.get(), DataType::bfloat16, as<float>(rows), nullptr,
               as<int32_t>(blocks), 1, 2, 1, as<StepSettings>(settings), as<int32_t>(step), as<uint32_t>(ticket),
               progress.as<int32_t>()},
              stream_.get());
  EXPECT_EQ(download<float>(image), (std::vector<float>{5}));

  const DeviceBuffer pixel = upload<BFloat16>({to_bfloat16(-1), to_bfloat16(0), to_bfloat16(kNaN)}), rgb(3);
  const DeviceBuffer bad = upload<int32_t>({0});
  launch_rgb({pixel.get(), DataType::bfloat16, as<uint8_t>(rgb), 1, 1, as<int32_t>(bad)}, stream_.get());
  EXPECT_EQ(download<uint8_t>(rgb), (std::vector<uint8_t>{0, 128, 0}));
  EXPECT_EQ(download<int32_t>(bad)[0], 1);
}

TEST_F(KernelsTest, StepGuidesAndAppliesTheRowAndGoesOn) {
  // x' = 2 * x + 3 * out, and x0 = x / 2 + out, in the second row; the first must not be read.
  const DeviceBuffer rows = upload<float>({9, 9, 9, 9, 9, 9, 9, 9, 0.5f, 1, 2, 3, 0, 1, 0, 0});
  const DeviceBuffer latents = upload<float>({1, -2});
  const DeviceBuffer clean = upload<float>({kNaN, kNaN});
  // Without the prompt 1 and 2, with it 3 and 6: at scale 2 that makes 5 and 10.
  const DeviceBuffer output = upload<float>({1, 2, 3, 6});
  const DeviceBuffer blocks = upload<int32_t>({0, 0});
  const DeviceBuffer step = upload<int32_t>({1});
  const DeviceBuffer ticket = upload<uint32_t>({0});
  const DeviceBuffer settings = upload<StepSettings>({{2, kInfinity}});
  PinnedBuffer progress(sizeof(int32_t));
  launch_step({as<float>(latents), as<float>(clean), output.get(), DataType::float32, as<float>(rows), nullptr,
               as<int32_t>(blocks), 2, 2, 1, as<StepSettings>(settings), as<int32_t>(step), as<uint32_t>(ticket),
               static_cast<int32_t*>(device_address(progress.get()))},
              stream_.get());
  EXPECT_EQ(download<float>(latents), (std::vector<float>{2 + 15, -4 + 30}));
  EXPECT_EQ(download<float>(clean), (std::vector<float>{0.5f + 5, -1 + 10}));
  EXPECT_EQ(download<int32_t>(step)[0], 2);
  EXPECT_EQ(download<uint32_t>(ticket)[0], 0u);
  EXPECT_EQ(*progress.as<int32_t>(), 2);
}

TEST_F(KernelsTest, StepTakesTheStepsBlockOfNoiseAndThePreviousEstimate) {
  // x' = x0 + 10 * noise + 100 * previous x0, x0 = out, clamped to 4.
  const DeviceBuffer rows = upload<float>({0, 1, 0, 0, 1, 0, 10, 100});
  const DeviceBuffer latents = upload<float>({7, 7, 7, 7});
  const DeviceBuffer clean = upload<float>({1, 2, 3, 4});
  const DeviceBuffer output = upload<Half>({to_half(1), to_half(2), to_half(3), to_half(5)});
  // Three blocks of two images of two latents; this step's is the third.
  const DeviceBuffer noise = upload<float>({0, 0, 0, 0, 0, 0, 0, 0, 0.1f, 0.2f, 0.3f, 0.4f});
  const DeviceBuffer blocks = upload<int32_t>({2});
  const DeviceBuffer step = upload<int32_t>({0});
  const DeviceBuffer ticket = upload<uint32_t>({0});
  const DeviceBuffer settings = upload<StepSettings>({{99, 4}});
  const PinnedBuffer progress(sizeof(int32_t));
  launch_step({as<float>(latents), as<float>(clean), output.get(), DataType::float16, as<float>(rows), as<float>(noise),
               as<int32_t>(blocks), 2, 1, 2, as<StepSettings>(settings), as<int32_t>(step), as<uint32_t>(ticket),
               progress.as<int32_t>()},
              stream_.get());
  EXPECT_EQ(download<float>(latents), (std::vector<float>{1 + 1 + 100, 2 + 2 + 200, 3 + 3 + 300, 4 + 4 + 400}));
  EXPECT_EQ(download<float>(clean), (std::vector<float>{1, 2, 3, 4}));
}

TEST_F(KernelsTest, StepsReplayFromAGraphWithTheIndexInDeviceMemory) {
  // x' = k4 * out, with k4 of row i being i + 1; out is 1.
  std::vector<float> rows;
  for (int i = 0; i < 5; i++) rows.insert(rows.end(), {0, 1, 0, 0, static_cast<float>(i + 1), 0, 0, 0});
  const DeviceBuffer device_rows = upload(rows);
  const DeviceBuffer latents = upload<float>({0}), clean = upload<float>({0}), output = upload<float>({1});
  const DeviceBuffer blocks = upload<int32_t>({0, 0, 0, 0, 0}), step = upload<int32_t>({0});
  const DeviceBuffer ticket = upload<uint32_t>({0});
  const DeviceBuffer settings = upload<StepSettings>({{1, kInfinity}});
  const PinnedBuffer progress(sizeof(int32_t));
  begin_capture(stream_.get());
  launch_step({as<float>(latents), as<float>(clean), output.get(), DataType::float32, as<float>(device_rows), nullptr,
               as<int32_t>(blocks), 1, 1, 1, as<StepSettings>(settings), as<int32_t>(step), as<uint32_t>(ticket),
               progress.as<int32_t>()},
              stream_.get());
  const Graph graph(end_capture(stream_.get()));
  for (int i = 0; i < 5; i++) {
    launch(graph.get(), stream_.get());
    EXPECT_EQ(download<float>(latents)[0], i + 1);
    EXPECT_EQ(__atomic_load_n(progress.as<int32_t>(), __ATOMIC_ACQUIRE), i + 1);
  }
}

TEST_F(KernelsTest, DecoderInputDividesAndShifts) {
  const DeviceBuffer latents = upload<float>({0.18215f, -1, 3});
  const DeviceBuffer wide(3 * sizeof(float)), narrow(3 * sizeof(Half));
  launch_decoder_input({as<float>(latents), wide.get(), DataType::float32, 0.18215f, 0.5f, 3}, stream_.get());
  launch_decoder_input({as<float>(latents), narrow.get(), DataType::float16, 2, 0, 3}, stream_.get());
  EXPECT_EQ(download<float>(wide), (std::vector<float>{1.5f, -1 / 0.18215f + 0.5f, 3 / 0.18215f + 0.5f}));
  EXPECT_EQ(widened(download<Half>(narrow))[2], 1.5f);
}

TEST_F(KernelsTest, RgbInterleavesClampsAndRoundsTiesToEven) {
  // Two images of two pixels, [image, channel, pixel].
  const std::vector<float> image = {-1, 1, 0, -2, 5, -kInfinity, kInfinity, 0.5f, -0.5f, 0.25f, -0.25f, 0.75f};
  const DeviceBuffer device = upload(image);
  const DeviceBuffer rgb(12), bad = upload<int32_t>({0});
  launch_rgb({device.get(), DataType::float32, as<uint8_t>(rgb), 2, 2, as<int32_t>(bad)}, stream_.get());
  EXPECT_EQ(download<uint8_t>(rgb), (std::vector<uint8_t>{0, 128, 255, 255, 0, 0, 255, 64, 96, 191, 159, 223}));
  EXPECT_EQ(download<int32_t>(bad)[0], 0);
}

TEST_F(KernelsTest, RgbFlagsNaN) {
  for (int place = 0; place < 6; place++) {
    std::vector<Half> image(6, to_half(0));
    image[place] = to_half(kNaN);
    const DeviceBuffer device = upload(image), rgb(6), bad = upload<int32_t>({0});
    launch_rgb({device.get(), DataType::float16, as<uint8_t>(rgb), 1, 2, as<int32_t>(bad)}, stream_.get());
    EXPECT_EQ(download<int32_t>(bad)[0], 1) << "place " << place;
  }
}

TEST_F(KernelsTest, RefuseTypesAndSizesThatDoNotFit) {
  const DeviceBuffer latents = upload<float>({1, 2}), input(2 * sizeof(float));
  DecoderInputArgs args{as<float>(latents), input.get(), DataType::int8, 1, 0, 2};
  expect_backend_failed([&] { launch_decoder_input(args, stream_.get()); });
  args.type = DataType::float32;
  args.count = 3;
  expect_backend_failed([&] { launch_decoder_input(args, stream_.get()); });
}

TEST(ImageTest, BytesFollowDiffusers) {
  EXPECT_EQ(to_byte(-1), 0);
  EXPECT_EQ(to_byte(1), 255);
  EXPECT_EQ(to_byte(std::nextafter(0.0f, -1.0f)), 128) << "0.5 - tiny rounds to 0.5 in float32";
  EXPECT_EQ(to_byte(-0.01f), 126);
}

TEST(ImageTest, TiesGoToTheEvenByte) {
  int ties = 0;
  for (int below = 0; below < 255; below++) {
    const float middle = static_cast<float>(below) + 0.5f;
    const float unit = middle / 255;
    const float value = (unit - 0.5f) * 2;
    // Not every middle can be met exactly in float32.
    if (value / 2 + 0.5f != unit || unit * 255 != middle) continue;
    ties++;
    EXPECT_EQ(to_byte(value), below + (below & 1));
  }
  EXPECT_GT(ties, 100);
}

}  // namespace
}  // namespace t2i::cuda
