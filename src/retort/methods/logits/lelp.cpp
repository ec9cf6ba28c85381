#include "retort/methods/logits/lelp.h"

#include <optional>

#include "retort/base/error.h"
#include "retort/losses/soft_targets.h"
#include "retort/methods/logits/pseudo_subclasses.h"
#include "retort/nets/class_head.h"
#include "retort/teachers/id_table.h"

namespace retort::logits {

Loss lelp_loss(const Tensor& subclass_logits, const Tensor& targets, double student_temperature, const Tensor& label_term, double w) {
  return Loss()
      .add("subclasses", losses::soft_cross_entropy(subclass_logits, targets, student_temperature), 1 - w)
      .add("ce", label_term, w);
}

namespace {

struct LelpKnobs {
  int64_t subclasses = 5;
  double beta = 1, temperature = 2, student_temperature = 1, w = 0, diversity = 1;
  std::string split = "pca", null_space = "auto", group_by = "teacher", layer = "embedding";
  bool rotate = true;
  void describe(Knobs& knobs) {
    knobs("subclasses", subclasses, "subclasses of every class", at_least(1));
    knobs("beta", beta, "temperature of the shares within a class, in units of their spread; small ones make random hard subclasses",
          above(0));
    knobs("temperature", temperature, "softmax temperature of the teacher's classes", above(0));
    knobs("student_temperature", student_temperature, "softmax temperature of the student's subclasses", above(0));
    knobs("w", w, "weight of the hard labels; the subclasses have the rest", between(0, 1));
    knobs("split", split,
          "pca: principal directions of the teacher's embeddings; kmeans: their clusters; oracle: the true fine labels (data.merge); "
          "heads: a teacher trained again with "
          "subclass heads (Subclass Distillation)",
          one_of({"pca", "kmeans", "oracle", "heads"}));
    knobs("rotate", rotate, "pca: turn the directions at random, so that they vary alike");
    knobs("null_space", null_space,
          "first take out of the embeddings what the teacher's last layer uses: on, off, or auto: where its weights may be seen and leave "
          "something",
          one_of({"auto", "on", "off"}));
    knobs("group_by", group_by, "what puts a sample into a class when subclasses are found: the teacher's decision or the label",
          one_of({"teacher", "label"}));
    knobs("layer", layer, "tap of the teacher that gives the embedding");
    knobs("diversity", diversity, "heads: weight of the spread of subclass logits over a batch", at_least(0));
  }
};

// The last layer's weights [c, d], or undefined where the teacher does not show them.
Tensor last_weights(const Teacher& teacher, int64_t width) {
  if (!teacher.net()) return {};
  const Tensors& params = teacher.net()->params();
  const auto fits = [&](const Tensor& p) { return p.dim() == 2 && p.size(0) == teacher.classes() && p.size(1) == width; };
  const auto last = std::find_if(params.rbegin(), params.rend(), fits);
  return last == params.rend() ? Tensor() : last->detach();
}

// True subclasses: where each fine label stands in its class, and the fine label of every sample.
class OracleShares {
 public:
  OracleShares(const Dataset& data, int64_t classes, int64_t count) {
    if (!data.extra.count("fine_labels"))
      throw ConfigError("knobs.split: \"oracle\" needs the fine labels of joined classes",
                        "join classes with data.merge, or take split = \"pca\"");
    const Tensor fine = data.extra.at("fine_labels").contiguous(), labels = data.labels.contiguous();
    std::map<int64_t, std::pair<int64_t, int64_t>> places;  // fine label -> class, place in it
    std::vector<int64_t> used(static_cast<size_t>(classes));
    std::map<int64_t, int64_t> class_of;
    for (int64_t i = 0; i < fine.numel(); ++i)
      if (labels.data_ptr<int64_t>()[i] >= 0) class_of[fine.data_ptr<int64_t>()[i]] = labels.data_ptr<int64_t>()[i];
    for (const auto& [label, c] : class_of) places[label] = {c, used[static_cast<size_t>(c)]++};
    for (int64_t c = 0; c < classes; ++c) {
      const int64_t found = used[static_cast<size_t>(c)];
      if (found < 1)
        throw DataError(fmt::format("lelp: no sample of class {} among {}", c, data.size()),
                        "the transfer set must hold samples of every class");
      if (found > count)
        throw ConfigError(fmt::format("knobs.subclasses: class {} has {} fine classes, found {}", c, found, count),
                          fmt::format("set knobs.subclasses = {}", found));
    }
    shares_ = at::zeros({data.size(), classes, count});
    for (int64_t c = 0; c < classes; ++c)
      shares_.select(1, c).narrow(1, 0, used[static_cast<size_t>(c)]).fill_(1.0 / static_cast<double>(used[static_cast<size_t>(c)]));
    for (int64_t i = 0; i < data.size(); ++i) {
      rows_.add(data.ids.data_ptr<int64_t>()[i]);
      const auto place = places.find(fine.data_ptr<int64_t>()[i]);
      if (place == places.end()) continue;
      const auto [c, s] = place->second;
      shares_[i][c].zero_();
      shares_[i][c][s] = 1;
    }
  }
  // [b, c, s]: the sample's own subclass, all alike within the other classes.
  Tensor of(const Tensor& ids) const { return shares_.index_select(0, rows_.rows(ids)); }

