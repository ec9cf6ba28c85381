// A method of the catalogue: what it is, what it needs, its knobs, and how it runs.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "retort/train/classifier.h"

namespace retort {

// Facts for `retort methods`, docs and refusals; set by chained calls so that a method file reads like a sentence.
struct MethodInfo {
  explicit MethodInfo(std::string method_id) : id(std::move(method_id)) {}
  std::string id, family, verb = "distill", idea_line, source_line;
  int paper_number = 0;  // of the list of systems; 0 for baselines
  Access needed = Access::none;
  MethodInfo& paper(int number) {
    paper_number = number;
    return *this;
  }
  MethodInfo& needs(Access access) {
    needed = access;
    return *this;
  }
  MethodInfo& idea(std::string line) {
    idea_line = std::move(line);
    return *this;
  }
  MethodInfo& source(std::string line) {
    source_line = std::move(line);
    return *this;
  }  // "Hinton et al. 2015, arXiv 1503.02531"
  MethodInfo& in(std::string family_name) {
    family = std::move(family_name);
    return *this;
  }
};

struct Method {
  MethodInfo info;
  std::function<std::vector<Knob>()> knobs;  // of [knobs], for help and docs
  std::function<void(Run&)> run;             // reads its sections, opens the run, works, concludes
};

// Knobs that only fit together in some ways have a `void check(const Recipe&) const` that throws ConfigError; it runs before anything is opened.
template <class MethodKnobs, class = void>
struct HasCheck : std::false_type {};
template <class MethodKnobs>
struct HasCheck<MethodKnobs, std::void_t<decltype(std::declval<const MethodKnobs&>().check(std::declval<const Recipe&>()))>>
    : std::true_type {};

template <class MethodKnobs>
MethodKnobs read_method_knobs(Run& run) {
  const auto knobs = run.recipe.read<MethodKnobs>("knobs");
  if constexpr (HasCheck<MethodKnobs>::value) knobs.check(run.recipe);
  return knobs;
}

// A method that is one objective on the classification skeleton. MethodKnobs is read from [knobs]; `make` builds the objective.
template <class MethodKnobs>
Method classifier_method(MethodInfo info, std::function<std::unique_ptr<Objective>(const MethodKnobs&)> make) {
  const Access needs = info.needed;
  return Method{std::move(info),
                [] {
                  MethodKnobs section;
                  return knobs_of(section).all();
                },
                [make, needs](Run& run) {
                  const auto knobs = read_method_knobs<MethodKnobs>(run);
                  ClassifierRun classifier = prepare_classifier(run, needs);
                  auto objective = make(knobs);
                  Net student = classifier.make_student(run.seed.stream("student"));
                  classifier.fit("student", student, *objective);
                  classifier.conclude(student);
                }};
}

}  // namespace retort
