#include "retort/data/loader.h"

#include "retort/base/error.h"
#include "retort/data/prefetch.h"
#include "retort/data/transforms.h"

namespace retort {

namespace {

// Inputs up to so many float bytes are prepared once; larger sets stay as they are stored and are prepared batch by batch.
constexpr int64_t kPreparedBytes = int64_t{256} << 20;

int64_t float_bytes(const Dataset& data) { return data.size() ? data.inputs.numel() * 4 : 0; }

}  // namespace

void ViewKnobs::describe(Knobs& knobs) {
  knobs("policy", policy,
        "what the teacher sees: same (the student's view), independent (a view of its own), fixed (the clean input), or fixed-ensemble "
        "(a few views chosen once, their answers averaged)",
        one_of({"same", "independent", "fixed", "fixed-ensemble"}));
  knobs("crops", crops, "fixed-ensemble: how many views of a sample the teacher's answer is averaged over", at_least(1));
  knobs("flip", flip, "mirror left and right with probability one half");
  knobs("shift", shift, "move by up to so many pixels each way, filled with black", at_least(0));
  knobs("crop_padding", crop_padding, "pad with so many black pixels and crop the size back at a random place", at_least(0));
  knobs("crop_area", crop_area, "crop a random part of at least this share of the area and bring it back to size; 1 for none",
        between(0.01, 1));
  knobs("cutout", cutout, "blank a square of this side at a random place; 0 for none", at_least(0));
  knobs("noise", noise, "standard deviation of Gaussian noise, in units of the prepared inputs", at_least(0));
  knobs("mixup", mixup, "mix images within the batch: the concentration of the Beta or Dirichlet weights; 0 for none", at_least(0));
  knobs("cutmix", cutmix, "put a box of another image of the batch into each: the concentration of the Beta law of its area; 0 for none",
        at_least(0));
  knobs("mixup_images", mixup_images, "how many images are mixed into one", at_least(2));
  knobs("mixup_weights", mixup_weights, "beta (two images) or dirichlet (any number, the own image heaviest)",
        one_of({"beta", "dirichlet"}));
}

bool ViewKnobs::random() const { return flip || shift > 0 || crop_padding > 0 || crop_area < 1 || cutout > 0 || noise > 0 || mixes(); }

struct Loader::Body {
  Dataset data;
  LoaderKnobs knobs;
  ViewKnobs views;
  Seed seed;
  int64_t rank, ranks;
  int64_t rows = 0;             // of an epoch, over all ranks
  Tensor labelled, unlabelled;  // positions, where batches are put together of both
  Tensor prepared;              // [n, …] float32; undefined for large sets

  // The epoch under way.
  Seed epoch_seed;
  Tensor order;                // [rows] int64 positions, all ranks
  Tensor own;                  // [rows / ranks] the positions of this rank
  Tensor ids, labels, inputs;  // in the order of `own`; inputs only when they lie in that order already
  int64_t step = 0;
  std::unique_ptr<Prefetch> prefetch;

  Body(const Dataset& rows_of, LoaderKnobs loader, ViewKnobs view_knobs, Seed key, int of_rank, int of_ranks)
      : data(rows_of), knobs(loader), views(std::move(view_knobs)), seed(key), rank(of_rank), ranks(of_ranks) {}

  int64_t global_batch() const { return knobs.batch * ranks; }
  int64_t steps() const { return knobs.drop_last ? rows / global_batch() : (rows + global_batch() - 1) / global_batch(); }

  Tensor shuffled(int64_t count, const char* name, uint64_t index = 0) const {
    return knobs.shuffle ? permutation(count, epoch_seed.stream(name, index)) : at::arange(count, at::kLong);
  }

  int64_t labelled_per_step() const { return knobs.labelled * ranks; }

  // An epoch passes over the unlabelled rows once; each step begins with labelled ones, which go round as often as it takes.
  void plan_mixture() {
    const Tensor has_label = data.labels >= 0;
    if (knobs.labelled == 0 || has_label.all().item<bool>() || !has_label.any().item<bool>()) return;
    if (knobs.labelled >= knobs.batch) {
      throw ConfigError(
          fmt::format("train.labelled: {} labelled samples leave no room for others in a batch of {}", knobs.labelled, knobs.batch),
          "lower train.labelled or raise train.batch");
    }
    labelled = at::nonzero(has_label).squeeze(1);
    unlabelled = at::nonzero(has_label.logical_not()).squeeze(1);
    const int64_t others = unlabelled.size(0) / ranks * ranks, room = global_batch() - labelled_per_step();
    rows = others + labelled_per_step() * ((others + room - 1) / room);
  }

  Tensor mixed_order() const {
    const int64_t others = unlabelled.size(0) / ranks * ranks, room = global_batch() - labelled_per_step(),
                  steps_all = (others + room - 1) / room;
    const Tensor pass = unlabelled.index_select(0, shuffled(unlabelled.size(0), "order"));
    Tensor rounds;
    for (uint64_t round = 0; !rounds.defined() || rounds.size(0) < steps_all * labelled_per_step(); ++round) {
      const Tensor next = labelled.index_select(0, shuffled(labelled.size(0), "labelled", round));
      rounds = rounds.defined() ? at::cat({rounds, next}) : next;
    }
    std::vector<Tensor> parts;
    for (int64_t at = 0; at < steps_all; ++at) {
      parts.push_back(rounds.narrow(0, at * labelled_per_step(), labelled_per_step()));
      parts.push_back(pass.slice(0, at * room, std::min((at + 1) * room, others)));
    }
    return at::cat(parts);
  }

