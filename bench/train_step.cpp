// Times the training step of the supervised skeleton: loader, teacher, student, Hinton's loss, sgd with momentum.
//   bench_train_step STUDENT TEACHER C,H,W THREADS STEPS asked|kept
// Prints one line of JSON. asked: the teacher answers at every step; kept: its answers of the first visit serve again.
#include <sys/resource.h>

#include <chrono>
#include <filesystem>

#include "retort/losses/soft_targets.h"
#include "retort/train/train.h"

namespace retort {
namespace {

constexpr int64_t kBatch = 64, kRows = 512, kClasses = 10, kWarmUp = 2 * kRows / kBatch;

using Clock = std::chrono::steady_clock;

// The loss of kd.hinton, and a clock that stops between steps.
class TimedHinton final : public Objective {
 public:
  Wanted wanted() const override {
    Wanted wanted;
    wanted.logits = true;
    return wanted;
  }
  Loss loss(const Step& step) override {
    const auto [ce, kd] = losses::cross_entropy_and_kl(step.logits, step.teacher.logits, step.labels(), 4);
    return Loss().add("ce", ce, 0.1).add("kd", kd, 0.9);
  }
  void after_step(const Step&) override { ends_.push_back(Clock::now()); }
  double median_seconds() const {
    std::vector<double> took;
    for (size_t i = kWarmUp; i < ends_.size(); ++i) took.push_back(std::chrono::duration<double>(ends_[i] - ends_[i - 1]).count());
    std::nth_element(took.begin(), took.begin() + took.size() / 2, took.end());
    return took[took.size() / 2];
  }

 private:
  std::vector<Clock::time_point> ends_;
};

// Forgets that views repeat.
class AskedTeacher final : public Teacher {
 public:
  explicit AskedTeacher(std::unique_ptr<Teacher> inner) : inner_(std::move(inner)) {}
  Access access() const override { return inner_->access(); }
  int64_t classes() const override { return inner_->classes(); }
  std::string about() const override { return inner_->about(); }
  Signals ask(const Tensor& ids, const Tensor& inputs, bool, const Wanted& wanted) override {
    return inner_->ask(ids, inputs, false, wanted);
  }

 private:
  std::unique_ptr<Teacher> inner_;
};

Dataset random_images(const std::vector<int64_t>& shape) {
  Dataset data;
  data.name = "random";
  std::vector<int64_t> all = shape;
  all.insert(all.begin(), kRows);
  data.inputs = at::randint(0, 256, all, at::TensorOptions(at::kByte));
  data.labels = at::randint(0, kClasses, {kRows}, at::TensorOptions(at::kLong));
  data.ids = at::arange(kRows, at::TensorOptions(at::kLong));
  data.spec.shape = shape;
  data.spec.mean.assign(shape[0], 0.5);
  data.spec.deviation.assign(shape[0], 0.25);
  for (int64_t c = 0; c < kClasses; ++c) data.spec.classes.push_back(std::to_string(c));
  return data;
}

void time_steps(const std::string& student_name, const std::string& teacher_name, const std::vector<int64_t>& shape, int64_t threads,
                int64_t steps, bool asked) {
  const std::string folder = (std::filesystem::temp_directory_path() / fmt::format("retort-bench-{}", getpid())).string();
  Run run(Recipe::parse("method = \"kd.hinton\"\n", "bench", {"run.dir=" + folder, fmt::format("run.threads={}", threads)}));
  run.quiet = true;
  run.open();
  const Dataset data = random_images(shape);
  Net student = make_net(student_name, shape, kClasses, Seed(1));
  const Net taught = make_net(teacher_name, shape, kClasses, Seed(2));
  auto teacher = net_teacher(taught);
  teacher->serve(data);
  if (asked) teacher = std::make_unique<AskedTeacher>(std::move(teacher));

  TimedHinton objective;
  TrainJob job;
  job.student = &student;
  job.teacher = teacher.get();
  job.objective = &objective;
  job.train = &data;
  job.knobs.batch = kBatch;
  job.knobs.epochs = (kWarmUp + steps) * kBatch / kRows;
  job.knobs.optimiser.optimiser = "sgd";
  job.knobs.optimiser.lr = 0.01;
  job.knobs.optimiser.momentum = 0.9;
  job.seed = run.seed;
  train(run, job);
  std::filesystem::remove_all(folder);

  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  fmt::print("{}\n", nlohmann::json{{"step_ms", 1e3 * objective.median_seconds()},
                                    {"peak_mb", usage.ru_maxrss / 1024.0},
                                    {"student", student.param_count()},
                                    {"teacher", taught.param_count()}}
                         .dump());
}

}  // namespace
}  // namespace retort

int main(int count, char** words) {
  if (count != 7) {
    fmt::print(stderr, "usage: bench_train_step STUDENT TEACHER C,H,W THREADS STEPS asked|kept\n");
    return 2;
  }
  std::vector<int64_t> shape(3);
  if (std::sscanf(words[3], "%ld,%ld,%ld", &shape[0], &shape[1], &shape[2]) != 3) return 2;
  retort::time_steps(words[1], words[2], shape, std::atoi(words[4]), std::atoi(words[5]), std::string(words[6]) == "asked");
  return 0;
}
