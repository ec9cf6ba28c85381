// Batches: the same rows, order and random views for the same seed, whatever the thread count.
#pragma once

#include <memory>

#include "retort/data/dataset.h"

namespace retort {

// [views]: random transforms, drawn per sample from (seed, epoch, sample id, view), and who sees what.
struct ViewKnobs {
  std::string policy = "same";
  bool flip = false;
  int64_t shift = 0, crop_padding = 0, cutout = 0, mixup_images = 2, crops = 8;
  double noise = 0, mixup = 0, cutmix = 0, crop_area = 1;
  std::string mixup_weights = "beta";
  void describe(Knobs& knobs);
  bool fixed() const { return policy == "fixed" || policy == "fixed-ensemble"; }  // whether the teacher answers once for each sample
  bool mixes() const { return mixup > 0 || cutmix > 0; }
  bool random() const;  // whether a view of a sample differs from visit to visit
};

struct Batch {
  Tensor ids;             // [b] int64
  Tensor labels;          // [b] int64
  Tensor inputs;          // [b, …]: what the student sees, float32, normalised
  Tensor teacher_inputs;  // what the teacher sees; the same tensor where the views are shared
  Tensor clean;           // without random transforms; shares storage with inputs where there are none
  Tensor targets;         // [b, classes] mixed one-hot labels; undefined when nothing was mixed
  bool repeats = false;   // the teacher's view of a sample id is the same at every visit, so that answers may be kept
  int64_t size() const { return ids.size(0); }
};

struct LoaderKnobs {
  int64_t batch = 64;
  bool shuffle = true, drop_last = false;
  int64_t labelled =
      0;  // rows of every batch that have labels, drawn again and again, where the data have unlabelled ones too; 0: as they come
  int64_t workers = 0;  // threads that prepare batches ahead; 0: in the caller
};

// A pass over a data set. In a process group each rank gets its share of every global batch (rows rank, rank+size, …).
class Loader {
 public:
  Loader(const Dataset& data, LoaderKnobs knobs, ViewKnobs views, Seed seed, int rank = 0, int ranks = 1);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;
  int64_t steps() const;                              // batches an epoch
  void begin(int64_t epoch, int64_t first_step = 0);  // resumable in the middle of an epoch
  bool next(Batch& batch);                            // false at the end of the epoch

 private:
  struct Body;
  std::unique_ptr<Body> body_;
};

// Inputs of all rows as the net reads them: float32, scaled, normalised. [n, …]
Tensor prepared_inputs(const Dataset& data);

}  // namespace retort
