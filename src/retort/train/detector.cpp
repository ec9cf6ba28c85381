#include "retort/train/detector.h"

#include <limits>

#include "retort/base/error.h"
#include "retort/base/file.h"
#include "retort/base/progress.h"
#include "retort/base/safetensors.h"
#include "retort/data/image.h"
#include "retort/losses/boxes.h"
#include "retort/nets/model_file.h"

namespace retort {
namespace {

constexpr int64_t kCandidates = 400, kMost = 100;

class DetectorObjective : public Objective {
 public:
  DetectorObjective(bool asks_teacher, DenseTerms more, double box_weight)
      : more_(std::move(more)), box_weight_(box_weight), asks_teacher_(asks_teacher) {}

  Wanted wanted() const override {
    Wanted wanted;
    wanted.logits = asks_teacher_;
    return wanted;
  }
  void setup(Trainer& trainer) override {
    const Dataset& data = trainer.data();
    boxes_ = data.extra.at("boxes").to(trainer.run().device);
    rows_ = IdTable();
    const Tensor ids = data.ids.contiguous();
    for (int64_t row = 0; row < ids.numel(); ++row) rows_.add(ids.data_ptr<int64_t>()[row]);
    grid_ = dense_grid(trainer.student());
  }
  Loss loss(const Step& step) override {
    const Tensor rows = rows_.rows(step.batch.ids).to(boxes_.device());
    DenseStep dense{read_dense(step.logits, grid_), {}, dense_targets(boxes_.index_select(0, rows), grid_), grid_};
    if (step.teacher.logits.defined()) dense.teacher = read_dense(step.teacher.logits, grid_);
    Loss loss;
    add_detection(loss, dense);
    if (more_) more_(loss, dense);
    return loss;
  }

 private:
  DenseTerms more_;
  double box_weight_;
  bool asks_teacher_;
  Tensor boxes_;  // of the training part
  IdTable rows_;
  DenseGrid grid_;

