#include "retort/data/transforms.h"

#include "tests/data/support.h"

namespace retort {
namespace {

InputSpec spec_of(std::vector<int64_t> shape) {
  InputSpec spec;
  spec.shape = std::move(shape);
  return spec;
}

Tensor samples(int64_t n) { return at::arange(n, at::kLong); }

TEST(Views, WithoutTransformsAreTheInput) {
  const Tensor clean = at::rand({3, 1, 4, 4});
  EXPECT_TRUE(random_views(clean, samples(3), ViewKnobs{}, spec_of({1, 4, 4}), Seed(1)).is_same(clean));
}

TEST(Views, FlipHalfOfTheImages) {
  ViewKnobs knobs;
  knobs.flip = true;
  const Tensor clean = at::rand({400, 2, 3, 4});
  const Tensor seen = random_views(clean, samples(400), knobs, spec_of({2, 3, 4}), Seed(1));
  int64_t flipped = 0;
  for (int64_t i = 0; i < 400; ++i) {
    const bool mirrored = seen[i].equal(clean[i].flip(2));
    EXPECT_TRUE(mirrored || seen[i].equal(clean[i]));
    flipped += mirrored;
  }
  EXPECT_NEAR(static_cast<double>(flipped), 200, 40);
}

TEST(Views, ShiftFillsWithBlack) {
  ViewKnobs knobs;
  knobs.shift = 1;
  InputSpec spec = spec_of({1, 3, 3});
  spec.mean = {0.25}, spec.deviation = {0.5};  // black is -0.5
  const Tensor clean = at::arange(1, 10).to(at::kFloat).view({1, 1, 3, 3});
  std::set<std::pair<int, int>> offsets;
  for (uint64_t s = 0; s < 200; ++s) {
    const Tensor seen = random_views(clean, samples(1), knobs, spec, Seed(s));
    const Tensor padded = at::constant_pad_nd(clean, {1, 1, 1, 1}, -0.5);
    int found = 0;
    for (int dy = 0; dy < 3; ++dy)
      for (int dx = 0; dx < 3; ++dx)
        if (seen.equal(padded.narrow(2, dy, 3).narrow(3, dx, 3))) ++found, offsets.insert({dy, dx});
    EXPECT_EQ(found, 1);
  }
  EXPECT_EQ(offsets.size(), 9u);
}

TEST(Views, CropFromPaddingIsAShift) {
  ViewKnobs shift, crop;
  shift.shift = 2, crop.crop_padding = 2;
  const Tensor clean = at::rand({20, 1, 5, 5});
  EXPECT_TRUE(random_views(clean, samples(20), shift, spec_of({1, 5, 5}), Seed(4))
                  .equal(random_views(clean, samples(20), crop, spec_of({1, 5, 5}), Seed(4))));
}

TEST(Views, CutoutBlanksASquare) {
  ViewKnobs knobs;
  knobs.cutout = 2;
  const Tensor seen = random_views(at::ones({100, 1, 6, 6}), samples(100), knobs, spec_of({1, 6, 6}), Seed(1));
  const Tensor blank = seen.eq(0).sum({1, 2, 3});
  EXPECT_EQ(blank.max().item<int64_t>(), 4);
  EXPECT_GE(blank.min().item<int64_t>(), 1);
}

TEST(Views, MoveClipsAsAWhole) {
  ViewKnobs knobs;
  knobs.shift = 2, knobs.flip = true;
  const Tensor frame = at::rand({10, 1, 1, 5, 5});
  const Tensor seen = random_views(frame.expand({10, 3, 1, 5, 5}), samples(10), knobs, spec_of({3, 1, 5, 5}), Seed(1));
  EXPECT_TRUE(seen.select(1, 0).equal(seen.select(1, 2)));
}

TEST(Views, NoiseHasItsDeviation) {
  ViewKnobs knobs;
  knobs.noise = 0.5;
  const Tensor seen = random_views(at::zeros({100, 50}), samples(100), knobs, spec_of({50}), Seed(1));
  EXPECT_NEAR(seen.std().item<double>(), 0.5, 0.02);
  EXPECT_NEAR(seen.mean().item<double>(), 0, 0.02);
}

TEST(Views, DependOnTheSampleAlone) {
  ViewKnobs knobs;
  knobs.shift = 2, knobs.flip = true, knobs.noise = 0.1;
  const Tensor clean = at::rand({8, 1, 6, 6});
  const Tensor all = random_views(clean, samples(8), knobs, spec_of({1, 6, 6}), Seed(9));
  const Tensor order = at::tensor({5, 2, 7}, at::kLong);
  EXPECT_TRUE(random_views(clean.index_select(0, order), order, knobs, spec_of({1, 6, 6}), Seed(9)).equal(all.index_select(0, order)));
}

TEST(Mixup, OfWholeWeightIsTheIdentity) {
  const Tensor x = at::randn({3, 2, 4, 4});
  const Mix mix{at::tensor({0, 2, 1, 0, 2, 1}, at::kLong).view({3, 2}), at::tensor({1.f, 0.f, 1.f, 0.f, 1.f, 0.f}).view({3, 2})};
  EXPECT_TRUE(mix_inputs(x, mix).equal(x));
  EXPECT_TRUE(
      mix_labels(at::tensor({1, 0, 2}, at::kLong), mix, 3).equal(at::tensor({0.f, 1.f, 0.f, 1.f, 0.f, 0.f, 0.f, 0.f, 1.f}).view({3, 3})));
}

TEST(Mixup, ByHand) {
  const Tensor x = at::tensor({1.f, 10.f}).view({2, 1});
  const Mix mix{at::tensor({0, 1, 1, 0}, at::kLong).view({2, 2}), at::tensor({0.75f, 0.25f, 0.5f, 0.5f}).view({2, 2})};
  EXPECT_TRUE(mix_inputs(x, mix).equal(at::tensor({3.25f, 5.5f}).view({2, 1})));
  EXPECT_TRUE(mix_labels(at::tensor({0, -1}, at::kLong), mix, 2).equal(at::tensor({0.75f, 0.f, 0.5f, 0.f}).view({2, 2})));
}

TEST(Mixup, DirichletWeightsSumToOneAndFavourTheOwnImage) {
  ViewKnobs knobs;
  knobs.mixup = 1, knobs.mixup_images = 3, knobs.mixup_weights = "dirichlet";
  const Mix mix = draw_mix(samples(500), knobs, Seed(2));
  EXPECT_TRUE(mix.weights.sum(1).allclose(at::ones({500}), 1e-5, 1e-5));
  EXPECT_TRUE(mix.weights.argmax(1).eq(0).all().item<bool>());
  EXPECT_TRUE(mix.partners.select(1, 0).equal(samples(500)));
  EXPECT_TRUE(mix.partners.select(1, 1).ne(mix.partners.select(1, 2)).all().item<bool>());
  EXPECT_TRUE(mix.partners.select(1, 1).ne(samples(500)).all().item<bool>());
  // The largest of three uniform spacings has mean (1 + 1/2 + 1/3) / 3.
  EXPECT_NEAR(mix.weights.select(1, 0).mean().item<double>(), 11.0 / 18, 0.02);
}

TEST(Mixup, BetaWeightsHaveTheirMoments) {
  ViewKnobs knobs;
  knobs.mixup = 0.4;
  Dice dice(Seed(3));
  double sum = 0, squares = 0;
  for (int i = 0; i < 4000; ++i) {
    const auto weights = mixup_weights(knobs, 2, dice);
    EXPECT_NEAR(weights[0] + weights[1], 1, 1e-12);
    sum += weights[0], squares += weights[0] * weights[0];
  }
  EXPECT_NEAR(sum / 4000, 0.5, 0.02);
  EXPECT_NEAR(squares / 4000 - 0.25, 1 / (4 * (2 * 0.4 + 1)), 0.01);  // Beta(a, a): variance 1 / (4 (2a + 1))
}

TEST(Mixup, GammaHasItsMeanAndVariance) {
  for (double shape : {0.3, 1.0, 4.5}) {
    Dice dice(Seed(5));
    double sum = 0, squares = 0;
    for (int i = 0; i < 20000; ++i) {
      const double value = draw_gamma(shape, dice);
      sum += value, squares += value * value;
    }
    EXPECT_NEAR(sum / 20000 / shape, 1, 0.05);
    EXPECT_NEAR((squares / 20000 - sum / 20000 * sum / 20000) / shape, 1, 0.12);
  }
}

TEST(Views, RefuseWhatCannotBe) {
  ViewKnobs knobs;
  knobs.flip = true;
  EXPECT_HAS(line_of<ConfigError>([&] { check_views(knobs, spec_of({5}), 8); }),
             "views: flip, shift, crop_padding, crop_area and cutout need images");
  knobs = ViewKnobs{};
  knobs.mixup = 1, knobs.mixup_images = 4, knobs.mixup_weights = "dirichlet";
  EXPECT_EQ(line_of<ConfigError>([&] { check_views(knobs, spec_of({5}), 3); }), "views.mixup_images: a batch of 3 images cannot mix 4");
  knobs.mixup_weights = "beta";
  EXPECT_EQ(line_of<ConfigError>([&] { check_views(knobs, spec_of({5}), 8); }), "views.mixup_images: beta weights mix 2 images, found 4");
}

TEST(Views, CropsOfAnyAreaComeBackToSize) {
  ViewKnobs knobs;
  knobs.crop_area = 0.3;
  // A ramp stays a ramp under any crop: differences between neighbours shrink to the crop's share of the width.
  const Tensor clean = at::arange(8, at::kFloat).view({1, 1, 1, 8}).expand({60, 1, 8, 8}).contiguous();
  const Tensor seen = random_views(clean, samples(60), knobs, spec_of({1, 8, 8}), Seed(2)),
               steps = seen.slice(3, 2, 7) - seen.slice(3, 1, 6);
  EXPECT_LT((seen - seen.mean(2, true)).abs().max().item<double>(), 1e-5);
  EXPECT_LT((steps - steps.mean(3, true)).abs().max().item<double>(), 1e-5);
  EXPECT_GE(steps.min().item<double>(), std::sqrt(0.3 * 0.75) - 1e-5);
  EXPECT_LE(steps.max().item<double>(), 1 + 1e-5);
  EXPECT_GT(steps.max().item<double>() - steps.min().item<double>(), 0.2);
}

TEST(Cutmix, BoxesAreOfTheOtherImageAndLabelsOfTheArea) {
  ViewKnobs knobs;
  knobs.cutmix = 1;
  const Tensor x = at::arange(16, at::kFloat).view({16, 1, 1, 1}).expand({16, 2, 5, 4}).contiguous(), labels = at::arange(16, at::kLong);
  const Cut cut = draw_cut(samples(16), knobs, spec_of({2, 5, 4}), Seed(3));
  const Tensor mixed = cut_inputs(x, cut), targets = mix_labels(labels, cut.mix, 16);
  EXPECT_TRUE(targets.sum(1).allclose(at::ones({16})));
  bool some = false;
  for (int64_t i = 0; i < 16; ++i) {
    const int64_t other = cut.mix.partners[i][1].item<int64_t>();
    EXPECT_NE(other, i);
    const Tensor foreign = mixed[i] == static_cast<double>(other);
    EXPECT_TRUE((foreign | (mixed[i] == static_cast<double>(i))).all().item<bool>());
    EXPECT_NEAR(foreign.to(at::kFloat).mean().item<double>(), targets[i][other].item<double>(), 1e-6);
    some = some || (foreign.any().item<bool>() && !foreign.all().item<bool>());
  }
  EXPECT_TRUE(some);
  knobs.mixup = 1;
  EXPECT_EQ(line_of<ConfigError>([&] {
              check_views(knobs, spec_of({1, 4, 4}), 8);
            }),
            "views.cutmix: images are mixed by views.mixup already");
  knobs.mixup = 0;
  EXPECT_HAS(line_of<ConfigError>([&] { check_views(knobs, spec_of({5}), 8); }), "views.cutmix: boxes are cut out of images");
}

}  // namespace
}  // namespace retort
