#include "retort/data/pixels.h"

#include "tests/support.h"

namespace retort {
namespace {

TEST(Pixels, UndoThePreparation) {
  InputSpec spec;
  spec.shape = {2, 3, 3};
  spec.mean = {0.3, 0.5};
  spec.deviation = {0.2, 0.4};
  const Tensor unit = at::rand({4, 2, 3, 3});
  EXPECT_TRUE(at::allclose(unit_pixels(prepare(unit, spec), spec), unit, 1e-5, 1e-6));
}

TEST(Pixels, TiltingStaysInRangeAndDependsOnTheIdAlone) {
  const Tensor images = at::rand({3, 1, 8, 8}), ids = at::arange(3, at::kLong);
  EXPECT_TRUE(at::equal(tilted_images(images, ids, 0, 0, Seed(1)), images));
  const Tensor all = tilted_images(images, ids, 15, 0.1, Seed(1)),
               last = tilted_images(images.slice(0, 2), ids.slice(0, 2), 15, 0.1, Seed(1));
  EXPECT_TRUE(at::equal(all.slice(0, 2), last));
  EXPECT_FALSE(at::equal(all, images));
  EXPECT_GE(all.min().item<double>(), 0);
  EXPECT_LE(all.max().item<double>(), 1);
  // A disc about the middle does not move.
  Tensor disc = at::zeros({1, 1, 9, 9});
  disc.slice(2, 3, 6).slice(3, 3, 6).fill_(1);
  EXPECT_GT((tilted_images(disc, ids.slice(0, 0, 1), 10, 0, Seed(2)) * disc).sum().item<double>(), 7.5);
}

}  // namespace
}  // namespace retort
