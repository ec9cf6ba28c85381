#include "retort/methods/logits/bd_kd.h"

#include "retort/base/error.h"
#include "retort/losses/soft_targets.h"
#include "retort/nets/model_file.h"

namespace retort::logits {

Balance divergence_balance(const Tensor& student, const Tensor& teacher, double temperature, double delta, double kappa) {
  const at::NoGradGuard no_grad;
  const Tensor gap = losses::entropy_rows(teacher.detach(), temperature) - losses::entropy_rows(student.detach(), temperature);
  const Tensor share = kappa > 0 ? at::sigmoid(gap / kappa) : (gap > 0).to(gap.scalar_type());
  return {1 + (delta - 1) * share, 1 + (delta - 1) * (1 - share)};
}

Tensor balanced_loss(const Tensor& student, const Tensor& teacher, double temperature, const Balance& balance) {
  const auto scaled = losses::Temperature{temperature}.scaled();
  return (balance.forward * losses::kl_rows(student, teacher, scaled) + balance.reverse * losses::reverse_kl_rows(student, teacher, scaled))
      .mean();
}

namespace {

struct BdKdKnobs {
  double delta = 2, weight = 1, temperature = 1, balance_after = 0.05, kappa = 0, teacher_lr = 0;
  std::vector<std::string> teachers = {"mlp-256-256"};
  int64_t students = 1;
  std::string student_divergence = "balanced", teacher_divergence = "reverse";
  void describe(Knobs& knobs) {
    knobs("delta", delta,
          "weight of the divergence that a sample needs more: forward where the student is surer than the teacher, else reverse; 1 for "
          "both alike",
          above(0));
    knobs("weight", weight, "weight of the divergences beside the labels, for every net", at_least(0));
    knobs("temperature", temperature, "softmax temperature of both sides", above(0));
    knobs("balance_after", balance_after, "share of the training after which the balance begins: before, entropies say little",
          between(0, 1));
    knobs("kappa", kappa, "entropy in nats over which the balance changes smoothly; 0 for a switch", at_least(0));
    knobs("teachers", teachers, "nets that learn beside the student and teach it");
    knobs("teacher_lr", teacher_lr, "learning rate of the teachers; train.lr when 0", at_least(0));
    knobs("students", students, "how many students of the same kind learn together; the first is kept", at_least(1));
    knobs("student_divergence", student_divergence,
          "what a student minimises beside the labels: balanced, forward KL(teacher||student) or reverse",
          one_of({"balanced", "forward", "reverse"}));
    knobs("teacher_divergence", teacher_divergence,
          "what a teacher minimises: reverse KL(teacher||student), mild; forward KL(student||teacher), as in deep mutual learning",
          one_of({"reverse", "forward"}));
  }
  void check(const Recipe& recipe) const {
    if (recipe.has("teacher"))
      throw ConfigError(recipe.where("teacher") + ": [teacher]: bd-kd trains its teachers itself, beside the student",
                        "name their nets in knobs.teachers; for a teacher that is there already take kd.hinton");
    if (teachers.empty())
      throw ConfigError(recipe.where("knobs.teachers") + ": knobs.teachers: a student alone has nobody to learn from",
                        "name at least one net");
  }
};

// All losses come from one forward pass of every net, and none has a gradient in another net: cross terms see detached logits, so that the sum's
// gradient is each net's own, and each is stepped by its own group of the optimiser.
class BdKdObjective : public Objective {
 public:
  BdKdObjective(const BdKdKnobs& knobs, std::vector<Net> teachers, std::vector<Net> students)
      : knobs_(knobs), teachers_(std::move(teachers)), others_(std::move(students)) {}

  void setup(Trainer& trainer) override {
    OptimiserKnobs settings = trainer.job().knobs.optimiser;
    for (size_t i = 0; i < others_.size(); ++i) trainer.learn(fmt::format("student.{}", i + 2), others_[i], 1, &settings);
    if (knobs_.teacher_lr > 0) settings.lr = knobs_.teacher_lr;
    for (size_t i = 0; i < teachers_.size(); ++i) trainer.learn(fmt::format("teacher.{}", i + 1), teachers_[i], 1, &settings);
  }

