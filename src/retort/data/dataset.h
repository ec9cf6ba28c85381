// Data sets in memory: inputs, labels and stable sample ids.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "retort/base/knobs.h"
#include "retort/base/random.h"
#include "retort/base/tensor.h"

namespace retort {

// How raw inputs become what a net reads. Fitted on the training rows, kept in config.json, so that `retort predict` prepares alike.
struct InputSpec {
  std::vector<int64_t> shape;           // [c,h,w] of images, [d] of prepared tables and of points, clips [t,c,h,w]
  std::vector<double> mean, deviation;  // per channel (images, after scaling to [0,1]) or per dimension (points); empty: none
  std::vector<std::string> classes;
  nlohmann::json table;  // column encodings of a table (table.h); null for anything else
  bool images() const { return shape.size() >= 3; }
  nlohmann::json to_json() const;
  static InputSpec from_json(const nlohmann::json& value, const std::string& where);  // throws DataError
};

struct Dataset {
  std::string name;
  Tensor inputs;  // [n, …shape]; uint8 images (0-255) or float32
  Tensor labels;  // [n] int64; -1 where unlabelled
  Tensor ids;  // [n] int64, unique and stable: the row's position in its source (an official test part counts on after the training part)
  TensorMap extra;  // what a world knows beside the label, [n, …]: "boxes" [n,k,5] (x1,y1,x2,y2,class; class -1 pads), "masks",
                    // "log_density", …; "clean_labels" of a training part with label noise; "fine_labels", the classes before data.merge;
                    // "rotation", quarter turns of data.turn
  InputSpec spec;
  int64_t size() const { return inputs.defined() ? inputs.size(0) : 0; }
  int64_t classes() const { return static_cast<int64_t>(spec.classes.size()); }
  Dataset take(const Tensor& rows) const;  // rows: [m] int64 positions
};

struct Splits {
  Dataset train, unlabelled, validation, test;  // unlabelled: training rows whose labels were taken away (label -1)
};

// [data]
struct DataKnobs {
  std::string source = "digits";
  int64_t train = 0, validation = 0, test = 0, labels_per_class = 0, split_seed = -1, resize = 0, text_features = 2048;
  int64_t displace = 0;
  double label_fraction = 1, label_noise = 0;
  std::vector<int64_t> classes, merge;
  std::string label = "", normalise = "standard", header = "auto";
  std::vector<std::string> columns, missing = {"", "?", "NA", "N/A", "nan", "NaN", "null"};
  std::string task = "labels";
  bool keep_unlabelled = false, grey = false, turn = false, invert = false;
  void describe(Knobs& knobs);
};

// By name (`retort data list`), by path (IDX or CIFAR folder, image folder, .csv/.tsv) or a generated world (worlds.h). Splits are drawn from
// `split_seed`, or from `seed` when that is -1; sets with an official test part keep it. One permutation of the rows serves test, validation
// and train in this order, so that parts of other sizes from the same seed are nested. Names of public sets are looked for in $RETORT_DATA,
// ./data, ../shared/data and the user's cache folder. How inputs are prepared is fitted on all training rows, with labels and without, or taken
// from `reads`, the way another net reads them. Throws DataError / ConfigError.
Splits load_splits(const DataKnobs& knobs, Seed seed, const InputSpec* reads = nullptr);

// Raw inputs as a net reads them: uint8 scaled to [0,1], then (x - mean) / deviation; float32. [n, …shape]; no copy where nothing is to do.
Tensor prepare(const Tensor& raw, const InputSpec& spec);

struct DataEntry {
  std::string name, kind, about, licence, found_at;  // found_at: empty when missing
};
std::vector<DataEntry> known_data();

}  // namespace retort
