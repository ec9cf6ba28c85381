#include "retort/teachers/id_table.h"

namespace retort {
namespace {

constexpr int64_t kNear = int64_t{1} << 24;  // the table takes at most 64 MB
bool near(int64_t id) { return id >= 0 && id < kNear; }

}  // namespace

int64_t IdTable::find(int64_t id) const {
  if (near(id)) return id < static_cast<int64_t>(near_.size()) ? near_[static_cast<size_t>(id)] : -1;
  const auto found = far_.find(id);
  return found == far_.end() ? -1 : found->second;
}

int64_t IdTable::add(int64_t id) {
  const int64_t known = find(id), row = size();
  if (known >= 0) return known;
  if (near(id)) {
    if (id >= static_cast<int64_t>(near_.size()))
      near_.resize(static_cast<size_t>(std::min(kNear, std::max<int64_t>(id + 1, id + id / 2))), -1);
    near_[static_cast<size_t>(id)] = static_cast<int32_t>(row);
  } else {
    far_[id] = row;
  }
  ids_.push_back(id);
  return row;
}

Tensor IdTable::rows(const Tensor& ids) const {
  const Tensor list = ids.to(at::kCPU, at::kLong).contiguous(), rows = at::empty(list.sizes(), at::kLong);
  const auto* from = list.data_ptr<int64_t>();
  auto* to = rows.data_ptr<int64_t>();
  for (int64_t i = 0; i < list.numel(); ++i) to[i] = find(from[i]);
  return rows;
}

}  // namespace retort
