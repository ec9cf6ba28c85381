#include "retort/base/error.h"
#include "retort/teachers/kept_answers.h"
#include "retort/teachers/signal_store.h"

namespace retort {
namespace {

class StoredTeacher final : public Teacher {
 public:
  explicit StoredTeacher(std::shared_ptr<const SignalStore> store) : store_(std::move(store)) {}

  Access access() const override { return store_->access(); }
  int64_t classes() const override { return store_->classes(); }
  std::string about() const override {
    return fmt::format("captured signals {} of {}, {} samples", store_->name(), store_->header().teacher, with_commas(store_->count()));
  }
  std::vector<std::string> tap_names() const override {
    std::vector<std::string> names;
    for (const SignalColumn& column : store_->header().columns) {
      if (column.name.compare(0, 8, "feature:") == 0) names.push_back(column.name.substr(8));
    }
    return names;
  }
  std::vector<int64_t> tap_shape(const std::string& name) const override { return feature(name).shape; }

  bool live() const override { return false; }

  Signals ask(const Tensor& ids, const Tensor&, bool repeats, const Wanted& wanted) override {
    if (!repeats) {
      throw AccessError(fmt::format("random views were asked for; {} holds answers to the inputs as they are", store_->name()),
                        "let the teacher see the clean inputs, or ask it live");
    }
    require_access(*this, access_for(wanted), "the question");
    Signals said;
    for (const std::string& tap : wanted.features) said.features[tap] = store_->read(feature(tap).name, ids);
    const bool logits = store_->column("logits") != nullptr;
    if (logits && (wanted.logits || wanted.topk > 0 || (wanted.labels && !store_->column("labels"))))
      said.logits = store_->read("logits", ids);
    if (wanted.labels && store_->column("labels")) said.labels = classes_in_range(store_->read("labels", ids));
    if (logits) return derive(std::move(said), wanted);
    if (wanted.topk > 0) read_topk(ids, wanted.topk, said);
    if (wanted.labels && !said.labels.defined()) said.labels = classes_in_range(store_->read_topk(ids).topk_indices).select(1, 0);
    return said;
  }

 private:
  const SignalColumn& feature(const std::string& tap) const {
    if (const SignalColumn* column = store_->column("feature:" + tap)) return *column;
    const auto names = tap_names();
    throw AccessError(fmt::format("feature '{}' was asked for; {} holds {}", tap, store_->name(),
                                  names.empty() ? "no features" : fmt::format("{}", fmt::join(names, ", "))),
                      "capture it too, or name one that was captured");
  }

  // The k largest of those stored; what is left away joins the tail.
  void read_topk(const Tensor& ids, int64_t k, Signals& said) const {
    const int64_t stored = store_->topk();
    if (k > stored) {
      throw AccessError(fmt::format("the {} largest log-probabilities were asked for; {} holds {}", k, store_->name(), stored),
                        fmt::format("ask for {} or capture more", stored));
    }
    const Signals all = store_->read_topk(ids);
    said.topk_values = all.topk_values.narrow(1, 0, k);
    said.topk_indices = classes_in_range(all.topk_indices).narrow(1, 0, k);
    said.topk_tail = k == stored ? all.topk_tail : at::logaddexp(all.topk_tail, all.topk_values.narrow(1, k, stored - k).logsumexp(1));
  }

  Tensor classes_in_range(Tensor labels) const {
    if (labels.numel() > 0 && (labels.min().item<int64_t>() < 0 || labels.max().item<int64_t>() >= classes())) {
      throw DataError(fmt::format("{}: holds a class outside 0 to {}", store_->name(), classes() - 1), "capture the signals again");
    }
    return labels;
  }

  std::shared_ptr<const SignalStore> store_;
};

}  // namespace

std::unique_ptr<Teacher> stored_teacher(std::shared_ptr<const SignalStore> store) {
  return std::make_unique<StoredTeacher>(std::move(store));
}
std::unique_ptr<Teacher> stored_teacher(const std::string& path) { return stored_teacher(SignalStore::open(path)); }

}  // namespace retort
