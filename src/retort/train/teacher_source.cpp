#include "retort/train/teacher_source.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "retort/base/error.h"
#include "retort/base/file.h"
#include "retort/base/progress.h"
#include "retort/nets/model_file.h"
#include "retort/teachers/http_teacher.h"
#include "retort/teachers/onnx_teacher.h"
#include "retort/teachers/program_teacher.h"

namespace retort {
namespace {

// Processes that want the same trained teacher: the first trains it, the others wait and read it.
class FileLock {
 public:
  explicit FileLock(const std::string& path) : file_(::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644)) {
    if (file_ < 0 || ::flock(file_, LOCK_EX) != 0) throw StorageError(path + ": cannot be locked", "is run.cache writable?");
  }
  ~FileLock() { ::close(file_); }
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int file_;
};

std::string written(Knobs knobs) {
  std::string text;
  for (const auto& knob : knobs.all()) text += knob.name + "=" + to_toml(knob.get()) + "\n";
  return text;
}

// Everything that decides the weights of a trained teacher; another run with the same text gets the same net.
std::string recipe_of_member(const TeacherSource& source, Seed seed, Seed data_seed) {
  DataKnobs data = source.data;
  ViewKnobs views = source.views;
  TrainKnobs train = source.train;
  return fmt::format("net={}\nseed={}\ndata_seed={}\n{}{}{}", source.teacher.net, seed.value(), data_seed.value(), written(knobs_of(data)),
                     written(knobs_of(views)), written(knobs_of(train)));
}

// The same names in another order would teach every sample wrongly, without a sign.
void check_order(const std::vector<std::string>& teachers, const std::vector<std::string>& own, const std::string& path) {
  if (teachers == own || teachers.size() != own.size() || !std::is_permutation(own.begin(), own.end(), teachers.begin())) return;
  throw ConfigError(fmt::format("{}: the teacher knows the classes in another order: {} where the data have {}", path,
                                fmt::join(teachers, ", "), fmt::join(own, ", ")),
                    "order the classes of the data alike with data.classes");
}

}  // namespace

void TeacherKnobs::describe(Knobs& knobs) {
  knobs("kind", kind,
        "train: train `net` here, once; file: weights that retort wrote; torchscript: a TorchScript file; random: never trained; store: "
        "captured signals; onnx: an ONNX file; program: what `command` starts; http: the classifier at endpoint.url",
        one_of({"train", "file", "torchscript", "random", "store", "onnx", "program", "http"}));
  knobs("net", net, "architecture of a trained or random teacher (`retort methods --nets`)");
  knobs("files", files, "file, torchscript, store, onnx: path of the teacher; several make an ensemble");
  knobs("members", members, "train, random: how many teachers, from different seeds; several make an ensemble", at_least(1));
  knobs("weights", weights, "weights of an ensemble's members; equal when empty", at_least(0));
  knobs("combine", combine, "what an ensemble averages", one_of({"probabilities", "logits"}));
  knobs("show", show, "the most that the student may see of the teacher", one_of({"hard_labels", "topk", "logits", "features", "weights"}));
  knobs("command", command, "program: the program and its words; it answers JSON lines with JSON lines (docs/formats.md)");
  knobs("timeout", timeout, "program: seconds that it may take for an answer", above(0));
  knobs("output", output, "onnx: what the file answers with; auto looks for a softmax at its end",
        one_of({"auto", "logits", "probabilities"}));
  knobs("seed", seed, "seed of the teacher; -1 takes the run's", at_least(-1));
}

Access TeacherKnobs::shown() const {
  Access most = Access::weights;
  if (kind == "torchscript" || kind == "onnx" || kind == "program" || kind == "http") most = Access::logits;
  if (kind != "store" && (members > 1 || files.size() > 1)) most = Access::logits;
  return std::min(most, access_from(show));
}

