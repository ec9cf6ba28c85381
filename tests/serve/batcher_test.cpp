#include "retort/serve/batcher.h"

#include <gtest/gtest.h>

#include "client.h"

namespace retort {
namespace {

BatchJob& fill(BatchJob& job, int64_t rows, float value) {
  job.rows = rows;
  job.inputs.assign(static_cast<size_t>(rows * 4), value);
  return job;
}

TEST(Batcher, GathersSplitsAndHandsBack) {
  const auto served = tiny_served();
  std::mutex mutex;
  std::vector<int64_t> sizes;
  Batcher batcher(*served, 8, 0.2, 100, [&](int64_t rows) {
    const std::lock_guard lock(mutex);
    sizes.push_back(rows);
  });
  BatchJob first, second, third;
  std::thread one([&] { EXPECT_TRUE(batcher.answer(fill(first, 3, 1))); });
  std::thread two([&] { EXPECT_TRUE(batcher.answer(fill(second, 2, -1))); });
  EXPECT_TRUE(batcher.answer(fill(third, 11, 0.5f)));
  one.join();
  two.join();
  int64_t total = 0;
  for (const int64_t size : sizes) {
    EXPECT_LE(size, 8);
    total += size;
  }
  EXPECT_EQ(total, 16);
  EXPECT_EQ(sizes.size(), 2u);
  for (const BatchJob* job : {&first, &second, &third}) {
    const Tensor inputs = at::from_blob(const_cast<float*>(job->inputs.data()), {job->rows, 4}, at::kFloat);
    const Tensor expected = tiny_net().frozen().forward(inputs).softmax(1).to(at::kDouble);
    EXPECT_TRUE(at::allclose(at::from_blob(const_cast<double*>(job->answer.data()), {job->rows, 3}, at::kDouble), expected, 1e-6, 1e-7));
  }
}

class Failing final : public Served {
 public:
  const std::string& name() const override { return name_; }
  const InputSpec& input() const override { return input_; }
  std::string about() const override { return "fails"; }
  std::string fingerprint() const override { return "none"; }
  ServedAnswer answer(const Tensor& inputs, bool) override {
    if (inputs[0][0].item<float>() > 0) throw std::runtime_error("out of order\nwith a trace");
    return {at::full({inputs.size(0), 3}, std::nan("")), {}};
  }

 private:
  std::string name_ = "failing";
  InputSpec input_ = tiny_input();
};

TEST(Batcher, SaysWhyThereIsNoAnswer) {
  Failing failing;
  Batcher batcher(failing, 4, 0, 10, [](int64_t) {});
  BatchJob thrown, nan, large;
  EXPECT_TRUE(batcher.answer(fill(thrown, 6, 1)));
  EXPECT_EQ(thrown.failure, "out of order");
  EXPECT_TRUE(batcher.answer(fill(nan, 1, -1)));
  EXPECT_EQ(nan.failure, "the model's answer is not a finite number");
  EXPECT_FALSE(batcher.answer(fill(large, 11, 1)));
  EXPECT_EQ(batcher.waiting_rows(), 0);
}

}  // namespace
}  // namespace retort
