#include "retort/base/safetensors.h"

#include <fstream>

#include "retort/base/file.h"
#include "retort/base/random.h"
#include "tests/support.h"

namespace retort {
namespace {

std::string pack(const std::string& header, const std::string& data = "") {
  std::string out;
  for (int i = 0; i < 8; ++i) out.push_back(char(uint64_t(header.size()) >> (8 * i)));
  return out + header + data;
}

TensorMap every_kind() {
  TensorMap tensors;
  for (auto type : {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16, at::kLong, at::kInt, at::kShort, at::kChar, at::kByte, at::kBool})
    tensors[at::toString(type)] = at::arange(6).sub(type == at::kByte ? 0 : 2).reshape({2, 3}).to(type);
  tensors["scalar"] = at::scalar_tensor(2.5);
  tensors["empty"] = at::empty({0, 4});
  tensors["strided"] = at::arange(6.0).reshape({2, 3}).t();
  tensors["ünïcode \"name\""] = at::ones({1});
  return tensors;
}

void expect_same(const TensorMap& a, const TensorMap& b) {
  ASSERT_EQ(a.size(), b.size());
  for (auto& [name, tensor] : a) {
    ASSERT_TRUE(b.count(name)) << name;
    EXPECT_EQ(tensor.scalar_type(), b.at(name).scalar_type()) << name;
    EXPECT_TRUE(at::equal(tensor, b.at(name))) << name;
  }
}

TEST(Safetensors, EveryKindComesBackAsItWas) {
  Scratch scratch;
  const TensorMap tensors = every_kind();
  write_safetensors(scratch.file("a.safetensors"), tensors, {{"note", "hä?"}});
  const SafetensorsFile file = read_safetensors(scratch.file("a.safetensors"));
  expect_same(tensors, file.tensors);
  EXPECT_EQ(file.metadata, (std::map<std::string, std::string>{{"note", "hä?"}}));
  expect_same(tensors, parse_safetensors(serialise_safetensors(tensors), "x").tensors);
  EXPECT_TRUE(parse_safetensors(serialise_safetensors({}), "x").tensors.empty());
}

TEST(Safetensors, WritesTheBytesOfTheFormat) {
  const std::string header = R"({"a":{"data_offsets":[0,4],"dtype":"I16","shape":[2]},"b":{"data_offsets":[4,5],"dtype":"U8","shape":[]}})";
  const std::string padded = header + std::string((8 - header.size() % 8) % 8, ' ');
  const std::string bytes = serialise_safetensors({{"b", at::scalar_tensor(7, at::kByte)}, {"a", torch::tensor({1, 258}, at::kShort)}});
  EXPECT_EQ(bytes, pack(padded, std::string("\x01\x00\x02\x01\x07", 5)));
}

TEST(Safetensors, NaNsAndInfinitiesKeepTheirBits) {
  Tensor odd = torch::tensor({NAN, INFINITY, -INFINITY, -0.0f});
  Tensor back = parse_safetensors(serialise_safetensors({{"x", odd}}), "x").tensors.at("x");
  EXPECT_EQ(std::memcmp(odd.data_ptr(), back.data_ptr(), 16), 0);
}

TEST(Safetensors, RefusesATypeThatTheFormatDoesNotKnow) {
  EXPECT_NE(caught<DataError>([] {
              serialise_safetensors({{"z", at::zeros({1}, at::kComplexFloat)}});
            }).line.find("tensor 'z' cannot be stored"),
            std::string::npos);
}

struct Hostile {
  const char* header;
  const char* says;
};

TEST(Safetensors, RefusesHostileHeaders) {
  const Hostile cases[] = {
      {"", "expected the header's '{'"},
      {"[]", "expected the header's '{'"},
      {"{", "not a JSON object"},
      {"{\"a\":1}x", "not a JSON object"},
      {"{\"\xff\":1}", "not a JSON object"},
      {R"({"a":1})", "has no dtype"},
      {R"({"a":{}})", "has no dtype"},
      {R"({"a":{"dtype":"F32"}})", "has no shape"},
      {R"({"a":{"dtype":"F32","shape":[1]}})", "has no data_offsets"},
      {R"({"a":{"dtype":3,"shape":[1],"data_offsets":[0,4]}})", "dtype is not a text"},
      {R"({"a":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}})", "dtype '\"F8_E4M3\"' is not supported"},
      {R"({"a":{"dtype":"F32","shape":"1","data_offsets":[0,4]}})", "shape is not a list"},
      {R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", "whole numbers >= 0"},
      {R"({"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}})", "whole numbers >= 0"},
      {R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}})", "overflows"},
      {R"({"a":{"dtype":"F32","shape":[0,9223372036854775807],"data_offsets":[0,0]}})", "overflows"},
      {R"({"a":{"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,4]}})", "overflows"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", "not two whole numbers"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}})", "not two whole numbers"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", "do not lie in the 4 bytes"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", "do not lie in the 4 bytes"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[18446744073709551612,0]}})", "do not lie in the 4 bytes"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", "4 bytes of data, expected 8"},
      {R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})",
       "inside the data of another"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})", "leaving a hole"},
      {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", "its tensors cover 2"},
      {R"({})", "its tensors cover 0"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"a":{"dtype":"I8","shape":[4],"data_offsets":[0,4]}})", "is there twice"},
      {R"({"__metadata__":3,"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", "__metadata__ is not an object"},
      {R"({"__metadata__":{"k":3},"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", "metadata '\"k\"' is not a text"},
      {R"({"a":{"dtype":"BOOL","shape":[4],"data_offsets":[0,4]}})", "a BOOL is 0 or 1"},
  };
  Scratch scratch;
  for (const Hostile& hostile : cases) {
    const std::string bytes = pack(hostile.header, "abcd");
    const Caught parsed = caught<DataError>([&] { parse_safetensors(bytes, "w"); });
    EXPECT_EQ(parsed.line.find("w: not a valid safetensors file: "), 0u) << hostile.header;
    EXPECT_NE(parsed.line.find(hostile.says), std::string::npos) << hostile.header << "\n" << parsed.line;
    write_file(scratch.file("w"), bytes);
    EXPECT_NE(caught<DataError>([&] { read_safetensors(scratch.file("w")); }).line.find(hostile.says), std::string::npos);
  }
}