 private:
  IdTable rows_;
  Tensor shares_;
};

class LelpObjective : public Objective {
 public:
  LelpObjective(const LelpKnobs& knobs, std::unique_ptr<Teacher> heads) : knobs_(knobs), heads_(std::move(heads)) {}

  std::vector<std::string> student_taps() const override { return {"logits"}; }
  Wanted wanted() const override {
    Wanted wanted;
    wanted.logits = !heads_;
    if (found_) wanted.features = {knobs_.layer};
    return wanted;
  }

  void setup(Trainer& trainer) override {
    if (heads_) return;
    const Dataset& data = trainer.data();
    const int64_t classes = trainer.student().outputs();
    if (knobs_.split == "oracle") {
      if (trainer.job().views.mixes()) throw ConfigError("views.mixup: a mixture has no true subclass", "set views.mixup = 0");
      oracle_.emplace(data, classes, knobs_.subclasses);
      return;
    }
    Teacher& teacher = *trainer.teacher();
    Wanted questions;
    questions.logits = true;
    questions.features = {knobs_.layer};
    const Tensor inputs = prepared_inputs(data);
    Tensors embeddings, decisions;
    for (int64_t first = 0; first < data.size(); first += 500) {
      const int64_t last = std::min(first + 500, data.size());
      const Signals said = teacher.ask(data.ids.slice(0, first, last), inputs.slice(0, first, last).to(trainer.run().device),
                                       /*repeats=*/true, questions);
      embeddings.push_back(said.features.at(knobs_.layer).flatten(1).cpu());
      decisions.push_back(said.logits.argmax(1).cpu());
    }
    const Tensor h = at::cat(embeddings);
    const Tensor groups = knobs_.group_by == "label" ? at::where(data.labels >= 0, data.labels, at::cat(decisions)) : at::cat(decisions);
    const Split split = knobs_.split == "pca" ? Split::pca : Split::kmeans;
    found_ = find_subclasses(h, groups, classes, knobs_.subclasses, split, knobs_.rotate, projector(trainer, h.size(1)),
                             trainer.seed().stream("subclasses"));
    trainer.run().save("subclasses.safetensors", found_->state());
  }

  Loss loss(const Step& step) override {
    const Tensor z = step.taps.at("logits"), targets = targets_of(step);
    return lelp_loss(z, targets, knobs_.student_temperature, label_loss(step), knobs_.w);
  }

  State state() const override { return found_ ? found_->state() : State{}; }
  void load(const State& state) override {
    if (found_) found_ = Subclasses::from(state);
  }

 private:
  LelpKnobs knobs_;
  std::unique_ptr<Teacher> heads_;   // split = heads: the teacher with subclass heads
  std::optional<Subclasses> found_;  // pca, kmeans
  std::optional<OracleShares> oracle_;

