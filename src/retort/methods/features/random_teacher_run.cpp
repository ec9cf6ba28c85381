#include "retort/methods/features/random_teacher_run.h"

#include "retort/base/error.h"
#include "retort/losses/features.h"
#include "retort/losses/soft_targets.h"
#include "retort/methods/features/random_teacher.h"
#include "retort/train/projector.h"

namespace retort::features {
namespace {

Net mixed(const Net& teacher, const Net& other, double own, double added) {
  if (teacher.params().size() != other.params().size()) throw ConfigError("a start between two nets needs two of one architecture");
  const double scale = std::sqrt(own * own + added * added);
  Net net = teacher.clone();
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < net.params().size(); ++i) {
    Tensor param = net.params()[i];
    if (!param.equal(other.params()[i])) param.copy_((own * param + added * other.params()[i]) / scale);
  }
  return net;
}

Net started(const RandomTeacherKnobs& knobs, const Net& teacher, const Net& other, double alpha) {
  if (knobs.start == "neighbourhood") return neighbouring_start(teacher, other, knobs.epsilon);
  return interpolated_start(teacher, other, alpha);
}

}  // namespace

Net interpolated_start(const Net& teacher, const Net& other, double alpha) {
  return alpha == 1 ? other.clone() : mixed(teacher, other, 1 - alpha, alpha);
}
Net neighbouring_start(const Net& teacher, const Net& other, double epsilon) { return mixed(teacher, other, 1, epsilon); }

Tensor head_cross_entropy(const Tensor& student, const Tensor& teacher, double student_temperature, double teacher_temperature) {
  return losses::soft_cross_entropy(student, at::softmax(teacher.detach() / teacher_temperature, 1), student_temperature);
}

void RandomTeacherKnobs::describe(Knobs& knobs) {
  knobs("alpha", alpha, "how far from the teacher the student starts: 0 a copy, 1 an independent draw", between(0, 1));
  knobs("start", start,
        "interpolate: between the teacher and another draw, as alpha says; neighbourhood: the teacher plus epsilon times another draw",
        one_of({"interpolate", "neighbourhood"}));
  knobs("epsilon", epsilon, "neighbourhood: size of the step", at_least(0));
  knobs("loss", loss, "ce: cross-entropy between the softmaxes of two heads; mse: between the embeddings themselves, without heads",
        one_of({"ce", "mse"}));
  knobs("temperature_teacher", temperature_teacher, "softmax temperature of the teacher's head", above(0));
  knobs("temperature_student", temperature_student, "softmax temperature of the student's head", above(0));
  knobs("head_hidden", head_hidden, "hidden widths of the heads", at_least(1));
  knobs("bottleneck", bottleneck, "width of the heads before the prototypes", at_least(1));
  knobs("prototypes", prototypes, "outputs of the heads; they dominate the time, so take 512 to 2048 without a GPU", at_least(2));
  knobs("normalise_prototypes", normalise_prototypes,
        "bring prototypes to length 1, as the paper's script does; its library leaves them as they are");
  knobs("teacher_net", teacher_net, "architecture of the teacher; the student's when empty (another one only with alpha = 1)");
  knobs("teacher_statistics", teacher_statistics,
        "batch-norm of the teacher while it teaches. untouched: as drawn, mean 0 and variance 1; batch: each batch's own, as the student's",
        one_of({"untouched", "batch"}));
  knobs("inputs", inputs, "data: the training inputs; noise: Gaussian noise in their place, as a control", one_of({"data", "noise"}));
  knobs("probe", probe, "judge the encoder by a linear and a kNN probe, and give what is kept the linear readout");
  probes.describe(knobs);
  study.describe(knobs);
}

// The same draw for the same name: "teacher", "other".
RandomNets draw_nets(const RandomTeacherKnobs& knobs, const std::string& arch, const Dataset& data, Seed seed) {
  RandomNets nets;
  nets.encoder = make_net(arch, data.spec.shape, data.classes(), seed.stream("encoder"));
  nets.head = prototype_head(nets.encoder.tap_shape("embedding").front(), knobs.head_hidden, knobs.bottleneck, knobs.prototypes,
                             knobs.normalise_prototypes, seed.stream("head"));
  return nets;
}

RandomTeacherObjective::RandomTeacherObjective(const RandomTeacherKnobs& knobs, const RandomNets& teacher, Net student_head)
    : knobs_(knobs), teacher_{teacher.encoder.clone(), teacher.head.frozen()}, student_head_(std::move(student_head)) {
  teacher_.encoder.require_grad(false);
}

Wanted RandomTeacherObjective::wanted() const {
  Wanted wanted;
  if (knobs_.teacher_statistics == "untouched") wanted.features = {"embedding"};
  return wanted;
}

void RandomTeacherObjective::setup(Trainer& trainer) {
  const at::Device device = trainer.run().device;
  teacher_.encoder.to(device);
  teacher_.head.to(device);
  if (knobs_.loss == "ce") trainer.learn("head", student_head_);
}

Loss RandomTeacherObjective::loss(const Step& step) {
  const Tensor &student = step.taps.at("embedding"), teacher = embedding_of_teacher(step);
  if (knobs_.loss == "mse") return Loss().add("mse", losses::mse(student, teacher));
  return Loss().add("ce", head_cross_entropy(student_head_.forward(student), teacher_.head.forward(teacher), knobs_.temperature_student,
                                             knobs_.temperature_teacher));
}

Tensor RandomTeacherObjective::embedding_of_teacher(const Step& step) {
  if (knobs_.teacher_statistics == "untouched") return step.teacher.features.at("embedding");
  const at::NoGradGuard no_grad;
  Taps taps;
  taps.wanted = {"embedding"};
  teacher_.encoder.train(true);
  teacher_.encoder.forward(step.batch.teacher_inputs, &taps);
  return taps.found.at("embedding");
}

RandomNets distil(ClassifierRun& c, const RandomTeacherKnobs& knobs, const std::string& phase, const RandomNets& teacher,
                  const RandomNets& other, double alpha, RandomNets* start) {
  RandomNets student = alpha == 1 && knobs.start == "interpolate" ? RandomNets{other.encoder.clone(), other.head.clone()}
                                                                  : RandomNets{started(knobs, teacher.encoder, other.encoder, alpha),
                                                                               started(knobs, teacher.head, other.head, alpha)};
  if (start != nullptr) *start = {student.encoder.clone(), student.head.clone()};
  Dataset data = c.splits.train;
  if (knobs.inputs == "noise") {
    data.inputs = at::empty_like(prepared_inputs(data)).normal_(0, 1, c.run.seed.stream("noise").generator());
    data.spec.mean.clear();
    data.spec.deviation.clear();
  }
  RandomTeacherObjective objective(knobs, teacher, student.head);
  Net shown = teacher.encoder.clone();
  shown.to(c.run.device);
  shown.train(false);
  const auto answers = net_teacher(shown);
  TrainJob job = c.job(phase, student.encoder, objective);
  job.teacher = answers.get();
  job.train = &data;
  job.validation = nullptr;
  train(c.run, job);
  student.head = objective.head();
  return student;
}

}  // namespace retort::features