  void begin(int64_t epoch, int64_t first_step) {
    prefetch.reset();
    epoch_seed = seed.stream("epoch", static_cast<uint64_t>(epoch));
    step = first_step;
    if (knobs.shuffle || !order.defined()) {
      order = labelled.defined() ? mixed_order() : shuffled(data.size(), "order").narrow(0, 0, rows);
      own = ranks == 1 ? order : order.slice(0, rank, rows, ranks).contiguous();
      const bool whole = !knobs.shuffle && ranks == 1 && rows == data.size() && !labelled.defined();
      ids = whole ? data.ids : data.ids.index_select(0, own);
      labels = whole ? data.labels : data.labels.index_select(0, own);
      if (whole) inputs = prepared;
    }
  }

  // Clean prepared inputs of any rows.
  Tensor gather(const Tensor& positions) const {
    return prepared.defined() ? prepared.index_select(0, positions) : prepare(data.inputs.index_select(0, positions), data.spec);
  }

  struct View {
    Tensor inputs, targets;
  };
  // A view of this rank's rows. Mixing draws partners from the global batch, so that ranks mix as one process with their joint batch would.
  View view(const char* name, int64_t at, const Tensor& clean, const Tensor& own_ids) const {
    const Seed stream = epoch_seed.stream(name);
    if (!views.mixes()) return {random_views(clean, own_ids, views, data.spec, stream), {}};
    const int64_t first = at * global_batch();
    const Tensor everyone = order.slice(0, first, std::min(first + global_batch(), rows));
    const Tensor all_ids = ranks == 1 ? own_ids : data.ids.index_select(0, everyone);
    const Tensor all = random_views(ranks == 1 ? clean : gather(everyone), all_ids, views, data.spec, stream);
    const auto own_share = [&](const Tensor& rows_of_all) {
      return ranks == 1 ? rows_of_all : rows_of_all.slice(0, rank, all_ids.size(0), ranks).contiguous();
    };
    const Tensor all_labels = data.labels.index_select(0, everyone);
    if (views.cutmix > 0) {
      if (all_ids.size(0) < 2)
        return {all, at::one_hot(all_labels.clamp_min(0), data.classes()).to(at::kFloat) * (all_labels >= 0).unsqueeze(1)};
      Cut cut = draw_cut(all_ids, views, data.spec, stream);
      cut = {{own_share(cut.mix.partners), own_share(cut.mix.weights)}, own_share(cut.boxes)};
      return {cut_inputs(all, cut), mix_labels(all_labels, cut.mix, data.classes())};
    }
    Mix mix = draw_mix(all_ids, views, stream);
    mix = {own_share(mix.partners), own_share(mix.weights)};
    return {mix_inputs(all, mix), mix_labels(all_labels, mix, data.classes())};
  }

  // The batch of a step: a pure function of the epoch and the step, so that any thread may make it.
  Batch make(int64_t at) const {
    const int64_t first = at * knobs.batch, count = std::min(knobs.batch, own.size(0) - first);
    Batch batch;
    batch.ids = ids.narrow(0, first, count);
    batch.labels = labels.narrow(0, first, count);
    batch.clean = inputs.defined() ? inputs.narrow(0, first, count) : gather(own.narrow(0, first, count));
    batch.repeats = !views.random() || views.fixed();
    if (!views.random()) {
      batch.inputs = batch.teacher_inputs = batch.clean;
      return batch;
    }
    View seen = view("student", at, batch.clean, batch.ids);
    batch.inputs = std::move(seen.inputs);
    batch.targets = std::move(seen.targets);
    if (views.policy == "same")
      batch.teacher_inputs = batch.inputs;
    else
      batch.teacher_inputs = views.fixed() ? batch.clean : view("teacher", at, batch.clean, batch.ids).inputs;
    return batch;
  }
};

Loader::Loader(const Dataset& data, LoaderKnobs knobs, ViewKnobs views, Seed seed, int rank, int ranks)
    : body_(new Body(data, knobs, std::move(views), seed, rank, ranks)) {
  if (data.size() == 0) throw DataError(data.name + ": no rows to make batches of", "raise data.train");
  if (knobs.batch < 1) throw ConfigError(fmt::format("train.batch: expected at least 1, found {}", knobs.batch));
  check_views(body_->views, data.spec, std::min(knobs.batch * ranks, data.size()));
  // Ranks get equal shares; at most ranks - 1 rows of an epoch are left out for that, others in each epoch.
  body_->rows = data.size() / ranks * ranks;
  body_->plan_mixture();
  if (float_bytes(data) <= kPreparedBytes) body_->prepared = prepare(data.inputs, data.spec);
  begin(0);
}

Loader::~Loader() = default;

int64_t Loader::steps() const { return body_->steps(); }

void Loader::begin(int64_t epoch, int64_t first_step) { body_->begin(epoch, first_step); }

bool Loader::next(Batch& batch) {
  Body& b = *body_;
  if (b.step >= b.steps()) return false;
  if (b.knobs.workers > 0 && !b.prefetch)
    b.prefetch = std::make_unique<Prefetch>(b.step, b.steps(), b.knobs.workers, [&b](int64_t at) { return b.make(at); });
  batch = b.prefetch ? b.prefetch->next() : b.make(b.step);
  ++b.step;
  return true;
}

Tensor prepared_inputs(const Dataset& data) { return prepare(data.inputs, data.spec); }

}  // namespace retort