TeacherSource read_teacher_source(Run& run, const DataKnobs& data, const ViewKnobs& views) {
  TeacherSource source;
  source.data = data;
  source.views = views;
  const auto overlay = [&](const std::string& section, Knobs knobs) { run.recipe.read(section, knobs); };
  overlay("teacher", knobs_of(source.teacher));
  overlay("teacher.data", knobs_of(source.data));
  overlay("teacher.views", knobs_of(source.views));
  overlay("teacher.train", knobs_of(source.train));
  const auto& t = source.teacher;
  if (t.kind == "program" && (t.command.empty() || t.members != 1)) {
    throw ConfigError(
        fmt::format("{}: teacher.{}", run.recipe.where("teacher"),
                    t.command.empty() ? "command: a teacher of kind 'program' needs one" : "members: a program is one teacher"),
        "command = [\"./score\"], without members");
  }
  if (t.kind == "http") {
    overlay("teacher.endpoint", knobs_of(source.endpoint));
    if (source.endpoint.api != "classifier")
      throw ConfigError(
          fmt::format("{}: teacher.endpoint.api: a teacher of classes is a classifier", run.recipe.where("teacher.endpoint.api")),
          "api = \"classifier\"");
    if (t.members != 1)
      throw ConfigError(run.recipe.where("teacher.members") + ": teacher.members: an endpoint is one teacher", "leave members out");
    source.endpoint.check();
  }
  const bool from_file = t.kind == "file" || t.kind == "torchscript" || t.kind == "store" || t.kind == "onnx";
  if (from_file && t.files.empty()) {
    throw ConfigError(fmt::format("{}: teacher.files: a teacher of kind '{}' needs a path", run.recipe.where("teacher"), t.kind),
                      "teacher.files = [\"path\"]");
  }
  const size_t count = from_file ? t.files.size() : static_cast<size_t>(t.members);
  if (!t.weights.empty() && t.weights.size() != count) {
    throw ConfigError(
        fmt::format("{}: teacher.weights has {} entries for {} teachers", run.recipe.where("teacher.weights"), t.weights.size(), count),
        "one weight a teacher");
  }
  return source;
}

Net trained_teacher(Run& run, const TeacherSource& source, const std::string& phase, Seed seed, const Splits& splits, TeacherTask task) {
  const Dataset& data = splits.train;
  const Seed data_seed = source.data.split_seed >= 0 ? Seed() : run.seed.stream("data");  // a fixed split is the same for every seed
  const std::string key = hex_digest(recipe_of_member(source, seed, data_seed) + data.spec.to_json().dump() + task.name);
  const bool kept = !run.place.cache.empty() && run.place.max_steps == 0;
  const std::string stem = fmt::format("{}/teachers/{}", run.place.cache, key);
  std::unique_ptr<FileLock> lock;
  if (kept && run.group.size() == 1) {
    make_folders(run.place.cache + "/teachers");
    lock = std::make_unique<FileLock>(stem + ".lock");
    if (file_exists(stem + ".safetensors")) {
      if (!run.quiet) say(fmt::format("{}: {} from {}", phase, source.teacher.net, stem + ".safetensors"));
      return load_model(stem).net;
    }
  }
  Net& net = task.net;
  TrainJob job;
  job.phase = phase;
  job.student = &net;
  job.objective = &task.objective;
  job.train = &data;
  job.validation = &splits.validation;
  job.knobs = source.train;
  job.views = source.views;
  job.seed = seed;
  train(run, job);
  if (lock) save_model(stem, net, data.spec, /*own_config=*/true);
  return net;
}

Net label_teacher(Run& run, const TeacherSource& source, const std::string& phase, Seed seed, const Splits& splits) {
  const auto learns_labels = label_objective();
  const Dataset& data = splits.train;
  return trained_teacher(run, source, phase, seed, splits,
                         {"", make_net(source.teacher.net, data.spec.shape, data.classes(), seed.stream("net")), *learns_labels});
}

Splits teacher_splits(Run& run, const TeacherSource& source, const Splits& splits, const DataKnobs& data) {
  DataKnobs own = source.data, runs = data;
  return written(knobs_of(own)) == written(knobs_of(runs)) ? splits : load_splits(source.data, run.seed.stream("data"), &splits.train.spec);
}

