// [[knobs.sources]]: several teachers of other tasks than the run's own.
#pragma once

#include "retort/train/teacher_source.h"

namespace retort {

struct ZooEntry {
  std::string name;
  TeacherSource source;
};
// Every [[knobs.sources]] entry: `name`, the keys of [teacher], and [sources.data], [sources.views], [sources.train], which start from the run's own sections.
// Call before the run is opened. Throws ConfigError: none, names that are used twice or are not letters, digits and _, kinds that cannot be asked.
std::vector<ZooEntry> read_sources(Run& run, const DataKnobs& data, const ViewKnobs& views);

struct ZooTeacher {
  std::string name;
  std::unique_ptr<Teacher> teacher;  // reads inputs prepared as the run's own; has its own classes
};
// Trained ones are kept in run.place.cache. Throws DataError where a source reads inputs of another shape than `splits`.
std::vector<ZooTeacher> make_sources(Run& run, const std::vector<ZooEntry>& entries, const Splits& splits);

}  // namespace retort
