// How it works. Classes go in rising order: a set costs some 13 bits an entry where a list would cost 17. The order by value is then carried by the
// values, which are rounded where it hurts least: the divergence of rounded from true probabilities is about twice the squared error of their
// square roots, so these are cut into equal steps, and the step is the finest that fits into the row. Step numbers are coded under a
// beta-geometric law with two parameters a row. The largest value is not stored: with the tail and the others known, it is what is missing to
// one; which of the classes has it, is. Everything goes through one arithmetic coder, with integer probabilities only, so that every machine
// reads what another wrote.
#include "retort/teachers/topk_codec.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>

#include "retort/base/error.h"

namespace retort {
namespace {

constexpr int kRiceBits = 5, kTailBits = 11, kStepBits = 7, kBaseBits = 6, kShapeBits = 2, kStopBits = 3;
constexpr uint32_t kNoTail = (1u << kTailBits) - 1;
constexpr double kTailRange = 6.4;  // square root of -log of the smallest tail told apart from none
constexpr int64_t kMostSteps = 1 << 14;
constexpr uint32_t kOne = 1u << 12;  // probability 1

double log2_of(uint32_t probability) {
  static const auto table = [] {
    std::array<double, kOne + 1> logs{};
    for (uint32_t p = 1; p <= kOne; ++p) logs[p] = std::log2(p / double(kOne));
    return logs;
  }();
  return table[probability];
}

// Arithmetic coding of yes and no (Witten, Neal, Cleary 1987) on 32 bits. Bits fill bytes from the highest; behind the end come zeros.
constexpr uint64_t kQuarter = uint64_t{1} << 30, kHalf = 2 * kQuarter, kTop = 4 * kQuarter - 1;

class Encoder {
 public:
  explicit Encoder(int64_t bytes) : bytes_(static_cast<size_t>(bytes), '\0') {}
  void put(bool yes, uint32_t probability) {  // of yes
    used_ -= log2_of(yes ? probability : kOne - probability);
    const uint64_t split = low_ + ((high_ - low_ + 1) * probability >> 12) - 1;
    if (yes)
      high_ = split;
    else
      low_ = split + 1;
    while (true) {
      if (high_ < kHalf)
        emit(false);
      else if (low_ >= kHalf) {
        emit(true);
        low_ -= kHalf;
        high_ -= kHalf;
      } else if (low_ >= kQuarter && high_ < 3 * kQuarter) {
        ++waiting_;
        low_ -= kQuarter;
        high_ -= kQuarter;
      } else
        break;
      low_ *= 2;
      high_ = 2 * high_ + 1;
    }
  }
  void put_number(uint64_t value, int bits) {
    while (bits-- > 0) put(value >> bits & 1, kOne / 2);
  }
  void finish() {  // with the zeros that follow, a number of the interval
    if (low_ == 0 && waiting_ == 0) return;
    ++waiting_;
    emit(low_ >= kQuarter);
  }
  double used() const { return used_; }  // bits
  bool overflow() const { return overflow_; }
  const std::string& bytes() const { return bytes_; }

 private:
  void emit(bool bit) {
    write(bit);
    for (; waiting_ > 0; --waiting_) write(!bit);
  }
  void write(bool bit) {
    if (bit && at_ / 8 >= bytes_.size())
      overflow_ = true;
    else if (bit)
      bytes_[at_ / 8] = static_cast<char>(bytes_[at_ / 8] | 128 >> at_ % 8);
    ++at_;
  }
  std::string bytes_;
  size_t at_ = 0, waiting_ = 0;
  uint64_t low_ = 0, high_ = kTop;
  double used_ = 0;
  bool overflow_ = false;
};

DataError broken() { return DataError("packed top-k signals that nothing writes", "capture the signals again"); }

class Decoder {
 public:
  explicit Decoder(std::string_view bytes) : bytes_(bytes) {
    for (int i = 0; i < 32; ++i) value_ = value_ << 1 | next();
  }
  bool get(uint32_t probability) {
    const uint64_t split = low_ + ((high_ - low_ + 1) * probability >> 12) - 1;
    const bool yes = value_ <= split;
    if (yes)
      high_ = split;
    else
      low_ = split + 1;
    while (true) {
      uint64_t less = 0;
      if (low_ >= kHalf)
        less = kHalf;
      else if (low_ >= kQuarter && high_ < 3 * kQuarter)
        less = kQuarter;
      else if (high_ >= kHalf)
        break;
      low_ = 2 * (low_ - less);
      high_ = 2 * (high_ - less) + 1;
      value_ = 2 * (value_ - less) + next();
    }
    return yes;
  }
  uint64_t number(int bits) {
    uint64_t value = 0;
    while (bits-- > 0) value = value << 1 | static_cast<uint64_t>(get(kOne / 2));
    return value;
  }

