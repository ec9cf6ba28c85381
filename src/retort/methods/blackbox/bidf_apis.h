// The APIs that BiDf-MKD learns from, and the real few-shot tasks that it is judged by.
#pragma once

#include "retort/teachers/counted.h"
#include "retort/train/teacher_source.h"

namespace retort::blackbox {

struct ApiKnobs {
  int64_t apis = 20, ways = 5, test_classes = 12, budget = 0;
  std::vector<std::string> nets = {"mlp-32", "mlp-64", "cnn-8-16"};
  bool turned = false;
  void describe(Knobs& knobs);
};

struct Api {
  std::unique_ptr<Teacher> teacher;
  std::unique_ptr<CountedTeacher> counted;
};

struct ApiWorld {
  Dataset train, test;  // with turned classes where asked for
  std::vector<int64_t> meta_train, meta_test;
  std::vector<Api> apis;
  int64_t calls() const;
};

// Trains (or finds in the cache) knobs.apis classifiers of knobs.ways meta-training classes each, or opens those that [teacher] files name. Throws ConfigError, DataError for APIs of another number of classes or shape of images.
ApiWorld make_apis(Run& run, const ApiKnobs& knobs, const TeacherSource& source, const DataKnobs& data);

}  // namespace retort::blackbox