  Tensor projector(Trainer& trainer, int64_t width) const {
    if (knobs_.null_space == "off") return {};
    const Tensor weights = last_weights(*trainer.teacher(), width);
    const bool leaves_something = width > trainer.teacher()->classes() - 1;
    if (weights.defined() && leaves_something) return classifier_null_space(weights);
    if (knobs_.null_space == "auto") return {};
    throw AccessError(trainer.run().recipe.where("knobs.null_space") +
                          (leaves_something ? ": knobs.null_space: the teacher does not show the weights behind its embedding"
                                            : ": knobs.null_space: the classifier uses every dimension of the embedding"),
                      "set knobs.null_space = \"off\"");
  }

  Tensor targets_of(const Step& step) const {
    if (heads_) {
      Wanted wanted;
      wanted.features = {"logits"};
      return at::softmax(
          heads_->ask(step.batch.ids, step.batch.teacher_inputs, step.batch.repeats, wanted).features.at("logits") / knobs_.temperature, 1);
    }
    const Tensor classes = at::softmax(step.teacher.logits / knobs_.temperature, 1);
    if (oracle_) return subclass_targets(classes, oracle_->of(step.batch.ids).to(classes.device()));
    return subclass_targets(classes, subclass_shares(*found_, step.teacher.features.at(knobs_.layer).flatten(1), knobs_.beta));
  }
};

// Trained on the teacher's data with the same settings: CE over the classes + diversity * likeness of the subclass logits.
class HeadsObjective : public Objective {
 public:
  explicit HeadsObjective(double diversity) : diversity_(diversity) {}
  std::vector<std::string> student_taps() const override { return {"logits"}; }
  Loss loss(const Step& step) override {
    return Loss().add("ce", label_loss(step)).add("likeness", subclass_likeness(step.taps.at("logits")), diversity_);
  }

 private:
  double diversity_;
};

std::unique_ptr<Teacher> teacher_with_heads(ClassifierRun& c, const LelpKnobs& knobs) {
  if (c.source.teacher.kind != "train")
    throw ConfigError(
        c.run.recipe.where("knobs.split") + ": knobs.split: \"heads\" trains the teacher again, and this one is not trained here",
        "set teacher.kind = \"train\", or split = \"pca\"");
  HeadsObjective objective(knobs.diversity);
  const Seed seed = c.run.seed.stream("teacher with heads");
  const Dataset& data = c.splits.train;
  const Net net = with_class_head(make_net(c.source.teacher.net, data.spec.shape, data.classes() * knobs.subclasses, seed.stream("net")),
                                  knobs.subclasses);
  const std::string name = fmt::format("subclass heads={} diversity={}", knobs.subclasses, knobs.diversity);
  Net trained = trained_teacher(c.run, c.source, "teacher-heads", seed, teacher_splits(c.run, c.source, c.splits, c.data_knobs),
                                {name, net, objective});
  trained.to(c.run.device);
  c.show("teacher-heads", trained);
  return net_teacher(trained);
}

void run_lelp(Run& run) {
  const auto knobs = read_method_knobs<LelpKnobs>(run);
  ClassifierRun classifier = prepare_classifier(run, Access::features);
  LelpObjective objective(knobs, knobs.split == "heads" ? teacher_with_heads(classifier, knobs) : nullptr);
  const int64_t outputs = classifier.splits.train.classes() * knobs.subclasses;
  Net student = with_class_head(classifier.make_student(run.seed.stream("student"), outputs), knobs.subclasses);
  classifier.fit("student", student, objective);
  classifier.conclude(student);
}

}  // namespace

Method lelp() {
  return {MethodInfo("lelp")
              .paper(68)
              .in("logits")
              .needs(Access::features)
              .idea("learn pseudo-subclasses that the teacher's embeddings split every class into")
              .source("Loo et al. 2024, arXiv 2409.20449"),
          [] {
            LelpKnobs section;
            return knobs_of(section).all();
          },
          run_lelp};
}

}  // namespace retort::logits
