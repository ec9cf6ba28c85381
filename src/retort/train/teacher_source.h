// Where a run's teacher comes from: trained here (and kept for the next run), a file, TorchScript, a random net, captured signals, an endpoint, or several.
#pragma once

#include <optional>

#include "retort/base/run.h"
#include "retort/remote/asker.h"
#include "retort/train/train.h"

namespace retort {

// [teacher]
struct TeacherKnobs {
  std::string kind = "train", net = "mlp-256-256", combine = "probabilities", show = "weights";
  std::vector<std::string> files;
  std::vector<double> weights;
  int64_t members = 1, seed = -1;
  std::vector<std::string> command;
  double timeout = 60;
  std::string output = "auto";
  void describe(Knobs& knobs);
  Access shown() const;  // what a teacher of this kind lets be seen, before it is made
};

// [teacher], [teacher.data], [teacher.views] and [teacher.train]; the last three start from the run's own sections.
struct TeacherSource {
  TeacherKnobs teacher;
  DataKnobs data;
  ViewKnobs views;
  TrainKnobs train;
  EndpointKnobs endpoint = {};  // [teacher.endpoint], of kind "http"
};
TeacherSource read_teacher_source(Run& run, const DataKnobs& data, const ViewKnobs& views);

// How teachers from files read inputs, which is then how the run's data are prepared; nothing for teachers of other kinds. Throws ConfigError when
// several read them in different ways.
std::optional<InputSpec> teacher_reads(const TeacherSource& source);

// The parts that the teacher learns from, prepared as the run's: the run's own where its [teacher.data] says nothing else.
Splits teacher_splits(Run& run, const TeacherSource& source, const Splits& splits, const DataKnobs& data);

// A teacher that learns something else than labels: `name` tells its training from others in the cache (with all that decides its result).
struct TeacherTask {
  std::string name;
  Net net;  // as it starts
  Objective& objective;
};
// Trains it as [teacher.train] and [teacher.views] say, on `splits`, or finds it in run.place.cache.
Net trained_teacher(Run& run, const TeacherSource& source, const std::string& phase, Seed seed, const Splits& splits, TeacherTask task);
// One that learns the labels, drawn as source.teacher.net from seed.stream("net").
Net label_teacher(Run& run, const TeacherSource& source, const std::string& phase, Seed seed, const Splits& splits);

// `splits`: the run's own, used where the teacher learns from the same data. Trained teachers are kept in run.place.cache under the digest of
// everything that made them; processes that need the same one wait for each other. Throws ConfigError when classes disagree.
std::unique_ptr<Teacher> make_teacher(Run& run, const TeacherSource& source, const Splits& splits, const DataKnobs& data);

}  // namespace retort
