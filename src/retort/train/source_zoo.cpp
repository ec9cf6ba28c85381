#include "retort/train/source_zoo.h"

#include "retort/base/error.h"
#include "retort/teachers/candidate.h"
#include "retort/teachers/onnx_teacher.h"

namespace retort {
namespace {

struct NamedTeacherKnobs {
  std::string name;
  TeacherKnobs teacher;
  void describe(Knobs& knobs) {
    knobs("name", name, "what the source is called in results");
    teacher.describe(knobs);
  }
};

bool is_plain(const std::string& name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) || c == '_'; });
}

std::unique_ptr<Teacher> make_source(Run& run, const ZooEntry& entry, const Splits& splits, Seed seed) {
  const TeacherKnobs& t = entry.source.teacher;
  const InputSpec& given = splits.train.spec;
  const Access show = t.shown();
  if (t.kind == "onnx") return onnx_teacher(t.files.front(), /*classes=*/0, given.shape, onnx_output_from(t.output));
  if (t.kind == "torchscript") return torchscript_teacher(t.files.front(), /*classes=*/0, run.device, given.shape);
  if (t.kind == "file") return open_candidate(t.files.front(), given, run.device, seed);
  if (t.kind == "random") {
    Net net = make_net(t.net, given.shape, given.classes.empty() ? 1 : static_cast<int64_t>(given.classes.size()), seed.stream("net"));
    net.to(run.device);
    return net_teacher(net, show);
  }
  const Splits learnt = load_splits(entry.source.data, run.seed.stream("data"));
  Net net = label_teacher(run, entry.source, "source-" + entry.name, seed, learnt);
  net.to(run.device);
  return reading_its_own_way(net_teacher(net, show), learnt.train.spec, given, "source " + entry.name);
}

}  // namespace

std::vector<ZooEntry> read_sources(Run& run, const DataKnobs& data, const ViewKnobs& views) {
  std::vector<ZooEntry> entries;
  const int64_t count = run.recipe.array_size("knobs.sources");
  if (count == 0)
    throw ConfigError(run.recipe.name() + ": knobs.sources: there are none",
                      "add a [[knobs.sources]] entry for each teacher, with name and the keys of [teacher]");
  for (int64_t i = 0; i < count; ++i) {
    const std::string section = fmt::format("knobs.sources[{}]", i);
    const auto named = run.recipe.read<NamedTeacherKnobs>(section);
    ZooEntry entry{named.name.empty() ? fmt::format("source{}", i + 1) : named.name, {named.teacher, data, views, {}}};
    for (auto [part, knobs] : {std::pair{".data", knobs_of(entry.source.data)},
                               {".views", knobs_of(entry.source.views)},
                               {".train", knobs_of(entry.source.train)}})
      run.recipe.read(section + part, knobs);
    const auto refuse = [&](const std::string& key, const std::string& line, const std::string& hint) {
      throw ConfigError(fmt::format("{}: {}.{}: {}", run.recipe.where(section + "." + key), section, key, line), hint);
    };
    if (!is_plain(entry.name))
      refuse("name", fmt::format("'{}' is not made of letters, digits and _", entry.name), "results name sources inside arithmetic");
    if (std::any_of(entries.begin(), entries.end(), [&](const ZooEntry& other) { return other.name == entry.name; }))
      refuse("name", fmt::format("'{}' is used twice", entry.name), "name every source differently");
    const std::string& kind = named.teacher.kind;
    if (kind == "store") refuse("kind", "captured signals are of one data set and one task", "name the model itself");
    if (kind == "program" || kind == "http")
      refuse("kind", fmt::format("{} is asked about one task", kind == "http" ? "an endpoint" : "a program"), "name the model itself");
    if ((kind == "file" || kind == "torchscript" || kind == "onnx") && named.teacher.files.size() != 1)
      refuse("files", fmt::format("expected one path, found {}", named.teacher.files.size()),
             "a source is one model; add an entry for each");
    if (named.teacher.members != 1)
      refuse("members", fmt::format("expected 1, found {}", named.teacher.members), "a source is one model; add an entry for each");
    entries.push_back(std::move(entry));
  }
  return entries;
}

std::vector<ZooTeacher> make_sources(Run& run, const std::vector<ZooEntry>& entries, const Splits& splits) {
  std::vector<ZooTeacher> teachers;
  for (size_t i = 0; i < entries.size(); ++i) {
    const int64_t own = entries[i].source.teacher.seed;
    const Seed seed = (own >= 0 ? Seed(static_cast<uint64_t>(own)) : run.seed).stream("source", own >= 0 ? 0 : i);
    teachers.push_back({entries[i].name, make_source(run, entries[i], splits, seed)});
  }
  return teachers;
}

}  // namespace retort