 private:
  uint64_t next() {
    if (at_ > 8 * bytes_.size() + 64) throw broken();
    const bool bit = at_ / 8 < bytes_.size() && (bytes_[at_ / 8] & 128 >> at_ % 8) != 0;
    ++at_;
    return bit;
  }
  std::string_view bytes_;
  size_t at_ = 0;
  uint64_t low_ = 0, high_ = kTop, value_ = 0;
};

// Sets of classes, spread over all of them: is there one among the next few places, and at which? As many places as hold one with a chance of
// about a fifth.
struct Spread {
  int64_t places, left;  // still to be told of
  int bits() const {
    int bits = 0;
    while (bits < 30 && (int64_t{2} << bits) * 4 * left <= places) ++bits;
    return bits;
  }
  // That none of the next 2^bits places has one: (1 - left / places)^(2^bits), with the places halfway through.
  uint32_t none(int bits) const {
    const auto few = static_cast<uint64_t>((int64_t{1} << bits) - 1), all = 2 * static_cast<uint64_t>(places) - few;
    uint64_t chance = ((all - 2 * static_cast<uint64_t>(left)) << 31) / all;
    for (int i = 0; i < bits; ++i) chance = chance * chance >> 31;
    return static_cast<uint32_t>(std::clamp<uint64_t>(chance >> 19, 1, kOne - 1));
  }
};

void put_spread(Encoder& to, const std::vector<int64_t>& gaps, int64_t classes) {
  Spread set{classes, static_cast<int64_t>(gaps.size())};
  for (int64_t gap : gaps) {
    while (set.left < set.places) {
      const int bits = set.bits();
      const bool none = gap >= int64_t{1} << bits;
      to.put(none, set.none(bits));
      if (!none) {
        to.put_number(static_cast<uint64_t>(gap), bits);
        break;
      }
      set.places -= int64_t{1} << bits;
      gap -= int64_t{1} << bits;
    }
    set.places -= gap + 1;
    --set.left;
  }
}

int64_t spread_gap(Decoder& from, Spread& set) {
  int64_t gap = 0, here = 0;
  while (set.left < set.places) {
    const int bits = set.bits();
    if (!from.get(set.none(bits))) {
      here = static_cast<int64_t>(from.number(bits));
      break;
    }
    set.places -= int64_t{1} << bits;
    gap += int64_t{1} << bits;
    if (set.places < set.left) throw broken();
  }
  set.places -= here + 1;
  --set.left;
  if (set.places < set.left) throw broken();
  return gap + here;
}

// Sets that crowd together: gaps by Rice's code.
void put_rice(Encoder& to, const std::vector<int64_t>& gaps) {
  int parameter = 0;
  int64_t least = std::numeric_limits<int64_t>::max();
  for (int r = 0; r < 1 << kRiceBits; ++r) {
    int64_t length = static_cast<int64_t>(gaps.size()) * (r + 1);
    for (const int64_t gap : gaps) length += gap >> r;
    if (length < least) {
      least = length;
      parameter = r;
    }
  }
  to.put_number(static_cast<uint64_t>(parameter), kRiceBits);
  for (const int64_t gap : gaps) {
    for (int64_t i = 0; i < gap >> parameter; ++i) to.put(true, kOne / 2);
    to.put(false, kOne / 2);
    to.put_number(static_cast<uint64_t>(gap) & ((uint64_t{1} << parameter) - 1), parameter);
  }
}

int64_t rice_gap(Decoder& from, int parameter, int64_t classes) {
  int64_t gap = 0;
  while (from.get(kOne / 2)) ++gap;
  if (gap > classes >> parameter) throw broken();
  return gap << parameter | static_cast<int64_t>(from.number(parameter));
}

// How the numbers of steps are distributed: the chance to stop at n, having come so far, falls with n the faster the heavier the tail is.
struct Law {
  uint32_t shape = 0, stop = 0;
  uint32_t at(int64_t n) const {
    static constexpr std::array<int64_t, 4> shapes = {1, 2, 5, 24};
    static constexpr std::array<int64_t, 8> odds = {1, 2, 4, 7, 11, 17, 28, 56};  // eighths against stopping at 0
    const int64_t a = 8 * shapes[shape], chance = kOne * a / (a + odds[stop] * shapes[shape] + 8 * n);
    return static_cast<uint32_t>(std::clamp<int64_t>(chance, 8, kOne - 8));
  }
};

// What a row says of its values besides the step numbers.
struct Scale {
  uint32_t step = 0, base = 0;
  Law law;
  double width() const { return std::exp2(-static_cast<double>(step) / 8); }
  // Where steps are counted from, in steps: by halves up to 16, then by twos.
  static double from(uint32_t base) { return base < 32 ? base / 2.0 : 16.0 + 2.0 * (base - 32); }
  double start() const { return width() * from(base); }
  // The probability in the middle of `n` steps: the square root at the mean of an exponential density that falls as the law does.
  double probability(int64_t n) const {
    const double here = law.at(n), next = law.at(n + 1), fall = -std::log((1 - here / kOne) * next / here);
    const double root = start() + width() * (static_cast<double>(n) + 0.5 - std::clamp(fall / 12, -0.2, 0.2));
    return root * root;
  }
};

double tail_of(uint32_t code) {
  const double root = kTailRange * (code + 0.5) / kNoTail;
  return code == kNoTail ? -std::numeric_limits<double>::infinity() : -root * root;
}

uint32_t tail_code(double tail) {
  const double root = std::sqrt(std::max(0.0, -tail)) / kTailRange;
  if (std::isinf(tail)) return kNoTail;
  return static_cast<uint32_t>(std::min(kNoTail - 1.0, root * kNoTail));
}

// Probabilities from those of the others and the tail; the largest is what is missing, and never below another.
std::vector<double> complete(std::vector<double> p, size_t largest, double tail) {
  const double room = 1 - tail;
  p[largest] = 0;
  const double others = std::accumulate(p.begin(), p.end(), 0.0), most = p.empty() ? 0 : *std::max_element(p.begin(), p.end());
  p[largest] = std::max({room - others, most, 1e-12});
  const double sum = others + p[largest];
  for (double& each : p) each *= room / sum;
  return p;
}

int position_bits(int64_t k) {
  int bits = 0;
  while ((int64_t{1} << bits) < k) ++bits;
  return bits;
}

int rice_parameter(int64_t k, int64_t classes) {
  int parameter = 0;
  while (parameter < 31 && (int64_t{2} << parameter) * 100 <= classes * 69 / k) ++parameter;
  return parameter;
}

struct Fit {
  Scale scale;
  std::vector<int64_t> steps;
  double divergence = std::numeric_limits<double>::infinity();
};

// One row on its way into `bits` bits.
class Packer {
 public:
  Packer(std::vector<double> p, size_t largest, double tail, double stored_tail, double bits)
      : p_(std::move(p)), largest_(largest), tail_(tail), stored_tail_(stored_tail), bits_(bits) {
    for (const double each : p_) roots_.push_back(std::sqrt(each));
    lowest_ = std::numeric_limits<double>::infinity();
    for (size_t i = 0; i < p_.size(); ++i) {
      if (i != largest_) lowest_ = std::min(lowest_, roots_[i]);
    }
  }

