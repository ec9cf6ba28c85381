// What tests of teachers share: a tiny net, a tiny data set, and a teacher that counts how often it is asked.
#pragma once

#include "retort/teachers/kept_answers.h"
#include "tests/support.h"

namespace retort {

inline Net tiny_net(uint64_t seed = 1) { return make_net("mlp-6", {4}, 3, Seed(seed)); }

inline Dataset tiny_data(int64_t rows = 10, int64_t first_id = 0) {
  Dataset data;
  data.name = "tiny";
  data.inputs = at::empty({rows, 4}).normal_(0, 1, Seed(5).generator());
  data.labels = at::arange(rows, at::kLong).remainder(3);
  data.ids = at::arange(first_id, first_id + rows, at::kLong);
  data.spec.shape = {4};
  data.spec.classes = {"a", "b", "c"};
  return data;
}

// Answers every question with fixed logits [n, classes] by id, at some access level.
class Fixed final : public Teacher {
 public:
  Fixed(Tensor table, Access shown, std::string name = "fixed") : table_(std::move(table)), shown_(shown), name_(std::move(name)) {}
  Access access() const override { return shown_; }
  int64_t classes() const override { return table_.size(1); }
  std::string about() const override { return name_; }
  Signals ask(const Tensor& ids, const Tensor&, bool, const Wanted& wanted) override {
    require_access(*this, access_for(wanted), "the question");
    ++asked;
    Signals said;
    said.logits = table_.index_select(0, ids);
    return derive(std::move(said), wanted);
  }
  int asked = 0;

 private:
  Tensor table_;
  Access shown_;
  std::string name_;
};

}  // namespace retort
