#include "retort/nets/packed_model.h"

#include <cstring>

#include "retort/base/bits.h"
#include "retort/base/file.h"
#include "tests/nets/support.h"

namespace retort {
namespace {

InputSpec digits_like() {
  InputSpec spec;
  spec.shape = {1, 8, 8};
  spec.classes = {"zero", "one", "two"};
  return spec;
}

std::map<std::string, Quantised> matrices(const Net& net, int64_t levels, int64_t bucket, bool points = false) {
  std::map<std::string, Quantised> all;
  for (size_t i = 0; i < net.params().size(); ++i) {
    const Tensor& weight = net.params()[i];
    if (weight.dim() < 2) continue;
    all[net.param_names()[i]] = points ? quantise_on_points(
                                             weight, percentile_points(to_unit(weight, bucket_scale(weight, bucket)), levels), bucket)
                                       : quantise_uniform(weight, levels, bucket);
  }
  return all;
}

std::string with_checksum(std::string bytes) {
  bytes.resize(bytes.size() - 4);
  const uint32_t check = crc32_of(bytes);
  return bytes.append(reinterpret_cast<const char*>(&check), 4);
}

TEST(PackedModel, EveryWidthCodingAndNetComesBackBitForBit) {
  for (const std::string name : {"mlp-12", "cnn-4-6", "resnet8x0.25"}) {
    Net net = make_net(name, {1, 8, 8}, 3, Seed(1));
    perturb(net);
    for (const int64_t levels : {2, 3, 4, 16, 256}) {
      for (const Coding coding : {Coding::bits, Coding::huffman, Coding::smaller}) {
        for (const bool points : {false, true}) {
          const auto quantised = matrices(net, levels, 32, points);
          const PackedModel packed = pack_model(net, digits_like(), quantised, coding);
          const Model back = parse_packed(packed.bytes, "x.packed");
          const TensorMap tensors = back.net.named_tensors();
          for (const auto& [entry, value] : net.named_tensors()) {
            const auto q = quantised.find(entry);
            EXPECT_TRUE(tensors.at(entry).equal(q == quantised.end() ? value : q->second.values()))
                << name << " " << entry << " " << levels;
          }
          EXPECT_EQ(back.input.classes, digits_like().classes);
        }
      }
    }
  }
}

TEST(PackedModel, SizeIsThePapersPlusTheHeader) {
  const Net net = make_net("mlp-16", {1, 8, 8}, 3, Seed(1));
  const PackedModel packed = pack_model(net, digits_like(), matrices(net, 4, 64), Coding::bits);
  // 64*16 + 16*3 weights of 2 bits, 16 + 1 buckets of 64 bits, 19 biases of 32 bits.
  EXPECT_EQ(packed.formula_bits, 2 * (1024 + 48) + 64 * (16 + 1) + 32 * 19);
  uint32_t header = 0;
  std::memcpy(&header, packed.bytes.data() + 12, 4);
  EXPECT_EQ(static_cast<int64_t>(packed.bytes.size()), 16 + header + packed.formula_bits / 8 + 4);
  const PackedModel learnt = pack_model(net, digits_like(), matrices(net, 4, 64, /*points=*/true), Coding::bits);
  EXPECT_EQ(learnt.formula_bits, packed.formula_bits + 32 * 2 * 4);
}

TEST(PackedModel, TakesTheSmallerCoding) {
  Net net = make_net("mlp-64", {1, 8, 8}, 3, Seed(1));
  {
    const at::NoGradGuard no_grad;
    Tensor weight = net.params()[0];
    weight.mul_(weight.abs() > 0.1);  // most weights are then near the middle of 16 levels
  }
  const auto quantised = matrices(net, 16, 0);
  const auto bits = pack_model(net, digits_like(), quantised, Coding::bits),
             huffman = pack_model(net, digits_like(), quantised, Coding::huffman),
             smaller = pack_model(net, digits_like(), quantised, Coding::smaller);
  EXPECT_LT(huffman.bytes.size(), bits.bytes.size());
  EXPECT_LE(smaller.bytes.size(), huffman.bytes.size());
  EXPECT_LT(smaller.tensors[0].mean_bits, 4);
  EXPECT_EQ(smaller.tensors[0].coding, "huffman");
}

TEST(PackedModel, IsFoundInARunFolder) {
  Scratch scratch;
  const Net net = make_net("mlp-4", {1, 8, 8}, 3, Seed(1));
  write_file(scratch.file("student.packed"), pack_model(net, digits_like(), matrices(net, 2, 16), Coding::smaller).bytes);
  EXPECT_EQ(load_model(scratch.path()).net.spec()["arch"], "mlp-4");
  EXPECT_EQ(load_model(scratch.file("student.packed")).net.spec()["arch"], "mlp-4");
  EXPECT_EQ(load_model(scratch.file("student")).net.spec()["arch"], "mlp-4");
}

TEST(PackedModel, RefusesEveryDamage) {
  const Net net = make_net("mlp-4", {1, 8, 8}, 3, Seed(1));
  const std::string whole = pack_model(net, digits_like(), matrices(net, 4, 16, /*points=*/true), Coding::huffman).bytes;
  const auto refused = [](const std::string& bytes) { return caught<DataError>([&] { parse_packed(bytes, "x.packed"); }).line; };
  EXPECT_EQ(refused(""), "x.packed: not a whole packed model: it does not begin with RETORTPK");
  EXPECT_EQ(refused("RETORTPK"), "x.packed: not a whole packed model: 8 bytes, expected at least 20");
  for (size_t length = 20; length < whole.size(); length += 37)
    EXPECT_NE(refused(whole.substr(0, length)).find("its checksum differs"), std::string::npos);
  for (size_t at = 12; at < whole.size(); at += 29) {
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ 4);
    EXPECT_NE(refused(flipped).find("its checksum differs"), std::string::npos) << at;
  }
  EXPECT_NE(refused(with_checksum(whole + "more")).find("bytes follow the last tensor"), std::string::npos);
  EXPECT_NE(refused(with_checksum(whole.substr(0, whole.size() - 20))).find("not a whole packed model"), std::string::npos);
  std::string version = whole;
  version[8] = 9;
  EXPECT_EQ(refused(version), "x.packed: not a whole packed model: version 9, expected 1");
}

// Whatever a byte says, a file with a checksum that fits is read or refused: never a crash.
TEST(PackedModel, SurvivesForgedBytes) {
  const Net net = make_net("mlp-4", {1, 8, 8}, 3, Seed(1));
  const std::string whole = pack_model(net, digits_like(), matrices(net, 4, 16, /*points=*/true), Coding::huffman).bytes;
  int64_t refused = 0;
  for (size_t at = 12; at < whole.size() - 4; ++at) {
    for (const char bit : {1, 64}) {
      std::string forged = whole;
      forged[at] = static_cast<char>(forged[at] ^ bit);
      try {
        parse_packed(with_checksum(forged), "x.packed");
      } catch (const DataError& error) {
        ++refused;
        EXPECT_EQ(std::string(error.what()).rfind("x.packed: ", 0), 0u) << error.what();
      }
    }
  }
  EXPECT_GT(refused, 100);
}

TEST(PackedModel, RefusesTensorsThatTheNetDoesNotHave) {
  const Net net = make_net("mlp-4", {1, 8, 8}, 3, Seed(1)), other = make_net("mlp-6", {1, 8, 8}, 3, Seed(1));
  auto named = matrices(net, 4, 16);
  named["fc9.weight"] = named.begin()->second;
  EXPECT_EQ(caught<ConfigError>([&] { pack_model(net, digits_like(), named, Coding::bits); }).line,
            "pack_model: the net has no tensor 'fc9.weight'");
  EXPECT_EQ(caught<ConfigError>([&] { pack_model(net, digits_like(), matrices(other, 4, 16), Coding::bits); }).line,
            "pack_model: tensor 'fc.weight' has another shape in the net");
  EXPECT_EQ(caught<ConfigError>([] { coding_from("zip"); }).line, "no coding is called 'zip'");
}

}  // namespace
}  // namespace retort