  // The best of the finest steps that fit.
  Fit best() const {
    uint32_t low = 0, high = (1u << kStepBits) - 1;
    while (low < high) {
      const uint32_t middle = (low + high + 1) / 2;
      if (cost(rounded(middle)) <= bits_)
        low = middle;
      else
        high = middle - 1;
    }
    Fit best;
    for (uint32_t step = low; step + 3 > low && step < 1u << kStepBits; --step) {
      Fit fit = rounded(step);
      fit.divergence = divergence(fit);
      if (fit.divergence < best.divergence && cost(fit) <= bits_) best = fit;
      improve(fit);
      if (fit.divergence < best.divergence && cost(fit) <= bits_) best = fit;
    }
    return best;
  }

 private:
  double cost(const std::vector<int64_t>& counts, Law law) const {
    double bits = 0;
    auto left = std::accumulate(counts.begin(), counts.end(), int64_t{0});
    for (size_t n = 0; n < counts.size(); ++n) {
      const uint32_t stop = law.at(static_cast<int64_t>(n));
      bits -= static_cast<double>(counts[n]) * log2_of(stop);
      left -= counts[n];
      bits -= static_cast<double>(left) * log2_of(kOne - stop);
    }
    return bits;
  }
  std::vector<int64_t> counts(const std::vector<int64_t>& steps) const {
    std::vector<int64_t> counts(static_cast<size_t>(*std::max_element(steps.begin(), steps.end())) + 1);
    for (size_t i = 0; i < steps.size(); ++i) counts[static_cast<size_t>(steps[i])] += i != largest_;
    return counts;
  }
  double cost(const Fit& fit) const { return cost(counts(fit.steps), fit.scale.law); }

