// Reads captured signals at random and says how fast; then times Hinton's training step with a teacher that answers from a store beside one that
// answers from tensors in memory. Prints one line of JSON.
//   bench_signal_store ROWS CLASSES STUDENT C,H,W THREADS STEPS
#include <chrono>
#include <filesystem>

#include "retort/losses/soft_targets.h"
#include "retort/teachers/signal_writer.h"
#include "retort/train/train.h"

namespace retort {
namespace {

constexpr int64_t kBatch = 64, kRows = 512;

using Clock = std::chrono::steady_clock;
double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Logits by row number: the least that a teacher can do.
class InMemory final : public Teacher {
 public:
  explicit InMemory(Tensor logits) : logits_(std::move(logits)) {}
  Access access() const override { return Access::logits; }
  int64_t classes() const override { return logits_.size(1); }
  std::string about() const override { return "tensors in memory"; }
  Signals ask(const Tensor& ids, const Tensor&, bool, const Wanted&) override {
    Signals said;
    said.logits = logits_.index_select(0, ids);
    return said;
  }

 private:
  Tensor logits_;
};

SignalHeader header_for(int64_t classes, bool half) {
  SignalHeader header;
  header.classes = classes;
  header.columns = {signal_columns::ids(), signal_columns::logits(classes, half)};
  header.teacher = "random";
  return header;
}

std::shared_ptr<const SignalStore> stored(const std::string& path, const Tensor& logits, bool half) {
  write_signals(path, header_for(logits.size(1), half), 1024, [&](SignalWriter& writer) {
    for (int64_t first = 0; first < logits.size(0); first += 1024) {
      const int64_t last = std::min(logits.size(0), first + 1024);
      Signals said;
      said.logits = logits.slice(0, first, last);
      writer.append(at::arange(first, last, at::kLong), said);
    }
  });
  return SignalStore::open(path);
}

// Bytes of the file a second, batches of random ids, after a first pass that checks every block.
double gigabytes_a_second(const SignalStore& store) {
  store.verify();
  const int64_t rows = store.count();
  const auto row_bytes = static_cast<double>(store.column("logits")->row_bytes());
  double bytes = 0;
  std::vector<Tensor> batches;
  for (int i = 0; i < 64; ++i) batches.push_back(at::randint(0, rows, {256}, at::TensorOptions(at::kLong)));
  const auto start = Clock::now();
  while (since(start) < 1) {
    for (const Tensor& ids : batches) {
      store.read("logits", ids);
      bytes += 256 * row_bytes;
    }
  }
  return bytes / since(start) / 1e9;
}

class Timed final : public Objective {
 public:
  Wanted wanted() const override { return {true}; }
  Loss loss(const Step& step) override {
    const auto [ce, kd] = losses::cross_entropy_and_kl(step.logits, step.teacher.logits, step.labels(), 4);
    return Loss().add("ce", ce, 0.1).add("kd", kd, 0.9);
  }
  void after_step(const Step&) override { ends_.push_back(Clock::now()); }
  double median_ms() const {
    std::vector<double> took;
    for (size_t i = 2 * kRows / kBatch; i < ends_.size(); ++i)
      took.push_back(std::chrono::duration<double>(ends_[i] - ends_[i - 1]).count());
    std::nth_element(took.begin(), took.begin() + static_cast<std::ptrdiff_t>(took.size() / 2), took.end());
    return 1e3 * took[took.size() / 2];
  }

 private:
  std::vector<Clock::time_point> ends_;
};

Dataset random_images(const std::vector<int64_t>& shape, int64_t classes) {
  Dataset data;
  data.name = "random";
  std::vector<int64_t> all = shape;
  all.insert(all.begin(), kRows);
  data.inputs = at::randint(0, 256, all, at::TensorOptions(at::kByte));
  data.labels = at::randint(0, classes, {kRows}, at::TensorOptions(at::kLong));
  data.ids = at::arange(kRows, at::TensorOptions(at::kLong));
  data.spec.shape = shape;
  data.spec.mean.assign(static_cast<size_t>(shape[0]), 0.5);
  data.spec.deviation.assign(static_cast<size_t>(shape[0]), 0.25);
  for (int64_t c = 0; c < classes; ++c) data.spec.classes.push_back(std::to_string(c));
  return data;
}

double step_ms(Teacher& teacher, const Dataset& data, const std::string& student_name, int64_t threads, int64_t steps,
               const std::string& folder) {
  std::filesystem::remove_all(folder);
  Run run(Recipe::parse("method = \"kd.hinton\"\n", "bench", {"run.dir=" + folder, fmt::format("run.threads={}", threads)}));
  run.quiet = true;
  run.open();
  Net student = make_net(student_name, data.spec.shape, data.classes(), Seed(1));
  Timed objective;
  TrainJob job;
  job.student = &student;
  job.teacher = &teacher;
  job.objective = &objective;
  job.train = &data;
  job.knobs.batch = kBatch;
  job.knobs.epochs = 2 + steps * kBatch / kRows;
  job.knobs.optimiser.optimiser = "sgd";
  job.knobs.optimiser.lr = 0.01;
  job.seed = run.seed;
  train(run, job);
  return objective.median_ms();
}

void measure(int64_t rows, int64_t classes, const std::string& student, const std::vector<int64_t>& shape, int64_t threads, int64_t steps) {
  const std::filesystem::path folder = std::filesystem::temp_directory_path() / fmt::format("retort-bench-{}", getpid());
  std::filesystem::create_directories(folder);
  const auto full = stored((folder / "full").string(), at::randn({rows, classes}), false),
             half = stored((folder / "half").string(), at::randn({rows, classes}), true);
  const auto start = Clock::now();
  SignalStore::open((folder / "full").string());
  const double open_ms = 1e3 * since(start), full_speed = gigabytes_a_second(*full), half_speed = gigabytes_a_second(*half);

  constexpr int64_t kClasses = 10;
  const Dataset data = random_images(shape, kClasses);
  const Tensor logits = at::randn({kRows, kClasses});
  InMemory memory(logits);
  const auto from_store = stored_teacher(stored((folder / "train").string(), logits, false));
  std::vector<double> ratios;
  for (int round = 0; round < 3; ++round) {
    const double a = step_ms(memory, data, student, threads, steps, (folder / "run").string()),
                 b = step_ms(*from_store, data, student, threads, steps, (folder / "run").string());
    ratios.push_back(b / a);
  }
  std::sort(ratios.begin(), ratios.end());
  std::filesystem::remove_all(folder);
  fmt::print(
      "{}\n",
      nlohmann::json{{"open_ms", open_ms}, {"fp32_gb_s", full_speed}, {"fp16_gb_s", half_speed}, {"step_store_over_memory", ratios[1]}}
          .dump());
}

}  // namespace
}  // namespace retort

int main(int count, char** words) {
  std::vector<int64_t> shape(3);
  if (count != 7 || std::sscanf(words[4], "%ld,%ld,%ld", &shape[0], &shape[1], &shape[2]) != 3) {
    fmt::print(stderr, "usage: bench_signal_store ROWS CLASSES STUDENT C,H,W THREADS STEPS\n");
    return 2;
  }
  retort::measure(std::atoll(words[1]), std::atoll(words[2]), words[3], shape, std::atoll(words[5]), std::atoll(words[6]));
  return 0;
}