TEST(Safetensors, RefusesImpossibleLengths) {
  auto with_length = [](uint64_t length) {
    std::string bytes = pack("{}");
    for (int i = 0; i < 8; ++i) bytes[size_t(i)] = char(length >> (8 * i));
    return bytes;
  };
  EXPECT_NE(caught<DataError>([] { parse_safetensors("1234567", "w"); }).line.find("7 bytes, expected at least 8"), std::string::npos);
  EXPECT_NE(caught<DataError>([&] { parse_safetensors(with_length(3), "w"); }).line.find("header of 3 bytes at byte 0, but only 2 follow"),
            std::string::npos);
  EXPECT_NE(caught<DataError>([&] { parse_safetensors(with_length(100'000'001), "w"); }).line.find("at most 100000000"), std::string::npos);
  EXPECT_NE(caught<DataError>([&] { parse_safetensors(with_length(~uint64_t(0)), "w"); }).line.find("at most 100000000"),
            std::string::npos);
}

TEST(Safetensors, EveryTruncationIsRefused) {
  Scratch scratch;
  const std::string whole = serialise_safetensors(every_kind());
  for (size_t size = 0; size < whole.size(); size += size < 40 || size > whole.size() - 40 ? 1 : 37) {
    EXPECT_FALSE(caught<DataError>([&] { parse_safetensors(whole.substr(0, size), "w"); }).line.empty()) << size;
    write_file(scratch.file("w"), whole.substr(0, size));
    EXPECT_FALSE(caught<DataError>([&] { read_safetensors(scratch.file("w")); }).line.empty()) << size;
  }
}

TEST(Safetensors, RandomDamageIsRefusedOrHarmless) {
  const std::string whole = serialise_safetensors(every_kind());
  Dice dice(Seed(1).stream("damage"));
  int refused = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string bytes = whole;
    for (int64_t hits = 1 + dice.below(3); hits > 0; --hits) bytes[size_t(dice.below(900))] = char(dice.next());
    try {
      for (auto& [name, tensor] : parse_safetensors(bytes, "w").tensors) tensor.sum();
    } catch (const DataError& error) {
      ++refused;
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    }
  }
  EXPECT_GT(refused, 2000);
}

TEST(Safetensors, DeepNestingIsRefused) {
  const std::string deep = "{\"a\":" + std::string(200000, '[') + std::string(200000, ']') + "}";
  EXPECT_FALSE(caught<DataError>([&] { parse_safetensors(pack(deep), "w"); }).line.empty());
}

TEST(Safetensors, AMissingFileIsADataError) {
  EXPECT_EQ(caught<DataError>([] { read_safetensors("/nowhere/w"); }).line, "/nowhere/w: cannot be read: No such file or directory");
  EXPECT_NE(caught<DataError>([] { read_safetensors("/tmp"); }).line.find("it is a folder"), std::string::npos);
}

}  // namespace
}  // namespace retort