  Fit rounded(uint32_t step) const {
    Fit fit;
    fit.scale.step = step;
    while (fit.scale.base + 1 < 1u << kBaseBits && Scale::from(fit.scale.base + 1) * fit.scale.width() <= lowest_) ++fit.scale.base;
    fit.steps.assign(p_.size(), 0);
    for (size_t i = 0; i < p_.size(); ++i) {
      if (i != largest_)
        fit.steps[i] = std::clamp<int64_t>(static_cast<int64_t>((roots_[i] - fit.scale.start()) / fit.scale.width()), 0, kMostSteps);
    }
    const auto histogram = counts(fit.steps);
    double least = std::numeric_limits<double>::infinity();
    for (uint32_t shape = 0; shape < 1u << kShapeBits; ++shape) {
      for (uint32_t stop = 0; stop < 1u << kStopBits; ++stop) {
        const double bits = cost(histogram, {shape, stop});
        if (bits < least) {
          least = bits;
          fit.scale.law = {shape, stop};
        }
      }
    }
    return fit;
  }

  double divergence(const Fit& fit) const {
    std::vector<double> q(p_.size());
    for (size_t i = 0; i < q.size(); ++i) q[i] = fit.scale.probability(fit.steps[i]);
    q = complete(std::move(q), largest_, stored_tail_);
    double sum = 0;
    for (size_t i = 0; i < q.size(); ++i) sum += p_[i] > 0 ? p_[i] * std::log(p_[i] / q[i]) : 0;
    return sum + (tail_ > 0 && stored_tail_ > 0 ? tail_ * std::log(tail_ / stored_tail_) : 0);
  }