  void add_detection(Loss& loss, const DenseStep& step) const {
    const Tensor places = step.targets.positive.flatten().nonzero().squeeze(1), logits = step.student.logits.flatten(0, 1);
    const Tensor predicted = step.student.boxes.flatten(0, 1).index_select(0, places),
                 wanted = step.targets.boxes.flatten(0, 1).index_select(0, places);
    Tensor targets = at::zeros_like(logits);
    targets.index_put_({places, step.targets.classes.flatten().index_select(0, places)}, losses::iou_rows(predicted.detach(), wanted));
    loss.add("scores", losses::quality_focal(logits, targets).sum() / step.targets.positives);
    loss.add("boxes", (1 - losses::giou_rows(predicted, wanted)).sum() / step.targets.positives, box_weight_);
  }
};

void check_views(const Run& run, const ViewKnobs& views) {
  if (views.random() || views.mixup > 0)
    throw ConfigError(run.recipe.where("views") + ": views: boxes do not move with random views",
                      "train detectors on the canvases as they are; make more with rows=");
}

Net teacher_net(Run& run, const TeacherSource& source, const Splits& splits, const DataKnobs& data) {
  const TeacherKnobs& t = source.teacher;
  const Seed seed = (t.seed >= 0 ? Seed(static_cast<uint64_t>(t.seed)) : run.seed).stream("teacher");
  if (t.members > 1 || t.files.size() > 1 || (t.kind != "train" && t.kind != "random" && t.kind != "file"))
    throw ConfigError(run.recipe.where("teacher") +
                          ": teacher: a detector is taught by one net that is trained here, random, or in a file that retort wrote",
                      "teacher.kind = \"train\" and net = \"dense-16-32-40\"");
  if (t.kind == "file") return load_model(t.files.front()).net;
  const InputSpec& spec = splits.train.spec;
  const Net net = make_dense_net(t.net, spec.shape, static_cast<int64_t>(spec.classes.size()), seed.stream("net"));
  if (t.kind == "random") return net;
  const auto objective = detector_objective(/*asks_teacher=*/false);
  Splits learnt = teacher_splits(run, source, splits, data);
  learnt.validation = {};
  return trained_teacher(run, source, "teacher", seed, learnt, {"detector", net, *objective});
}

void check_teacher(const Net& teacher, const Net& student, const Dataset& data) {
  const int64_t classes = detected_classes(teacher);
  if (classes == data.classes() + 1)
    throw ConfigError(fmt::format("the teacher scores {} classes and the data have {}: a softmax head with a class for the background",
                                  classes, data.classes()),
                      "independent sigmoids have no background class; distil such a head location by location with a softmax "
                      "(knobs.classification = \"softmax\") after dropping it");
  if (classes != data.classes())
    throw ConfigError(fmt::format("the teacher detects {} classes and the data have {}", classes, data.classes()),
                      "both need the same classes in the same order");
  const DenseGrid ours = dense_grid(student), theirs = dense_grid(teacher);
  if (ours.size() != theirs.size() || !ours.centres.equal(theirs.centres))
    throw ConfigError(fmt::format("the student predicts at {} locations and the teacher at {}", ours.size(), theirs.size()),
                      "give both the same strides: -s8 on both nets or on neither");
}

// A canvas three times as large, true boxes green, detections orange; RGB uint8.
Tensor drawn(const Tensor& canvas, const TrueBoxes& truth, const FoundBoxes& found, double least) {
  constexpr int64_t kScale = 3;
  const Tensor grey = canvas.size(0) == 3 ? canvas : canvas.expand({3, -1, -1});
  Tensor image = grey.repeat_interleave(kScale, 1).repeat_interleave(kScale, 2).contiguous();
  const int64_t height = image.size(1), width = image.size(2);
  const auto frame = [&](const Tensor& box, const Tensor& colour, int64_t inset) {
    const auto side = [&](int64_t at, int64_t most) {
      return std::clamp<int64_t>(std::llround(box[at].item<double>() * kScale) + (at < 2 ? inset : -inset - 1), 0, most - 1);
    };
    const int64_t x1 = side(0, width), y1 = side(1, height), x2 = std::max(x1, side(2, width)), y2 = std::max(y1, side(3, height));
    for (const int64_t y : {y1, y2}) image.select(1, y).slice(1, x1, x2 + 1).copy_(colour.unsqueeze(1));
    for (const int64_t x : {x1, x2}) image.select(2, x).slice(1, y1, y2 + 1).copy_(colour.unsqueeze(1));
  };
  const Tensor green = at::tensor({60, 180, 90}, at::kByte), orange = at::tensor({240, 140, 30}, at::kByte);
  for (int64_t i = 0; i < truth.classes.numel(); ++i) frame(truth.boxes[i], green, 0);
  for (int64_t i = 0; i < found.classes.numel(); ++i)
    if (found.scores[i].item<double>() >= least) frame(found.boxes[i], orange, 1);
  return image;
}

nlohmann::json pictures(const Net& net, const Dataset& test) {
  constexpr double kShown = 0.3;
  const Dataset some = test.take(at::arange(std::min<int64_t>(12, test.size())));
  const auto found = detect(net, prepared_inputs(some));
  const auto truth = true_boxes(some);
  nlohmann::json items = nlohmann::json::array();
  for (int64_t i = 0; i < some.size(); ++i) {
    const FoundBoxes& here = found[static_cast<size_t>(i)];
    std::vector<std::string> words;
    for (int64_t k = 0; k < here.classes.numel(); ++k) {
      const double score = here.scores[k].item<double>();
      if (score >= kShown)
        words.push_back(
            fmt::format("{} ({:.0f} %)", test.spec.classes.at(static_cast<size_t>(here.classes[k].item<int64_t>())), 100 * score));
    }
    items.push_back({{"png", base64(encode_png(drawn(some.inputs[i], truth[static_cast<size_t>(i)], here, kShown)))},
                     {"caption", words.empty() ? "nothing" : fmt::format("{}", fmt::join(words, ", "))}});
  }
  return {{"kind", "images"},
          {"title", "What the student sees"},
          {"note", "Objects in green, detections with a score of 30 % and more in orange."},
          {"items", items}};
}

nlohmann::json column(const char* key, const char* title, const char* unit, const char* better, int digits) {
  return {{"key", key}, {"title", title}, {"unit", unit}, {"better", better}, {"digits", digits}};
}

}  // namespace

DenseTargets dense_targets(const Tensor& boxes, const DenseGrid& grid) {
  const Tensor corners = boxes.slice(2, 0, 4), classes = boxes.select(2, 4), real = (classes >= 0).unsqueeze(1);  // [b,1,k]
  const Tensor low = corners.slice(2, 0, 2).unsqueeze(1), high = corners.slice(2, 2, 4).unsqueeze(1);             // [b,1,k,2]
  const Tensor off = grid.centres.view({1, -1, 1, 2}) - (low + high) / 2;                                         // [b,N,k,2]
  Tensor inside = (off.abs() <= (high - low) / 4).all(3) & real;                                                  // [b,N,k]
  const int64_t finest = grid.levels.front().count;
  const Tensor nearest = off.slice(1, 0, finest).square().sum(3).argmin(1, /*keepdim=*/true),
               lonely = ~inside.any(1, /*keepdim=*/true) & real;  // [b,1,k]
  inside = inside.scatter(1, nearest, inside.gather(1, nearest) | lonely);
  const Tensor side = high - low, area = (side.select(3, 0) * side.select(3, 1)).expand_as(inside);
  const auto [smallest, which] = at::where(inside, area, at::full_like(area, std::numeric_limits<float>::infinity())).min(2);
  DenseTargets targets;
  targets.positive = at::isfinite(smallest);
  targets.classes = at::where(targets.positive, classes.gather(1, which).to(at::kLong), at::full_like(which, -1));
  targets.boxes = corners.gather(1, which.unsqueeze(2).expand({-1, -1, 4})) * targets.positive.unsqueeze(2);
  targets.positives = static_cast<double>(std::max<int64_t>(1, targets.positive.sum().item<int64_t>()));
  return targets;
}

std::unique_ptr<Objective> detector_objective(bool asks_teacher, DenseTerms more, double box_weight) {
  return std::make_unique<DetectorObjective>(asks_teacher, std::move(more), box_weight);
}

std::vector<FoundBoxes> detect(const Net& net, const Tensor& inputs, double least, double overlap) {
  const at::NoGradGuard no_grad;
  const Net ready = net.frozen();
  const DenseGrid grid = dense_grid(ready);
  std::vector<FoundBoxes> all;
  for (int64_t first = 0; first < inputs.size(0); first += 100) {
    const DenseOutput out = read_dense(ready.forward(inputs.slice(0, first, std::min(first + 100, inputs.size(0)))), grid);
    const Tensor scores = at::sigmoid(out.logits).flatten(1).cpu(), boxes = out.boxes.cpu();  // [b, N*C]
    for (int64_t i = 0; i < scores.size(0); ++i) {
      const auto [best, place] = scores[i].topk(std::min(kCandidates, scores.size(1)));
      const Tensor good = place.index_select(0, at::nonzero(best > least).squeeze(1)), classes = good % out.logits.size(2);
      const FoundBoxes candidates{boxes[i].index_select(0, good.div(out.logits.size(2), "floor")), scores[i].index_select(0, good),
                                  classes};
      const Tensor kept = non_maximum_suppression(candidates, overlap).slice(0, 0, kMost);
      all.push_back(
          {candidates.boxes.index_select(0, kept), candidates.scores.index_select(0, kept), candidates.classes.index_select(0, kept)});
    }
  }
  return all;
}

std::vector<TrueBoxes> true_boxes(const Dataset& data) {
  std::vector<TrueBoxes> all;
  const Tensor& boxes = data.extra.at("boxes");
  for (int64_t i = 0; i < data.size(); ++i) {
    const Tensor real = boxes[i].index_select(0, at::nonzero(boxes[i].select(1, 4) >= 0).squeeze(1));
    all.push_back({real.slice(1, 0, 4), real.select(1, 4).to(at::kLong)});
  }
  return all;
}

AveragePrecision score_detector(const Net& net, const Dataset& data) {
  if (!data.extra.count("boxes"))
    throw DataError(data.name + ": has no boxes to score detections against", "detectors learn from world:canvas");
  return average_precision(detect(net, prepared_inputs(data).to(net.params().front().device())), true_boxes(data), data.classes());
}

Net DetectorRun::make_student(Seed seed) const {
  const Dataset& data = splits.train;
  Net net = make_dense_net(student_knobs.net, data.spec.shape, data.classes(), seed);
  if (!student_knobs.start.empty()) net.load(load_model(student_knobs.start).net.named_tensors(), student_knobs.start);
  return net;
}

TrainResult DetectorRun::fit(const std::string& phase, Net& student, Objective& objective) {
  TrainJob job;
  job.phase = phase;
  job.student = &student;
  job.teacher = teacher.get();
  job.objective = &objective;
  job.train = &splits.train;
  job.knobs = train_knobs;
  job.stages = stages;
  job.seed = run.seed.stream("train");
  return train(run, job);
}

void DetectorRun::show(const std::string& name, const Net& net, bool subject) {
  if (!run.group.leader()) return;
  Net held = net.clone();
  held.to(at::kCPU);
  const AveragePrecision score = score_detector(held, splits.test);
  nlohmann::json values = {{"ap", 100 * score.ap},
                           {"ap50", 100 * score.ap50},
                           {"ap75", 100 * score.ap75},
                           {"parameters", held.param_count()},
                           {"bytes", serialise_safetensors(held.named_tensors()).size()}};
  if (run.place.latency) {
    const Tensor inputs = prepared_inputs(splits.test.take(at::arange(std::min<int64_t>(16, splits.test.size()))));
    values["latency_1"] = latency_per_image(held, inputs, 1);
    values["latency_16"] = latency_per_image(held, inputs, 16);
  }
  nlohmann::json heights = nlohmann::json::array();
  for (size_t c = 0; c < score.class_ap50.size(); ++c) {
    heights.push_back(score.class_ap50[c] < 0 ? nlohmann::json() : nlohmann::json(100 * score.class_ap50[c]));
    if (score.class_ap50[c] >= 0)
      run.outcome.metrics[fmt::format("{}ap50.{}", subject ? "" : name + ".", splits.test.spec.classes[c])] = 100 * score.class_ap50[c];
  }
  for (const auto& [key, value] : values.items()) run.outcome.metrics[subject ? key : name + "." + key] = value.get<double>();
  rows.push_back({{"name", name}, {"values", values}});
  class_series.push_back({{"name", name}, {"values", heights}});
}

void DetectorRun::conclude(const Net& student) {
  if (!run.group.leader()) return;
  save_model(run.dir + "/student", student, splits.train.spec);
  show("student", student, /*subject=*/true);
  Net held = student.clone();
  held.to(at::kCPU);
  nlohmann::json columns = {column("ap", "AP", "%", "higher", 2), column("ap50", "AP50", "%", "higher", 2),
                            column("ap75", "AP75", "%", "higher", 2), column("parameters", "parameters", "", "lower", 0),
                            column("bytes", "file", "bytes", "lower", 0)};
  if (run.place.latency)
    columns.push_back(column("latency_1", "latency, batch 1", "us/image", "lower", 1)),
        columns.push_back(column("latency_16", "latency, batch 16", "us/image", "lower", 2));
  run.outcome.table = {{"columns", columns}, {"rows", rows}};
  run.outcome.panels.push_back(
      {{"kind", "bars"}, {"title", "AP50 by class"}, {"y", "%"}, {"categories", splits.test.spec.classes}, {"series", class_series}});
  run.outcome.panels.push_back(pictures(held, splits.test));
  run.outcome.data = {
      {"name", splits.train.name}, {"train", splits.train.size()}, {"test", splits.test.size()}, {"classes", splits.train.spec.classes}};
  if (run.quiet) return;
  for (const auto& row : rows) {
    const auto& v = row["values"];
    say(fmt::format("{:<10} AP {:6.2f} %   AP50 {:6.2f} %   AP75 {:6.2f} %   {} parameters", row["name"].get<std::string>(),
                    v["ap"].get<double>(), v["ap50"].get<double>(), v["ap75"].get<double>(), v["parameters"].get<int64_t>()));
  }
}

DetectorRun prepare_detector(Run& run, bool needs_teacher) {
  const auto views = run.recipe.read<ViewKnobs>("views");
  DetectorRun d{
      run, run.recipe.read<DataKnobs>("data"), run.recipe.read<StudentKnobs>("student"), run.recipe.read<TrainKnobs>("train"), {}, {}, {},
      {}};
  for (int64_t i = 0; i < run.recipe.array_size("train.stages"); ++i)
    d.stages.push_back(run.recipe.read<StageKnobs>(fmt::format("train.stages[{}]", i)));
  check_views(run, views);
  if (!d.data_knobs.classes.empty() || !d.data_knobs.merge.empty())
    throw ConfigError(
        run.recipe.where("data") + ": data: classes and merge change the labels of images, and boxes have classes of their own",
        "take both keys out");
  const bool has_teacher = run.recipe.has("teacher");
  if (needs_teacher && !has_teacher)
    throw ConfigError(fmt::format("{}: the method '{}' needs a teacher", run.recipe.name(), run.settings.method),
                      "add a [teacher] section, for example: [teacher] net = \"dense-16-32-40\"");
  if (has_teacher) d.source = read_teacher_source(run, d.data_knobs, views);
  if (has_teacher) check_views(run, d.source.views);
  run.open();
  d.splits = load_splits(d.data_knobs, run.seed.stream("data"));
  if (!d.splits.train.extra.count("boxes"))
    throw ConfigError(fmt::format("{}: data.source: {} has no boxes", run.recipe.where("data.source"), d.data_knobs.source),
                      "detectors learn from world:canvas");
  const Net first = d.make_student(run.seed.stream("student"));
  if (has_teacher) {
    Net net = teacher_net(run, d.source, d.splits, d.data_knobs);
    check_teacher(net, first, d.splits.train);
    d.show("teacher", net);
    net.to(run.device);
    d.teacher = net_teacher(net);
  }
  if (d.student_knobs.alone) {
    const auto objective = detector_objective(/*asks_teacher=*/false);
    Net alone = first.clone();
    d.fit("alone", alone, *objective);
    d.show("alone", alone);
  }
  return d;
}

}  // namespace retort
