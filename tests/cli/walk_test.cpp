// The walk-through of docs/capture.md, as it is written: every `sh` block of its first part, with another port and shorter trainings.
#include <sstream>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "program.h"
#include "retort/base/file.h"
#include "retort/remote/response_cache.h"
#include "retort/teachers/signal_store.h"
#include "tests/places.h"

namespace retort {
namespace {

using nlohmann::json;

std::string replaced(std::string text, const std::string& what, const std::string& with) {
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size())) text.replace(at, what.size(), with);
  return text;
}

int free_port() {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ::bind(listener, reinterpret_cast<sockaddr*>(&address), size);
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(listener);
  return ntohs(address.sin_port);
}

using Walk = Folder;

TEST_F(Walk, OfATeacherBehindAnApi) {
  std::istringstream document(read_file(source_dir() + "/docs/capture.md"));
  std::string script = "set -e\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\nPATH=\"$PWD/bin:$PATH\"\n", line;
  for (bool inside = false; std::getline(document, line) && line != "## The recipe of a capture";) {
    if (line.rfind("```", 0) == 0)
      inside = line == "```sh";
    else if (inside)
      script += line + "\n";
  }
  const std::string port = std::to_string(free_port());
  script = replaced(script, "8399", port);
  script = replaced(script, "retort distill quickstart", "retort distill quickstart --set train.epochs=2");
  std::filesystem::create_directories(folder / "bin");
  std::filesystem::create_symlink(program_path(), folder / "bin" / "retort");
  std::filesystem::create_directories(folder / "recipes");
  write_file(path("recipes/capture.toml"), replaced(read_file(source_dir() + "/recipes/capture.toml"), "8399", port));
  write_file(path("walk.sh"), script);
  const std::string command = "cd '" + folder.string() + "' && bash walk.sh >walk.out 2>walk.err";
  const int ended = std::system(command.c_str());
  ASSERT_EQ(ended, 0) << read_file(path("walk.out")) << read_file(path("walk.err"));

  EXPECT_NE(read_file(path("walk.out")).find("killed"), std::string::npos);
  EXPECT_NE(read_file(path("walk.err")).find("budget \"digits\": calls"), std::string::npos);
  const json captured = json::parse(read_file(path("captured.json")));
  EXPECT_EQ(captured.at("stored"), 1097);
  EXPECT_EQ(captured.at("missing"), 0);
  EXPECT_EQ(SignalStore::open(path("digits.signals"))->count(), 1097);
  const auto ledger = ledger_of_cache(path(".cache/retort/answers.db"));
  ASSERT_EQ(ledger.size(), 1u);
  EXPECT_GE(ledger[0].second.calls, 138);
  EXPECT_LE(ledger[0].second.calls, 138 + 8) << "what was in flight at the kill may be paid twice";
  for (const char* run : {"from-answers", "from-weights"}) EXPECT_TRUE(file_exists(path(std::string("runs/") + run + "/run.json")));
}

}  // namespace
}  // namespace retort
