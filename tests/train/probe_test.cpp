#include "retort/train/probe.h"

#include "tests/support.h"
#include "tests/train/toy.h"

namespace retort::testing {
namespace {

TEST(Probe, ReadsWhatTheFeaturesHold) {
  TemporaryFolder folder;
  const auto run = open_run(folder / "run");
  const Net encoder = make_net("mlp-16", {2}, 3, Seed(5));
  const Dataset train = feature_set(encoder, "embedding", clusters(300, Seed(1)), at::kCPU),
                test = feature_set(encoder, "embedding", clusters(200, Seed(2)), at::kCPU);
  EXPECT_EQ(train.inputs.sizes(), at::IntArrayRef({300, 16}));
  ProbeKnobs knobs;
  knobs.probe_epochs = 30;
  knobs.probe_batch = 32;
  knobs.probe_lr = 0.01;
  const Probed found = probe(*run, "probe", train, test, knobs, Seed(3));
  EXPECT_GT(found.linear, 0.75);
  EXPECT_GT(found.knn, 0.75);
  EXPECT_DOUBLE_EQ(share_right(found.readout.scores(test.inputs), test.labels), found.linear);  // of the features as they are
}

TEST(Probe, NeedsLabels) {
  TemporaryFolder folder;
  const auto run = open_run(folder / "run");
  Dataset data = clusters(30, Seed(1));
  data.labels = at::full({30}, -1, at::kLong);
  EXPECT_EQ(caught<DataError>([&] { probe(*run, "probe", data, data, {}, Seed(3)); }).line,
            "probe: no training row has a label, and a probe learns from labels");
}

TEST(FeatureSet, AveragesMapsAndStandsSideBySide) {
  Dataset images;
  images.inputs = at::empty({3, 1, 8, 8}).normal_(0, 1, Seed(1).generator());
  images.labels = images.ids = at::arange(3);
  images.spec.shape = {1, 8, 8};
  images.spec.classes = {"a", "b", "c"};
  Net net = make_net("cnn-4-6", {1, 8, 8}, 3, Seed(2));
  const Dataset maps = feature_set(net, "stage2", images, at::kCPU), vectors = feature_set(net, "embedding", images, at::kCPU);
  EXPECT_LT((maps.inputs - vectors.inputs).abs().max().item<double>(), 1e-5);
  EXPECT_EQ(side_by_side({maps, vectors}).spec.shape, (std::vector<int64_t>{12}));
}

}  // namespace
}  // namespace retort::testing