  // Rounds single values the other way where that lowers the divergence: above all so that what is missing to one is the largest again.
  void improve(Fit& fit) const {
    constexpr double kLeast = 1e-9;
    std::vector<std::array<double, 3>> near(p_.size());  // probabilities one step below, here, one above
    const auto look = [&](size_t i) {
      for (int64_t d = -1; d <= 1; ++d) near[i][static_cast<size_t>(d + 1)] = fit.scale.probability(std::max<int64_t>(0, fit.steps[i] + d));
    };
    double missing = 1 - stored_tail_;
    for (size_t i = 0; i < p_.size(); ++i) {
      if (i == largest_) continue;
      look(i);
      missing -= near[i][1];
    }
    for (int round = 0; round < 8; ++round) {
      size_t which = p_.size(), way = 0;
      double gain = 1e-9;
      const double now = std::log(std::max(missing, kLeast));
      for (size_t i = 0; i < p_.size(); ++i) {
        if (i == largest_) continue;
        for (const size_t to : {size_t{0}, size_t{2}}) {
          if ((to == 0 && fit.steps[i] == 0) || (to == 2 && fit.steps[i] >= kMostSteps)) continue;
          const double rest = missing + near[i][1] - near[i][to];
          const double better = p_[i] * std::log(near[i][to] / near[i][1]) + p_[largest_] * (std::log(std::max(rest, kLeast)) - now);
          if (better > gain) {
            gain = better;
            which = i;
            way = to;
          }
        }
      }
      if (which == p_.size()) break;
      missing += near[which][1] - near[which][way];
      fit.steps[which] += way == 0 ? -1 : 1;
      look(which);
    }
    fit.divergence = divergence(fit);
  }

  std::vector<double> p_, roots_;
  size_t largest_;
  double tail_, stored_tail_, bits_, lowest_;
};

std::vector<size_t> by_class(const TopkRow& row, int64_t classes) {
  std::vector<size_t> order(row.classes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return row.classes[a] < row.classes[b]; });
  for (size_t i = 0; i < order.size(); ++i) {
    const int64_t id = row.classes[order[i]];
    if (id < 0 || id >= classes || (i > 0 && id == row.classes[order[i - 1]]))
      throw std::invalid_argument("pack_topk: classes that repeat or are none");
  }
  return order;
}

}  // namespace

int64_t packed_topk_bytes(int64_t k, int64_t classes) {
  const int parameter = rice_parameter(k, classes);
  const int64_t ids = k * (parameter + 1) + (classes >> parameter);
  const int64_t rest = 1 + kRiceBits + kTailBits + position_bits(k) + kStepBits + kBaseBits + kShapeBits + kStopBits;
  return (ids + rest + (8 * k + 4) / 5 + 7) / 8;
}

