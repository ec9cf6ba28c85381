// The tables that golden_bindings() joins, one a group of methods.
#pragma once

#include "retort/catalogue/golden.h"

namespace retort {

using GoldenTable = std::map<std::string, GoldenBinding>;

GoldenTable logit_bindings();
GoldenTable compress_bindings();
GoldenTable search_bindings();
GoldenTable feature_bindings();
GoldenTable teacher_bindings();
GoldenTable audit_bindings();
GoldenTable blackbox_bindings();

}  // namespace retort
