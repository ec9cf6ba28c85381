#include "retort/teachers/http_teacher.h"

#include <cmath>

#include <gtest/gtest.h>

#include "tests/remote/fault_server.h"
#include "tests/support.h"

namespace retort {
namespace {

using nlohmann::json;
using testing::Asked;
using testing::FaultServer;
using testing::Wire;

EndpointKnobs quick(const FaultServer& server) {
  EndpointKnobs knobs;
  knobs.url = server.url("/classify");
  knobs.cache = "";
  knobs.items = 4;
  knobs.retry_base = 0.002;
  return knobs;
}

// Class 1 with probability x[0].
FaultServer::Handler first_number() {
  return [](const Asked& asked, Wire& wire) {
    json rows = json::array();
    const json body = asked.json();
    for (const auto& input : body["inputs"]) rows.push_back({1 - input[0].get<double>(), input[0]});
    wire.reply(json{{"probs", rows}});
  };
}

Dataset ten() {
  Dataset data;
  data.name = "ten";
  data.inputs = (at::arange(20, at::kFloat) / 20).view({10, 2});  // x[0] = 0, 0.1, …, 0.9
  data.labels = at::zeros({10}, at::kLong);
  data.ids = at::arange(10) + 100;
  data.spec.shape = {2};
  data.spec.classes = {"no", "yes"};
  return data;
}

Wanted all() {
  Wanted wanted;
  wanted.logits = wanted.labels = true;
  return wanted;
}

TEST(HttpTeacher, ProbabilitiesBecomeLogits) {
  FaultServer server(first_number());
  const auto teacher = http_teacher(quick(server), 2);
  const Signals said = teacher->ask(at::arange(2), at::tensor({0.25f, 9.f, 0.f, 9.f}).view({2, 2}), false, all());
  EXPECT_EQ(teacher->access(), Access::logits);
  EXPECT_NEAR(said.logits[0][0].item<float>(), std::log(0.75), 1e-6);
  EXPECT_NEAR(said.logits[0][1].item<float>(), std::log(0.25), 1e-6);
  EXPECT_NEAR(said.logits[1][1].item<float>(), std::log(1e-6 / (1 + 1e-6)), 1e-4);
  EXPECT_EQ(said.labels[0].item<int64_t>(), 0);
}

TEST(HttpTeacher, AsksAboutItsDataSetOnceAndInItsOrder) {
  FaultServer server(first_number());
  const auto teacher = http_teacher(quick(server), 2);
  const Dataset data = ten();
  teacher->serve(data);
  const Tensor rows = at::tensor({7, 1}, at::kLong);
  const Signals said = teacher->ask(data.ids.index_select(0, rows), data.inputs.index_select(0, rows), true, all());
  EXPECT_EQ(server.requests(), 2);  // rows 4-7 and 0-3
  EXPECT_EQ(said.labels[0].item<int64_t>(), 1);
  EXPECT_NEAR(said.logits[1][1].item<float>(), std::log(0.1), 1e-5);
  teacher->ask(data.ids, data.inputs, true, all());
  EXPECT_EQ(server.requests(), 3);
  teacher->ask(data.ids, data.inputs, true, all());
  EXPECT_EQ(server.requests(), 3);
  // Other inputs are asked about as they are.
  teacher->ask(data.ids, data.inputs * 0.5, false, all());
  EXPECT_EQ(server.requests(), 6);
}

TEST(HttpTeacher, Scores) {
  FaultServer server([](const Asked&, Wire& wire) { wire.reply(json{{"scores", {{-3.0, 5.0}}}}); });
  const auto teacher = http_teacher(quick(server), 2);
  EXPECT_TRUE(at::equal(teacher->ask(at::arange(1), at::zeros({1, 2}), false, all()).logits, at::tensor({-3.f, 5.f}).view({1, 2})));
}

TEST(HttpTeacher, LabelsShowTheDecisionOnly) {
  FaultServer server([](const Asked& asked, Wire& wire) {
    wire.reply(json{{"labels", std::vector<int>(asked.json()["inputs"].size(), 1)}});
  });
  const auto teacher = http_teacher(quick(server), 2, Access::logits, at::zeros({1, 2}));
  EXPECT_EQ(teacher->access(), Access::hard_labels);
  Wanted labels;
  labels.labels = true;
  EXPECT_TRUE(at::equal(teacher->ask(at::arange(3), at::zeros({3, 2}), false, labels).labels, at::ones({3}, at::kLong)));
  EXPECT_NE(caught<AccessError>([&] {
              teacher->ask(at::arange(3), at::zeros({3, 2}), false, all());
            }).line.find("answers with labels) shows hard_labels"),
            std::string::npos);
}

TEST(HttpTeacher, ShowsNoMoreThanItMay) {
  FaultServer server(first_number());
  const auto teacher = http_teacher(quick(server), 2, Access::hard_labels);
  EXPECT_THROW(teacher->ask(at::arange(1), at::zeros({1, 2}), false, all()), AccessError);
  Wanted labels;
  labels.labels = true;
  EXPECT_FALSE(teacher->ask(at::arange(1), at::zeros({1, 2}), false, labels).logits.defined());
  EXPECT_THROW(http_teacher(quick(server), 2, Access::weights), ConfigError);
}

TEST(HttpTeacher, OtherClasses) {
  FaultServer server(first_number());
  EXPECT_EQ(caught<TeacherError>([&] {
              http_teacher(quick(server), 3, Access::logits, at::zeros({1, 2}));
            }).line,
            server.url("/classify") + ": answers with 2 values an input; the data have 3 classes");
  FaultServer labels([](const Asked&, Wire& wire) { wire.reply(json{{"labels", {5}}}); });
  EXPECT_EQ(caught<TeacherError>([&] {
              http_teacher(quick(labels), 3, Access::logits, at::zeros({1, 2}));
            }).line,
            labels.url("/classify") + ": answers with the label 5; the data have 3 classes");
}

TEST(HttpTeacher, AnotherKindOfAnswer) {
  FaultServer server([](const Asked& asked, Wire& wire) {
    wire.reply(asked.number == 0 ? json{{"labels", {1}}} : json{{"scores", {{1.0, 2.0}}}});
  });
  const auto teacher = http_teacher(quick(server), 2, Access::logits, at::zeros({1, 2}));
  Wanted labels;
  labels.labels = true;
  EXPECT_NE(caught<TeacherError>([&] {
              teacher->ask(at::arange(1), at::ones({1, 2}), false, labels);
            }).line.find("answered with labels first and now with scores"),
            std::string::npos);
}

}  // namespace
}  // namespace retort