std::string pack_topk(const TopkRow& row, int64_t classes, int64_t bytes) {
  const auto k = static_cast<int64_t>(row.classes.size());
  if (k < 1 || row.values.size() != row.classes.size()) throw std::invalid_argument("pack_topk: as many values as classes, at least one");
  const std::vector<size_t> order = by_class(row, classes);
  for (const float value : row.values) {
    if (!(value < 1e-3f)) throw std::invalid_argument("pack_topk: a value that is no log-probability");
  }
  std::vector<int64_t> gaps;
  for (size_t i = 0; i < order.size(); ++i) gaps.push_back(row.classes[order[i]] - (i == 0 ? 0 : row.classes[order[i - 1]] + int64_t{1}));
  Encoder encoder(bytes), rice(bytes);
  encoder.put(false, kOne / 2);
  put_spread(encoder, gaps, classes);
  rice.put(true, kOne / 2);
  put_rice(rice, gaps);
  if (rice.used() < encoder.used()) encoder = rice;

  // Values, normalised, in the order of the classes.
  std::vector<double> p;
  double sum = k < classes ? std::exp(static_cast<double>(row.tail)) : 0;
  if (std::isnan(sum)) throw std::invalid_argument("pack_topk: a tail that is no log-probability");
  for (const size_t i : order) sum += p.emplace_back(std::exp(static_cast<double>(row.values[i])));
  if (!(sum > 0)) throw std::invalid_argument("pack_topk: no probability at all");
  for (double& each : p) each /= sum;
  size_t largest = 0;
  for (size_t i = 1; i < order.size(); ++i) {  // of equal ones that which the teacher put first
    const float here = row.values[order[i]], best = row.values[order[largest]];
    if (here > best || (here == best && order[i] < order[largest])) largest = i;
  }
  double stored_tail = 0;
  if (k < classes) {
    const uint32_t code = tail_code(static_cast<double>(row.tail) - std::log(sum));
    encoder.put_number(code, kTailBits);
    stored_tail = std::exp(tail_of(code));
  }
  encoder.put_number(largest, position_bits(k));
  if (k == 1) {
    encoder.finish();
    if (encoder.overflow()) throw std::invalid_argument("pack_topk: too few bytes");
    return encoder.bytes();
  }
  const double tail = k < classes ? std::exp(static_cast<double>(row.tail)) / sum : 0;
  constexpr int side = kStepBits + kBaseBits + kShapeBits + kStopBits;
  for (const double spare : {0.5, 1.0, 2.0, 4.0}) {  // what rounding in the coder and its last bits may take
    const double room = 8.0 * static_cast<double>(bytes) - encoder.used() - side - spare;
    const Fit fit = Packer(p, largest, tail, stored_tail, room).best();
    if (fit.steps.empty()) break;
    Encoder whole = encoder;
    whole.put_number(fit.scale.step, kStepBits);
    whole.put_number(fit.scale.base, kBaseBits);
    whole.put_number(fit.scale.law.shape, kShapeBits);
    whole.put_number(fit.scale.law.stop, kStopBits);
    for (size_t i = 0; i < order.size(); ++i) {
      if (i == largest) continue;
      for (int64_t n = 0; n <= fit.steps[i]; ++n) whole.put(n == fit.steps[i], fit.scale.law.at(n));
    }
    whole.finish();
    if (!whole.overflow()) return whole.bytes();
  }
  throw std::invalid_argument("pack_topk: too few bytes");
}

TopkRow unpack_topk(std::string_view bytes, int64_t k, int64_t classes) {
  Decoder from(bytes);
  const bool crowded = from.get(kOne / 2);
  const auto parameter = crowded ? static_cast<int>(from.number(kRiceBits)) : 0;
  Spread set{classes, k};
  std::vector<int32_t> ids;
  int64_t next = 0;
  for (int64_t i = 0; i < k; ++i) {
    const int64_t gap = crowded ? rice_gap(from, parameter, classes) : spread_gap(from, set);
    if (gap >= classes - next) throw broken();
    ids.push_back(static_cast<int32_t>(next + gap));
    next += gap + 1;
  }
  const double log_tail = k < classes ? tail_of(static_cast<uint32_t>(from.number(kTailBits))) : -std::numeric_limits<double>::infinity();
  const auto largest = static_cast<size_t>(from.number(position_bits(k)));
  if (largest >= ids.size()) throw broken();
  std::vector<double> p(ids.size());
  if (k > 1) {
    Scale scale;
    scale.step = static_cast<uint32_t>(from.number(kStepBits));
    scale.base = static_cast<uint32_t>(from.number(kBaseBits));
    scale.law.shape = static_cast<uint32_t>(from.number(kShapeBits));
    scale.law.stop = static_cast<uint32_t>(from.number(kStopBits));
    for (size_t i = 0; i < p.size(); ++i) {
      if (i == largest) continue;
      int64_t n = 0;
      while (!from.get(scale.law.at(n))) {
        if (++n > kMostSteps) throw broken();
      }
      p[i] = scale.probability(n);
    }
  }
  p = complete(std::move(p), largest, std::exp(log_tail));

  std::vector<size_t> order(ids.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return a != b && (a == largest || (b != largest && p[a] > p[b])); });
  TopkRow row;
  row.tail = static_cast<float>(log_tail);
  for (const size_t i : order) {
    row.classes.push_back(ids[i]);
    row.values.push_back(static_cast<float>(std::log(p[i])));
  }
  return row;
}

}  // namespace retort
