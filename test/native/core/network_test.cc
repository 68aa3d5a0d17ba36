#include "pipeline/network.h"

#include "support_failures.h"
#include "support_toy_model.h"

namespace t2i::test {
namespace {

/// Inputs of the toy UNet at a batch and a latent size.
Shapes shapes_for(int64_t rows, int64_t side) {
  return {{"sample", {rows, 4, side, side}}, {"timestep", {1}}, {"encoder_hidden_states", {rows, 6, 5}}};
}

TEST(NetworkTest, SaysWhetherTheShapesChanged) {
  Engines engines = make_engines({});
  cuda::Stream stream;
  Activations activations(stream);
  Network unet(engines.unet, "out_sample", activations);
  EXPECT_TRUE(unet.reshape(shapes_for(2, 8)));
  EXPECT_FALSE(unet.reshape(shapes_for(2, 8)));
  EXPECT_TRUE(unet.reshape(shapes_for(1, 8)));
  EXPECT_EQ(unet.shape("out_sample"), (Dims{1, 4, 8, 8}));
}

TEST(NetworkTest, ShapesThatWereRefusedHalfwayAreSetAgain) {
  Engines engines = make_engines({});
  cuda::Stream stream;
  Activations activations(stream);
  Network unet(engines.unet, "out_sample", activations);
  unet.reshape(shapes_for(2, 8));
  expect_error(error_of([&] { unet.reshape(shapes_for(4, 1000)); }), ErrorCode::backend_failed, "sample");
  EXPECT_TRUE(unet.reshape(shapes_for(2, 8)));
  EXPECT_EQ(unet.shape("encoder_hidden_states"), (Dims{2, 6, 5}));
}

TEST(NetworkTest, RefusesAnOutputOfAnotherShape) {
  Engines engines = make_engines({});
  cuda::Stream stream;
  Activations activations(stream);
  Network unet(engines.unet, "out_sample", activations);
  unet.reshape(shapes_for(2, 8));
  unet.require_shape("out_sample", {2, 4, 8, 8});
  expect_error(error_of([&] { unet.require_shape("out_sample", {2, 4, 8, 9}); }), ErrorCode::engine_invalid,
               "expected shape 2x4x8x9, received 2x4x8x8");
}

}  // namespace
}  // namespace t2i::test
