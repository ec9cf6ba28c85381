#include "retort/teachers/topk_codec.h"

#include "bench/topk_peer.h"
#include "tests/teachers/support.h"

namespace retort {
namespace {

TopkRow row_of(std::vector<int32_t> classes, const std::vector<double>& p, double tail) {
  TopkRow row;
  row.classes = std::move(classes);
  for (const double each : p) row.values.push_back(static_cast<float>(std::log(each)));
  row.tail = static_cast<float>(std::log(tail));
  return row;
}

TopkRow there_and_back(const TopkRow& row, int64_t classes) {
  const auto k = static_cast<int64_t>(row.classes.size());
  return unpack_topk(pack_topk(row, classes, packed_topk_bytes(k, classes)), k, classes);
}

std::vector<int32_t> sorted(std::vector<int32_t> list) {
  std::sort(list.begin(), list.end());
  return list;
}

TEST(TopkCodec, AHundredBytesATokenAndCloserThanAPolynomial) {
  ASSERT_LE(packed_topk_bytes(bench::kTop, bench::kVocabulary), 100);
  for (const bench::Head& head :
       {bench::Head{1, 2, 1, false}, {1, 2, 0.7, false}, {1, 3, 1, false}, {1.5, 2, 1, false}, {1, 2, 1, true}, {0, 3, 0.7, false}}) {
    std::mt19937_64 random(11);
    double ours = 0, peer = 0;
    for (int i = 0; i < 8; ++i) {
      const bench::Drawn drawn = bench::draw(head, random);
      const std::string packed = pack_topk(drawn.row, bench::kVocabulary, 100);
      ASSERT_EQ(packed.size(), 100u);
      const TopkRow back = unpack_topk(packed, bench::kTop, bench::kVocabulary);
      EXPECT_EQ(sorted(back.classes), sorted(drawn.row.classes));
      EXPECT_NEAR(std::exp(back.tail), std::exp(drawn.tail), 2e-3);
      const std::vector<double> values = bench::codec_back(drawn, back);
      ASSERT_FALSE(values.empty());
      double sum = std::exp(static_cast<double>(back.tail));
      for (const double value : values) sum += std::exp(value);
      EXPECT_NEAR(sum, 1, 1e-5);
      ours += bench::divergence(drawn, values, back.tail);
      peer += bench::divergence(drawn, bench::Peer{10, 2, 0}.back(drawn), drawn.tail);
    }
    EXPECT_LT(ours, peer) << head.zipf << ' ' << head.spread << ' ' << head.temperature;
    EXPECT_GE(ours, 0);
  }
}

TEST(TopkCodec, ClassesAreExactWhereverTheyLie) {
  std::mt19937_64 random(5);
  for (const auto& [k, classes] : std::vector<std::pair<int64_t, int64_t>>{
           {1, 1}, {1, 10}, {2, 2}, {3, 3}, {5, 10}, {10, 10}, {20, 1000}, {50, 151936}, {128, 32000}, {8, int64_t{1} << 31}}) {
    for (int round = 0; round < 20; ++round) {
      std::set<int32_t> chosen;
      const int64_t reach = round % 3 == 0 ? std::min(classes, 2 * k) : classes;  // now close together, now anywhere
      while (static_cast<int64_t>(chosen.size()) < k)
        chosen.insert(static_cast<int32_t>((round % 3 == 1 ? classes - 1 : 0) +
                                           (round % 3 == 1 ? -1 : 1) * static_cast<int64_t>(random() % static_cast<uint64_t>(reach))));
      std::vector<int32_t> ids(chosen.begin(), chosen.end());
      std::shuffle(ids.begin(), ids.end(), random);
      std::vector<double> p;
      double sum = k < classes ? 0.1 : 0;
      for (int64_t i = 0; i < k; ++i) sum += p.emplace_back(std::exp(-static_cast<double>(random() % 1000) / 100));
      for (double& each : p) each /= sum;
      const TopkRow row = row_of(ids, p, k < classes ? 0.1 / sum : 0), back = there_and_back(row, classes);
      EXPECT_EQ(sorted(back.classes), sorted(ids)) << k << ' ' << classes;
      const auto most = std::max_element(row.values.begin(), row.values.end()) - row.values.begin();
      EXPECT_EQ(back.values.front(), *std::max_element(back.values.begin(), back.values.end()));
      EXPECT_EQ(back.classes.front(), ids[static_cast<size_t>(most)]) << k << ' ' << classes;
    }
  }
}

TEST(TopkCodec, ExtremeRows) {
  const double none = 0;
  // One certain class; impossible ones beside it; all alike; a tail of everything.
  const TopkRow certain = there_and_back(row_of({4, 7}, {1, none}, none), 10);
  EXPECT_EQ(certain.classes, (std::vector<int32_t>{4, 7}));
  EXPECT_NEAR(certain.values[0], 0, 1e-4);
  EXPECT_TRUE(std::isinf(certain.tail));
  const TopkRow alike = there_and_back(row_of({9, 2, 5}, {0.2, 0.2, 0.2}, 0.4), 100);
  EXPECT_EQ(alike.classes.front(), 9);
  for (const float value : alike.values) EXPECT_NEAR(std::exp(value), 0.2, 0.01);
  EXPECT_NEAR(std::exp(alike.tail), 0.4, 1e-3);
  const TopkRow rare = there_and_back(row_of({1, 0}, {1e-8, 1e-9}, 1 - 1.1e-8), 1000);
  EXPECT_EQ(rare.classes.front(), 1);
  EXPECT_NEAR(rare.tail, 0, 1e-4);
}

TEST(TopkCodec, RefusesBadRowsAndBytes) {
  const TopkRow good = row_of({3, 1}, {0.5, 0.25}, 0.25);
  const auto pack = [](const TopkRow& row, int64_t bytes = 10) { return pack_topk(row, 5, bytes); };
  EXPECT_NO_THROW(pack(good));
  EXPECT_THROW(pack(row_of({3, 3}, {0.5, 0.25}, 0.25)), std::invalid_argument);
  EXPECT_THROW(pack(row_of({3, 5}, {0.5, 0.25}, 0.25)), std::invalid_argument);
  EXPECT_THROW(pack(row_of({3, -1}, {0.5, 0.25}, 0.25)), std::invalid_argument);
  EXPECT_THROW(pack(row_of({3, 1}, {1.5, 0.25}, 0.25)), std::invalid_argument);
  EXPECT_THROW(pack(row_of({3, 1}, {std::nan(""), 0.25}, 0.25)), std::invalid_argument);
  EXPECT_THROW(pack(row_of({}, {}, 1)), std::invalid_argument);
  EXPECT_THROW(pack(good, 2), std::invalid_argument);
  EXPECT_THROW(unpack_topk("", 2, 5), DataError);
  std::mt19937_64 random(2);
  for (int i = 0; i < 2000; ++i) {  // any bytes: a row, or refused
    std::string bytes(20, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    try {
      const TopkRow row = unpack_topk(bytes, 3, 100);
      EXPECT_EQ(std::set<int32_t>(row.classes.begin(), row.classes.end()).size(), 3u);
      for (const int32_t id : row.classes) EXPECT_TRUE(id >= 0 && id < 100);
    } catch (const DataError&) {
    }
  }
}

}  // namespace
}  // namespace retort
