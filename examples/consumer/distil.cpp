// Distils digits with a loss of its own: the library without the program.  Usage: distil FOLDER
#include <fmt/core.h>

#include "retort/base/error.h"
#include "retort/losses/soft_targets.h"
#include "retort/train/classifier.h"

using namespace retort;

constexpr const char* kRecipe = R"(
method = "reverse-kl"
[data]
source = "digits"
[teacher]
net = "mlp-64"
[teacher.train]
epochs = 5
[student]
net = "mlp-16"
[train]
epochs = 10
lr = 0.005
[run]
cache = ""
latency = false
)";

// The student weighs its own mistakes: KL(student || teacher) in the place of Hinton's KL(teacher || student).
Loss reverse_loss(const Step& step) {
  return Loss()
      .add("ce", losses::cross_entropy(step.logits, step.labels()), 0.2)
      .add("kd", losses::reverse_kl(step.logits, step.teacher.logits, losses::Temperature{2}.scaled()), 0.8);
}

int main(int count, char** words) {
  try {
    Run run(Recipe::parse(kRecipe, "distil.cpp", {fmt::format("run.dir=\"{}\"", count > 1 ? words[1] : "run")}));
    run.quiet = true;
    ClassifierRun classifier = prepare_classifier(run, Access::logits);
    Wanted wanted;
    wanted.logits = true;
    const auto loss = objective(wanted, reverse_loss);
    Net student = classifier.make_student(run.seed.stream("student"));
    classifier.fit("student", student, *loss);
    classifier.conclude(student);
    run.finish();
    fmt::print("a student of {} parameters, {:.1f} % right, in {}\n", student.param_count(), run.outcome.metrics.at("accuracy"), run.dir);
    return 0;
  } catch (const Error& error) {
    fmt::print(stderr, "error: {}\nhint: {}\n", error.what(), error.hint());
    return 1;
  }
}
