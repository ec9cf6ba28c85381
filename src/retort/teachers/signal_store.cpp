#include "retort/teachers/signal_store.h"

#include <cstring>

#include "retort/base/error.h"
#include "retort/base/file.h"
#include "retort/teachers/kept_answers.h"

namespace retort {

std::shared_ptr<const SignalStore> SignalStore::open(const std::string& path) { return std::make_shared<SignalStore>(MappedFile::open(path), path); }

SignalStore::SignalStore(MappedFile bytes, std::string name) : bytes_(std::move(bytes)), name_(std::move(name)), layout_(SignalLayout::parse(bytes_.bytes(), name_)) {
  const std::string_view sums = bytes_.bytes().substr(layout_.checksums);
  uint32_t sum_of_sums = 0;
  std::memcpy(&sum_of_sums, sums.data() + sums.size() - sizeof sum_of_sums, sizeof sum_of_sums);
  if (crc32_of(sums.substr(0, sums.size() - sizeof sum_of_sums)) != sum_of_sums) {
    throw DataError(fmt::format("{}: the checksums at byte {} are damaged", name_, layout_.checksums), "capture the signals again");
  }
  checked_.assign(layout_.columns.size(), std::vector<bool>(static_cast<size_t>(layout_.blocks()), false));
  for (int64_t block = 0; block < layout_.blocks(); ++block) check_block(0, block);
  const Tensor list = ids();
  for (int64_t row = 0; row < count(); ++row) {
    const int64_t id = list.data_ptr<int64_t>()[row];
    if (table_.add(id) != row) throw DataError(fmt::format("{}: sample id {} comes twice", name_, id), "capture the signals again");
  }
}

const SignalColumn* SignalStore::column(const std::string& name) const {
  const auto found = std::find_if(layout_.columns.begin(), layout_.columns.end(), [&](const SignalColumn& c) { return c.name == name; });
  return found == layout_.columns.end() ? nullptr : &*found;
}

Access SignalStore::access() const {
  if (column("logits")) {
    const auto is_feature = [](const SignalColumn& c) { return c.name.compare(0, 8, "feature:") == 0; };
    return std::any_of(layout_.columns.begin(), layout_.columns.end(), is_feature) ? Access::features : Access::logits;
  }
  if (column("topk_values")) return Access::topk;
  return column("labels") ? Access::hard_labels : Access::none;
}

Tensor SignalStore::column_tensor(size_t index) const {
  const SignalColumn& column = layout_.columns[index];
  std::vector<int64_t> shape = column.shape;
  shape.insert(shape.begin(), count());
  return at::from_blob(bytes_.data() + layout_.starts[index], shape, at::TensorOptions(column.type));
}

Tensor SignalStore::ids() const { return column_tensor(0); }

void SignalStore::check_block(size_t index, int64_t block) const {
  if (checked_[index][static_cast<size_t>(block)]) return;
  const SignalColumn& column = layout_.columns[index];
  const int64_t first = block * layout_.block_rows, rows = std::min(layout_.block_rows, count() - first);
  const size_t start = layout_.starts[index] + static_cast<size_t>(first * column.row_bytes());
  uint32_t expected = 0;
  const size_t entry = index * static_cast<size_t>(layout_.blocks()) + static_cast<size_t>(block);
  std::memcpy(&expected, bytes_.data() + layout_.checksums + sizeof expected * entry, sizeof expected);
  if (crc32_of(bytes_.bytes().substr(start, static_cast<size_t>(rows * column.row_bytes()))) != expected) {
    throw DataError(fmt::format("{}: block {} of '{}' (rows {} to {}, from byte {}) is damaged", name_, block, column.name, first, first + rows - 1, start),
                    "capture the signals again");
  }
  checked_[index][static_cast<size_t>(block)] = true;
}

Tensor SignalStore::read(const std::string& name, const Tensor& ids) const {
  const SignalColumn* const found = column(name);
  if (!found) throw std::invalid_argument("SignalStore: no column " + name);
  const auto index = static_cast<size_t>(found - layout_.columns.data());
  const Tensor rows = table_.rows(ids);
  const auto* const numbers = rows.data_ptr<int64_t>();
  for (int64_t i = 0; i < rows.numel(); ++i) {
    if (numbers[i] < 0) {
      throw DataError(fmt::format("{}: nothing was captured for sample id {}", name_, ids[i].item<int64_t>()), "capture the data set that the recipe names, all of it");
    }
    check_block(index, numbers[i] / layout_.block_rows);
  }
  const Tensor values = column_tensor(index).index_select(0, rows);
  return values.to(at::isFloatingType(found->type) ? at::kFloat : at::kLong);
}

void SignalStore::verify() const {
  for (size_t index = 0; index < layout_.columns.size(); ++index) {
    for (int64_t block = 0; block < layout_.blocks(); ++block) check_block(index, block);
  }
}

namespace {

class StoredTeacher final : public Teacher {
 public:
  explicit StoredTeacher(std::shared_ptr<const SignalStore> store) : store_(std::move(store)) {}

  Access access() const override { return store_->access(); }
  int64_t classes() const override { return store_->classes(); }
  std::string about() const override {
    return fmt::format("captured signals {} of {}, {} samples", store_->name(), store_->layout().teacher, with_commas(store_->count()));
  }
  std::vector<std::string> tap_names() const override {
    std::vector<std::string> names;
    for (const SignalColumn& column : store_->layout().columns) {
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
    if (logits && (wanted.logits || wanted.topk > 0 || (wanted.labels && !store_->column("labels")))) said.logits = store_->read("logits", ids);
    if (wanted.labels && store_->column("labels")) said.labels = classes_in_range(store_->read("labels", ids));
    if (logits) return derive(std::move(said), wanted);
    if (wanted.topk > 0) read_topk(ids, wanted.topk, said);
    if (wanted.labels && !said.labels.defined()) said.labels = classes_in_range(store_->read("topk_indices", ids)).select(1, 0);
    return said;
  }

 private:
  const SignalColumn& feature(const std::string& tap) const {
    if (const SignalColumn* column = store_->column("feature:" + tap)) return *column;
    const auto names = tap_names();
    throw AccessError(fmt::format("feature '{}' was asked for; {} holds {}", tap, store_->name(), names.empty() ? "no features" : fmt::format("{}", fmt::join(names, ", "))),
                      "capture it too, or name one that was captured");
  }

  // The k largest of those stored; what is left away joins the tail.
  void read_topk(const Tensor& ids, int64_t k, Signals& said) const {
    const int64_t stored = store_->column("topk_values")->shape[0];
    if (k > stored) {
      throw AccessError(fmt::format("the {} largest log-probabilities were asked for; {} holds {}", k, store_->name(), stored), fmt::format("ask for {} or capture more", stored));
    }
    const Tensor values = store_->read("topk_values", ids), tail = store_->read("topk_tail", ids);
    said.topk_values = values.narrow(1, 0, k);
    said.topk_indices = classes_in_range(store_->read("topk_indices", ids)).narrow(1, 0, k);
    said.topk_tail = k == stored ? tail : at::logaddexp(tail, values.narrow(1, k, stored - k).logsumexp(1));
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

std::unique_ptr<Teacher> stored_teacher(std::shared_ptr<const SignalStore> store) { return std::make_unique<StoredTeacher>(std::move(store)); }
std::unique_ptr<Teacher> stored_teacher(const std::string& path) { return stored_teacher(SignalStore::open(path)); }

}  // namespace retort
