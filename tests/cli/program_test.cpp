#include "program.h"

#include <csignal>
#include <cstdlib>
#include <fstream>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "retort/base/file.h"
#include "retort/base/recipe.h"
#include "tests/places.h"

namespace retort {

Program::Program(const std::vector<std::string>& words, const std::string& prelude) {
  static int count = 0;
  const std::string stem = testing::TempDir() + "retort-program-" + std::to_string(getpid()) + "-" + std::to_string(++count);
  out_path_ = stem + ".out";
  err_path_ = stem + ".err";
  for (const std::string& path : {out_path_, err_path_}) std::ofstream{path};  // a kill may come before the child has opened them
  process_ = fork();
  if (process_ != 0) return;
  setpgid(0, 0);
  dup2(open(out_path_.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600), 1);
  dup2(open(err_path_.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600), 2);
  const std::string script = prelude + (prelude.empty() ? "" : "; ") + "exec \"$@\"";
  const std::string program = program_path();
  std::vector<const char*> list = {"bash", "-c", script.c_str(), "retort", program.c_str()};
  for (const std::string& word : words) list.push_back(word.c_str());
  list.push_back(nullptr);
  execvp("bash", const_cast<char* const*>(list.data()));
  _exit(127);
}

void Program::send(int signal) const { kill(process_, signal); }

std::string Program::printed() const { return file_exists(out_path_) ? read_file(out_path_) : ""; }

Ended Program::wait() {
  int status = 0;
  waitpid(process_, &status, 0);
  Ended ended{WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status), read_file(out_path_), read_file(err_path_)};
  std::filesystem::remove(out_path_);
  std::filesystem::remove(err_path_);
  return ended;
}

void expect_refused(const Ended& ended, int code, const std::vector<std::string>& parts) {
  EXPECT_EQ(ended.code, code) << ended.err;
  EXPECT_EQ(ended.out, "");
  const size_t first = ended.err.find('\n'), second = first == std::string::npos ? first : ended.err.find('\n', first + 1);
  EXPECT_EQ(ended.err.rfind("error: ", 0), 0u) << ended.err;
  EXPECT_EQ(ended.err.compare(first + 1, 6, "hint: "), 0) << ended.err;
  EXPECT_EQ(second + 1, ended.err.size()) << "more than two lines:\n" << ended.err;
  for (const std::string& part : parts) EXPECT_NE(ended.err.find(part), std::string::npos) << "no \"" << part << "\" in\n" << ended.err;
}

void Folder::SetUp() {
  folder = std::filesystem::path(testing::TempDir()) / ("retort-cli-" + std::to_string(getpid()));
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
}

void Folder::TearDown() { std::filesystem::remove_all(folder); }

std::string Folder::tiny_recipe(const std::string& name, const std::vector<std::string>& sets) const {
  Recipe recipe = Recipe::parse(
      "method = \"ce\"\n[run]\nlatency = false\ncache = \"\"\n[data]\nsource = \"digits\"\ntrain = 100\ntest = 100\n[student]\nnet = "
      "\"mlp-8\"\n[train]\nepochs = 2\n",
      name);
  for (const std::string& set : sets) recipe.set(set);
  write_file(path(name), recipe.take(""));
  return path(name);
}

}  // namespace retort
