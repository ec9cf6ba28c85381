// A small finished run, as the classification skeleton writes one.
#pragma once

#include <string>

#include "retort/report/run_view.h"

namespace retort {

inline const char* const kTinyPng =  // 2 x 3 pixels; only its head is looked at
    "iVBORw0KGgoAAAANSUhEUgAAAAIAAAADCAAAAACVSUgRAAAAD0lEQVR4nGNgYGD4DwABBAEAfbLI3wAAAABJRU5ErkJggg==";

inline RunView sample_run(const std::string& name, double accuracy = 96.9) {
  using nlohmann::json;
  const auto column = [](const char* key, const char* unit, const char* better, int digits) {
    return json{{"key", key}, {"title", key}, {"unit", unit}, {"better", better}, {"digits", digits}};
  };
  RunView run;
  run.folder = "runs/" + name;
  run.run = {{"format", 1},
             {"method", "kd.hinton"},
             {"name", name},
             {"status", "finished"},
             {"started", "2026-01-02T03:04:05Z"},
             {"seconds", 27.4},
             {"cpu_seconds", 41.9},
             {"seed", 7},
             {"threads", 2},
             {"versions", {{"retort", "0.1.0"}, {"libtorch", "1.13.0"}}},
             {"recipe_digest", "9f31c02b77d4a8e1"},
             {"data", {{"name", "digits"}, {"train", 1257}, {"validation", 180}, {"test", 360}, {"classes", {"0", "1"}}}},
             {"metrics", {{"accuracy", accuracy}}}};
  run.run["table"] = {
      {"columns",
       {column("accuracy", "%", "higher", 1), column("ece", "%", "lower", 2), column("parameters", "", "lower", 0),
        column("latency_1", "us/image", "lower", 0)}},
      {"rows",
       {{{"name", "teacher"}, {"values", {{"accuracy", 98.0}, {"ece", 1.2}, {"parameters", 72400}, {"latency_1", 60}}}},
        {{"name", "alone"}, {"values", {{"accuracy", 95.3}, {"ece", 2.3}, {"parameters", 1810}, {"latency_1", 20}}}},
        {{"name", "student"}, {"values", {{"accuracy", accuracy}, {"ece", nullptr}, {"parameters", 1810}, {"latency_1", 20}}}}}}};
  run.run["panels"] = {
      {{"kind", "reliability"},
       {"title", "Reliability"},
       {"series",
        {{{"name", "student"},
          {"bins", {{{"confidence", 0.9}, {"accuracy", 0.8}, {"count", 10}}, {{"confidence", 0}, {"accuracy", 0}, {"count", 0}}}}}}}},
      {{"kind", "confusion"}, {"title", "Confusion"}, {"classes", {"zero", "one"}}, {"counts", {{5, 1}, {0, 6}}}},
      {{"kind", "images"}, {"title", "Differences"}, {"items", {{{"png", kTinyPng}, {"caption", "teacher 1\nstudent 7"}}}}}};
  for (int step = 1; step <= 3; ++step) {
    run.metrics.push_back({{"phase", "student"}, {"step", step}, {"epoch", 1}, {"kind", "train"}, {"loss", 1.0 / step}, {"lr", 0.01}});
  }
  run.recipe = "method = \"kd.hinton\"\nseed = 7\n\n[knobs]\ntemperature = 4.0\n";
  return run;
}

}  // namespace retort
