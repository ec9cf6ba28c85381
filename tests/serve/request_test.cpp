#include "retort/serve/request.h"

#include <cmath>
#include <cstring>

#include <gtest/gtest.h>

namespace retort {
namespace {

std::string refusal(const std::string& body, const std::vector<int64_t>& shape = {2}, int64_t most = 8) {
  try {
    parse_inputs(body, shape, most);
  } catch (const RequestError& error) {
    return error.what();
  }
  return "taken";
}

std::vector<float> numbers(const std::string& body, const std::vector<int64_t>& shape = {2}) {
  return parse_inputs(body, shape, 8).numbers;
}

TEST(Request, ReadsRows) {
  const InputRequest request = parse_inputs(" { \"model\" : \"trees\",\n\"inputs\":[[1, -2.5e-1],[3e2 ,0]] , \"raw\":true} ", {2}, 8);
  EXPECT_EQ(request.numbers, (std::vector<float>{1, -0.25f, 300, 0}));
  EXPECT_EQ(request.rows, 2);
  EXPECT_TRUE(request.raw);
  EXPECT_EQ(request.model, "trees");
}

TEST(Request, ReadsNestedAndFlatAlike) {
  const std::vector<float> all = {1, 2, 3, 4, 5, 6, 7, 8};
  EXPECT_EQ(numbers("{\"inputs\":[[[[1,2],[3,4]],[[5,6],[7,8]]]]}", {2, 2, 2}), all);
  EXPECT_EQ(numbers("{\"input\":[[1,2,3,4,5,6,7,8]]}", {2, 2, 2}), all);
}

TEST(Request, ReadsEveryFloatBack) {
  std::string body = "{\"inputs\":[[";
  std::vector<float> all;
  uint32_t state = 1;
  for (int i = 0; i < 2000; ++i) {
    state = state * 1664525 + 1013904223;
    float value = 0;
    std::memcpy(&value, &state, 4);
    if (!std::isfinite(value)) value = 0.5f;
    all.push_back(value);
    char text[40];
    std::snprintf(text, sizeof text, "%s%.9g", i ? "," : "", static_cast<double>(value));
    body += text;
  }
  EXPECT_EQ(numbers(body + "]]}", {2000}), all);
  EXPECT_EQ(numbers("{\"inputs\":[[1e-60,-1e-400]]}"), (std::vector<float>{0, -0.0f}));
}

TEST(Request, SaysWhatIsWrong) {
  EXPECT_EQ(refusal("{\"inputs\":[[1,2],[3]]}"), "inputs[1]: expected 2 numbers (inputs have the shape [2]), found 1");
  EXPECT_EQ(refusal("{\"inputs\":[[1,2,3]]}"), "inputs[0]: expected 2 numbers (inputs have the shape [2]), found more");
  EXPECT_EQ(refusal("{\"inputs\":[[[1,2],[3]]]}", {2, 2}), "inputs[0][1]: expected 2 numbers (inputs have the shape [2, 2]), found 1");
  EXPECT_EQ(refusal("{\"inputs\":[[[1,2]]]}", {2, 2}), "inputs[0]: expected 2 lists, found 1");
  EXPECT_EQ(refusal("{\"inputs\":[[1,NaN]]}"), "inputs[0][1] (byte 14) is not a number");
  EXPECT_EQ(refusal("{\"inputs\":[[1,null]]}"), "inputs[0][1] (byte 14) is not a number");
  EXPECT_EQ(refusal("{\"inputs\":[[1,1e39]]}"), "inputs[0][1] is beyond float32");
  EXPECT_EQ(refusal("{\"inputs\":[[1,1e999]]}"), "inputs[0][1] is beyond float32");
  EXPECT_EQ(refusal("{\"inputs\":[]}"), "\"inputs\" is empty");
  EXPECT_EQ(refusal("{}"), "\"inputs\" is missing: {\"inputs\": [[…], …]}");
  EXPECT_EQ(refusal("{\"inputs\":[1,2]}"), "\"inputs\" holds a list of numbers for each input: [[…]] for one");
  EXPECT_EQ(refusal("{\"inputs\":[[1,2],[1,2],[1,2]]}", {2}, 2), "more than 2 inputs in one request; send them in parts");
  EXPECT_EQ(refusal("{\"input\":\"a text\"}"), "this model reads numbers, not texts: inputs of shape [2]");
  EXPECT_NE(refusal("{\"inputs\":[[1,2]],\"logit_bias\":{}}").find("logit_bias"), std::string::npos);
  EXPECT_NE(refusal("{\"inptus\":[[1,2]]}").find("unknown key \"inptus\""), std::string::npos);
  EXPECT_EQ(refusal("{\"inputs\":[[1,2]],\"inputs\":[[1,2]]}"), "\"inputs\" is given twice");
}

TEST(Request, RefusesWhatIsNoJson) {
  for (const char* body : {"",
                           " ",
                           "[",
                           "{",
                           "{\"inputs\"",
                           "{\"inputs\":",
                           "{\"inputs\":[[1,2]",
                           "{\"inputs\":[[1,2]]",
                           "{\"inputs\":[[1,2]]}x",
                           "{\"inputs\":[[1 2]]}",
                           "{\"inputs\":[[1,]]}",
                           "{\"inputs\":[[01,2]]}",
                           "{\"inputs\":[[1.,2]]}",
                           "{\"inputs\":[[.5,2]]}",
                           "{\"inputs\":[[+1,2]]}",
                           "{\"inputs\":[[1,2],]}",
                           "{\"inputs\":[[1,2]],}",
                           "{\"inputs\":[[1e,2]]}",
                           "{\"inputs\":[[--1,2]]}",
                           "{\"inputs\":[[0x10,2]]}",
                           "{\"model\":\"\\u12\"}",
                           "{\"model\":\"\n\"}",
                           "<html>"})
    EXPECT_NE(refusal(body), "taken") << body;
  EXPECT_EQ(refusal("{\"inputs\":[[1,2]"), "malformed JSON at byte 16: it ends too early; ',' or ']' is expected");
  EXPECT_NE(refusal(std::string(100000, '[')), "taken");
}

TEST(Request, ReadsBytes) {
  // 1 and -2 as float32, little-endian: 0000803f 000000c0.
  EXPECT_EQ(numbers("{\"inputs_base64\":\"AACAPwAAAMA=\",\"shape\":[1,2]}"), (std::vector<float>{1, -2}));
  const InputRequest pixels = parse_inputs("{\"shape\":[2,2],\"dtype\":\"uint8\",\"inputs_base64\":\"AAH+/w==\"}", {2}, 8);
  EXPECT_EQ(pixels.numbers, (std::vector<float>{0, 1, 254, 255}));
  EXPECT_TRUE(pixels.raw);
  EXPECT_EQ(refusal("{\"inputs_base64\":\"AACAPwAAAMA=\",\"shape\":[2,2]}"), "\"inputs_base64\" holds 8 bytes; float32 of [2, 2] take 16");
  EXPECT_EQ(refusal("{\"inputs_base64\":\"AACAPwAAAMA=\",\"shape\":[1,3]}"), "\"shape\" is [1, 3]; expected [1, 2]");
  EXPECT_EQ(refusal("{\"inputs_base64\":\"AAC!PwAAAMA=\",\"shape\":[1,2]}"), "\"inputs_base64\" is not base64");
  EXPECT_EQ(refusal("{\"inputs_base64\":\"AADAfwAAAMA=\",\"shape\":[1,2]}"), "inputs[0][0] is not a finite number");  // a NaN
  EXPECT_EQ(refusal("{\"inputs_base64\":\"AACAPwAAAMA=\"}"), "\"inputs_base64\" needs \"shape\", such as [1, 2]");
  EXPECT_NE(refusal("{\"inputs_base64\":\"AACAPwAAAMA=\",\"shape\":[4294967296,4294967296,4294967296]}"), "taken");
}

TEST(Request, PreparesAsTrainingDid) {
  InputSpec spec;
  spec.shape = {2, 2, 2};
  spec.mean = {0.25, 0.5};
  spec.deviation = {0.5, 0.125};
  const Tensor pixels = at::randint(0, 256, {3, 2, 2, 2}, at::kByte);
  const Tensor values = pixels.to(at::kFloat).contiguous();
  std::vector<float> raw(values.data_ptr<float>(), values.data_ptr<float>() + values.numel());
  prepare_raw(raw, spec);
  EXPECT_TRUE(at::from_blob(raw.data(), {3, 2, 2, 2}, at::kFloat).equal(prepare(pixels, spec)));
  raw[5] = 256;
  EXPECT_THROW(prepare_raw(raw, spec), RequestError);

  InputSpec points;
  points.shape = {2};
  points.mean = {1, 2};
  points.deviation = {2, 4};
  std::vector<float> point = {3, 10, 1, 2};
  prepare_raw(point, points);
  EXPECT_EQ(point, (std::vector<float>{1, 2, 0, 0}));
}

}  // namespace
}  // namespace retort
