// What the page of an audit says in sentences.
#pragma once

#include "retort/methods/audit/findings.h"

namespace retort::audit {

const std::string& name_of(const Findings& found, int64_t feature);
// How much a feature's curve moves: the deviation of its values over the rows; and the features by how much they move the score.
double movement(const Findings& found, const AdditiveModel& model, int64_t feature);
std::vector<int64_t> by_movement(const Findings& found);
// An opaque student mimics the score more than 5 % better.
bool opaque_is_better(const Findings& found);

std::string what_it_uses(const Findings& found);
std::vector<std::string> where_it_parts(const Findings& found);
std::string about_missing(const Findings& found);
std::string how_far_to_trust(const Findings& found);

}  // namespace retort::audit
