// Work in child processes: each starts as a copy of this one, works, and leaves what it made in files.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace retort {

struct ChildEnd {
  int exit_code = 0;  // 0, or that of the Error that ended it; 1 for anything else
  std::string line, hint;
};
// Runs work(0) … work(n-1), at most `slots` at once, each in a child of its own, with one thread of tensor operations and quiet; waits for all. An
// interrupt reaches the children too. What they throw comes back as its line and hint. From libtorch 2.6 on, children compute gradients only where this
// process has computed none before.
std::vector<ChildEnd> run_in_children(size_t n, size_t slots, const std::function<void(size_t)>& work);

}  // namespace retort
