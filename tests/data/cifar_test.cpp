#include "retort/data/cifar.h"

#include "tests/data/support.h"

namespace retort {
namespace {

std::string record(std::initializer_list<int> labels, int value) {
  std::string bytes;
  for (int label : labels) bytes += static_cast<char>(label);
  return bytes + std::string(3072, static_cast<char>(value));
}

TEST(Cifar, ReadsRecords) {
  std::string bytes = record({3}, 7) + record({9}, 200);
  bytes[1 + 1024] = 8;  // first green pixel of the first image
  const Dataset data = parse_cifar(bytes, "x", 1, 10);
  EXPECT_TRUE(data.labels.equal(at::tensor({3, 9}, at::kLong)));
  EXPECT_EQ(data.inputs[0][1][0][0].item<int>(), 8);
  EXPECT_EQ(data.inputs[0][1][0][1].item<int>(), 7);
  EXPECT_EQ(data.inputs[1][2][31][31].item<int>(), 200);
}

TEST(Cifar, TakesTheFineLabelOfCifar100) { EXPECT_EQ(parse_cifar(record({19, 99}, 0), "x", 2, 100).labels[0].item<int64_t>(), 99); }

TEST(Cifar, RefusesDamage) {
  const std::string one = record({3}, 0);
  EXPECT_EQ(line_of<DataError>([&] { parse_cifar(one + one.substr(0, 100), "b.bin", 1, 10); }),
            "b.bin: truncated at offset 3073: expected whole records of 3073 bytes, found 100 bytes after 1 records");
  EXPECT_HAS(line_of<DataError>([&] { parse_cifar("", "b.bin", 1, 10); }), "truncated at offset 0");
  EXPECT_EQ(line_of<DataError>([&] { parse_cifar(one + record({10}, 0), "b.bin", 1, 10); }),
            "b.bin: label out of range at offset 3073: expected 0 to 9, found 10");
}

TEST(Cifar, ReadsAFolder) {
  TemporaryFolder folder;
  EXPECT_FALSE(is_cifar_folder(folder.path()));
  folder.write("data_batch_1.bin", record({1}, 1));
  folder.write("data_batch_2.bin", record({2}, 2));
  folder.write("test_batch.bin", record({3}, 3));
  EXPECT_TRUE(is_cifar_folder(folder.path()));
  const CifarParts parts = read_cifar(folder.path());
  EXPECT_TRUE(parts.train.labels.equal(at::tensor({1, 2}, at::kLong)));
  EXPECT_TRUE(parts.test.ids.equal(at::tensor({2}, at::kLong)));
  folder.write("batches.meta.txt", "one\ntwo\n");
  EXPECT_EQ(line_of<DataError>([&] { read_cifar(folder.path()); }),
            folder.path("batches.meta.txt") + ": expected 10 class names, one a line, found 2");
}

}  // namespace
}  // namespace retort