  Loss loss(const Step& step) override {
    Tensors students{step.logits}, teachers;
    for (const Net& net : others_) students.push_back(net.forward(step.batch.inputs));
    for (const Net& net : teachers_) teachers.push_back(net.forward(step.batch.inputs));
    const bool balanced = static_cast<double>(step.step) >= knobs_.balance_after * static_cast<double>(step.total_steps);
    Loss loss;
    Tensor labels, pull, teacher_labels, teacher_pull;
    const auto add = [](Tensor& sum, const Tensor& part) { sum = sum.defined() ? sum + part : part; };
    for (const Tensor& s : students) {
      add(labels, label_loss(s, step.batch));
      for (const Tensor& t : teachers) add(pull, student_divergence(s, t, balanced) / static_cast<double>(teachers.size()));
    }
    for (const Tensor& t : teachers) {
      add(teacher_labels, label_loss(t, step.batch));
      for (const Tensor& s : students) add(teacher_pull, teacher_divergence(t, s) / static_cast<double>(students.size()));
    }
    return loss.add("ce", labels)
        .add("divergence", pull, knobs_.weight)
        .add("teacher.ce", teacher_labels)
        .add("teacher.divergence", teacher_pull, knobs_.weight);
  }

  const std::vector<Net>& teachers() const { return teachers_; }

 private:
  BdKdKnobs knobs_;
  std::vector<Net> teachers_, others_;  // others: students beside the one that is kept

  Tensor student_divergence(const Tensor& student, const Tensor& teacher, bool balanced) const {
    const auto scaled = losses::Temperature{knobs_.temperature}.scaled();
    if (knobs_.student_divergence == "forward") return losses::kl(student, teacher, scaled);
    if (knobs_.student_divergence == "reverse") return losses::reverse_kl(student, teacher, scaled);
    return balanced_loss(student, teacher, knobs_.temperature,
                         divergence_balance(student, teacher, knobs_.temperature, balanced ? knobs_.delta : 1, knobs_.kappa));
  }

  // The teacher is here the one that learns: KL(p_t || p_s) is its reverse divergence from a student that stands still.
  Tensor teacher_divergence(const Tensor& teacher, const Tensor& student) const {
    const auto scaled = losses::Temperature{knobs_.temperature}.scaled();
    return knobs_.teacher_divergence == "forward" ? losses::kl(teacher, student, scaled) : losses::reverse_kl(teacher, student, scaled);
  }
};

void run_bd_kd(Run& run) {
  const auto knobs = read_method_knobs<BdKdKnobs>(run);
  ClassifierRun classifier = prepare_classifier(run, Access::none);
  const Dataset& data = classifier.splits.train;
  std::vector<Net> teachers, others;
  for (size_t i = 0; i < knobs.teachers.size(); ++i)
    teachers.push_back(make_net(knobs.teachers[i], data.spec.shape, data.classes(), run.seed.stream("teacher", i)));
  for (int64_t i = 1; i < knobs.students; ++i)
    others.push_back(classifier.make_student(run.seed.stream("student", static_cast<uint64_t>(i))));
  BdKdObjective objective(knobs, std::move(teachers), std::move(others));
  Net student = classifier.make_student(run.seed.stream("student"));
  classifier.fit("student", student, objective);
  for (size_t i = 0; i < objective.teachers().size(); ++i) {
    const std::string name = i == 0 ? "teacher" : fmt::format("teacher-{}", i + 1);
    if (run.group.leader()) save_model(run.dir + "/" + name, objective.teachers()[i], data.spec, /*own_config=*/true);
    classifier.show(name, objective.teachers()[i]);
  }
  classifier.teacher = net_teacher(objective.teachers().front());
  classifier.conclude(student);
}

}  // namespace

Method bd_kd() {
  return {MethodInfo("bd-kd")
              .paper(67)
              .in("logits")
              .idea("learn together with a larger net, forward and reverse divergence balanced sample by sample")
              .source("Amara et al. 2022, arXiv 2212.12965"),
          [] {
            BdKdKnobs section;
            return knobs_of(section).all();
          },
          run_bd_kd};
}

}  // namespace retort::logits
