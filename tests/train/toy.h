// A toy world for tests of training: three noisy clusters in the plane, and runs in folders of their own.
#pragma once

#include <filesystem>
#include <random>

#include "retort/base/run.h"
#include "retort/nets/net.h"
#include "retort/train/train.h"

namespace retort::testing {

inline Dataset clusters(int64_t count, Seed seed) {
  Dataset data;
  data.name = "clusters";
  auto generator = seed.generator();
  data.labels = at::arange(count) % 3;
  const Tensor centres = at::tensor({0.0, 2.0, 2.0, -1.0, -2.0, -1.0}).view({3, 2}).to(at::kFloat);
  data.inputs = centres.index_select(0, data.labels) + at::randn({count, 2}, generator, at::kFloat);
  data.ids = at::arange(count);
  data.spec.shape = {2};
  data.spec.classes = {"a", "b", "c"};
  return data;
}

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::random_device entropy;
    path_ = (std::filesystem::temp_directory_path() / ("retort-test-" + std::to_string(entropy()) + std::to_string(entropy()))).string();
    std::filesystem::create_directories(path_);
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// An open run in `folder` with more top-level or [run] lines of TOML.
inline std::unique_ptr<Run> open_run(const std::string& folder, bool resume = false, const std::vector<std::string>& sets = {}) {
  std::vector<std::string> all = {"method=test", "run.dir=\"" + folder + "\"", "run.threads=1"};
  all.insert(all.end(), sets.begin(), sets.end());
  auto run = std::make_unique<Run>(Recipe::parse("", "test.toml", all), resume);
  run->quiet = true;
  run->open();
  return run;
}

// Cross-entropy on the clusters: a small net, a few epochs.
struct ToyTraining {
  Dataset data = clusters(90, Seed(1)), validation = clusters(60, Seed(2));
  Net net = make_net("mlp-8", {2}, 3, Seed(3));
  std::unique_ptr<Objective> learns = objective({}, [](const Step& step) { return Loss().add("ce", label_loss(step)); });
  TrainJob job() {
    TrainJob job;
    job.student = &net;
    job.objective = learns.get();
    job.train = &data;
    job.validation = &validation;
    job.knobs.epochs = 6;
    job.knobs.batch = 16;
    job.knobs.optimiser.lr = 0.02;
    job.seed = Seed(4);
    return job;
  }
};

inline bool equal_tensors(const Net& a, const Net& b) {
  const TensorMap left = a.named_tensors(), right = b.named_tensors();
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](const auto& x, const auto& y) { return x.first == y.first && x.second.equal(y.second); });
}

}  // namespace retort::testing