namespace {

// Whether two nets see the same numbers for the same sample, up to what another draw of the training rows changes.
bool read_alike(const InputSpec& a, const InputSpec& b) {
  if (a.table != b.table || a.shape != b.shape || a.mean.size() != b.mean.size()) return false;
  for (size_t c = 0; c < a.mean.size(); ++c) {
    if (std::abs(a.mean[c] - b.mean[c]) > 0.05 * a.deviation[c] || std::abs(a.deviation[c] - b.deviation[c]) > 0.05 * a.deviation[c])
      return false;
  }
  return true;
}

}  // namespace

std::optional<InputSpec> teacher_reads(const TeacherSource& source) {
  std::optional<InputSpec> reads;
  if (source.teacher.kind != "file") return reads;
  for (const auto& path : source.teacher.files) {
    const InputSpec own = load_model_input(path);
    if (!reads) {
      reads = own;
    } else if (!read_alike(*reads, own)) {
      throw ConfigError(fmt::format("{}: this teacher prepares its inputs in another way than {}", path, source.teacher.files.front()),
                        "members of an ensemble read the same columns, size and normalisation");
    }
  }
  return reads;
}

std::unique_ptr<Teacher> make_teacher(Run& run, const TeacherSource& source, const Splits& splits, const DataKnobs& data) {
  const TeacherKnobs& t = source.teacher;
  const Seed seed = t.seed >= 0 ? Seed(static_cast<uint64_t>(t.seed)).stream("teacher") : run.seed.stream("teacher");
  const int64_t classes = splits.train.classes();
  const Access show = t.shown();
  std::vector<std::unique_ptr<Teacher>> members;
  if (t.kind == "train" || t.kind == "random") {
    const Splits learnt = t.kind == "train" ? teacher_splits(run, source, splits, data) : Splits{};
    for (int64_t i = 0; i < t.members; ++i) {
      const Seed member = seed.stream("member", static_cast<uint64_t>(i));
      const std::string phase = t.members == 1 ? "teacher" : fmt::format("teacher-{}", i + 1);
      Net net = t.kind == "random" ? make_net(t.net, splits.train.spec.shape, classes, member.stream("net"))
                                   : label_teacher(run, source, phase, member, learnt);
      net.to(run.device);
      members.push_back(net_teacher(net, show));
    }
  } else if (t.kind == "program") {
    members.push_back(program_teacher(t.command, classes, t.timeout, show, prepared_inputs(splits.train.take(at::arange(1, at::kLong)))));
  } else if (t.kind == "http") {
    members.push_back(http_teacher(source.endpoint, classes, show, prepared_inputs(splits.train.take(at::arange(1)))));
  } else {
    for (const auto& path : t.files) {
      if (t.kind == "torchscript") {
        members.push_back(torchscript_teacher(path, classes, run.device));
      } else if (t.kind == "onnx") {
        members.push_back(onnx_teacher(path, classes, splits.train.spec.shape, onnx_output_from(t.output)));
      } else if (t.kind == "store") {
        members.push_back(stored_teacher(path));
      } else {
        Model model = load_model(path);
        check_order(model.input.classes, splits.train.spec.classes, path);
        Net net = std::move(model.net);
        net.to(run.device);
        members.push_back(net_teacher(net, show));
      }
    }
  }
  for (size_t i = 0; i < members.size(); ++i) {
    if (members[i]->classes() == classes) continue;
    throw ConfigError(fmt::format("{}: the teacher decides between {} classes and the data have {}",
                                  t.files.empty() ? run.recipe.where("teacher") : t.files[i], members[i]->classes(), classes),
                      "give the teacher the same classes, in the same order, as the data");
  }
  if (members.size() == 1) return std::move(members.front());
  const std::vector<double> weights = t.weights.empty() ? std::vector<double>(members.size(), 1.0) : t.weights;
  return ensemble_teacher(std::move(members), weights, t.combine == "logits");
}

}  // namespace retort
