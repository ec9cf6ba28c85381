// Where rows come from: the table of known sets, paths and worlds, all opened by one function.
#pragma once

#include <string>
#include <vector>

#include "retort/base/error.h"
#include "retort/data/dataset.h"

namespace retort {

struct Download {
  std::vector<std::string> urls;  // tried in order
  std::string file;               // name in the set's folder; a .tar.gz is unpacked there
  std::string sha256;             // of the downloaded bytes; empty where the publisher's file may change
  int64_t bytes = 0;              // 0: unknown
};

// A public set that has a name.
struct KnownSet {
  std::string name, kind, about, licence;
  std::vector<std::string> places;  // folders or files, relative to a data folder; the first is where `fetch` puts it
  std::vector<Download> downloads;
  std::string label;  // tables: as in [data], used where the recipe says nothing
  std::vector<std::string> columns, names, classes;
};
const std::vector<KnownSet>& known_sets();
const KnownSet* find_known(const std::string& name);

// A known set that has not been fetched yet.
struct AbsentData : DataError {
  explicit AbsentData(const std::string& name);
};

// Raw rows, before any split: uint8 images, float32 points, or a raw table (table.h).
struct Source {
  Dataset train, test;  // test: the official test part, or empty
  std::string kind;     // images (idx), images (cifar), images (folder), table, world
  std::string path;     // empty for a world
};

// knobs.source, label, header, columns, missing, resize and grey are used (image sizes are unified while reading); `seed` drives worlds.
// Throws DataError / ConfigError.
Source open_source(const DataKnobs& knobs, Seed seed);

}  // namespace retort
