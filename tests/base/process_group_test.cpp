#include "retort/base/process_group.h"

#include <fstream>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "retort/base/file.h"
#include "retort/base/run.h"
#include "tests/support.h"

namespace retort {
namespace {

int free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ::bind(socket, reinterpret_cast<sockaddr*>(&address), size);
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(socket);
  return ntohs(address.sin_port);
}

void set_variables(const char* rank, const char* size, int port) {
  ::setenv("RANK", rank, 1);
  ::setenv("WORLD_SIZE", size, 1);
  ::setenv("MASTER_ADDR", "127.0.0.1", 1);
  ::setenv("MASTER_PORT", std::to_string(port).c_str(), 1);
}

void clear_variables() {
  for (const char* name : {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "LOCAL_RANK"}) ::unsetenv(name);
}

// Runs `body(rank)` in two processes of one group; it returns what is wrong, or "". The parent takes no part: it may hold threads.
void in_two_processes(const std::function<std::string(int)>& body) {
  const int port = free_port();
  pid_t children[2];
  for (int rank = 0; rank < 2; ++rank) {
    children[rank] = ::fork();
    if (children[rank] == 0) {
      set_variables(rank ? "1" : "0", "2", port);
      std::string wrong;
      try {
        wrong = body(rank);
      } catch (const std::exception& error) {
        wrong = error.what();
      }
      if (!wrong.empty()) std::fprintf(stderr, "rank %d: %s\n", rank, wrong.c_str());
      ::_exit(wrong.empty() ? 0 : 1);
    }
  }
  for (pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
}

TEST(ProcessGroup, OfOneDoesNothing) {
  clear_variables();
  const ProcessGroup group = ProcessGroup::from_environment();
  EXPECT_EQ(group.size(), 1);
  EXPECT_TRUE(group.leader());
  Tensor x = at::ones({2});
  group.all_reduce_mean(x);
  group.broadcast(x);
  group.barrier();
  EXPECT_TRUE(at::equal(x, at::ones({2})));
  EXPECT_TRUE(at::equal(group.all_gather(x), x));
}

TEST(ProcessGroup, RefusesInconsistentVariables) {
  set_variables("0", "2", 29500);
  ::setenv("RANK", "2", 1);
  EXPECT_EQ(caught<ConfigError>([] { ProcessGroup::from_environment(); }).line,
            "RANK: expected a whole number from 0 to 1, received \"2\"");
  ::unsetenv("RANK");
  EXPECT_EQ(caught<ConfigError>([] { ProcessGroup::from_environment(); }).line, "WORLD_SIZE is 2, but RANK is not set");
  ::setenv("WORLD_SIZE", "two", 1);
  EXPECT_EQ(caught<ConfigError>([] { ProcessGroup::from_environment(); }).line,
            "WORLD_SIZE: expected a whole number from 1 to 1048576, received \"two\"");
  clear_variables();
}

TEST(ProcessGroup, NamesTheAddressWhereNobodyCame) {
  const int port = free_port();
  set_variables("0", "2", port);
  const Caught error = caught<ConfigError>([] { ProcessGroup::from_environment(0.5); });
  EXPECT_NE(error.line.find("rank 0 of 2 found no rendezvous at 127.0.0.1:" + std::to_string(port)), std::string::npos) << error.line;
  EXPECT_EQ(error.line.find('\n'), std::string::npos);
  clear_variables();
}

TEST(ProcessGroup, OfTwoReducesBroadcastsAndGathers) {
  in_two_processes([](int rank) -> std::string {
    const ProcessGroup group = ProcessGroup::from_environment(30);
    if (group.size() != 2 || group.rank() != rank) return "wrong rank or size";
    Tensor mean = torch::tensor({1.0f + float(rank), 10.0f * float(rank)});
    group.all_reduce_mean(mean);
    if (!at::equal(mean, torch::tensor({1.5f, 5.0f}))) return "all_reduce_mean";
    Tensor strided = at::full({2, 3}, double(rank)).t();
    group.all_reduce_mean(strided);
    if (!at::equal(strided, at::full({3, 2}, 0.5))) return "all_reduce_mean of a strided tensor";
    Tensor sent = at::full({3}, rank, at::kLong);
    group.broadcast(sent, 1);
    if (!at::equal(sent, at::ones({3}, at::kLong))) return "broadcast";
    Tensor all = group.all_gather(at::full({1, 2}, rank, at::kLong));
    if (!at::equal(all, torch::tensor({0, 0, 1, 1}, at::kLong).reshape({2, 2}))) return "all_gather";
    Tensor rows = group.all_gather_rows(at::full({rank + 1, 2}, rank, at::kLong));  // one row of the first, two of the second
    if (!at::equal(rows, torch::tensor({0, 0, 1, 1, 1, 1}, at::kLong).reshape({3, 2}))) return "all_gather_rows";
    group.barrier();
    return "";
  });
}

TEST(ProcessGroup, OnlyTheLeaderWrites) {
  Scratch scratch;
  in_two_processes([&](int rank) -> std::string {
    std::filesystem::current_path(scratch.path());
    retort::Run run(Recipe::parse("method = \"ce\"\n", "little.toml"));
    run.open();
    run.log_row({{"rank", rank}});
    run.write("note", std::to_string(rank));
    run.finish();
    run.group.barrier();
    if ((run.folder != nullptr) != (rank == 0)) return "folder on the wrong rank";
    if (read_file(run.file("note")) != "0") return "not the leader's note";  // every rank knows the path
    return "";
  });
}

TEST(ProcessGroup, ALeaderThatCannotOpenStopsTheOthers) {
  Scratch scratch;
  write_file(scratch.file("file"), "x");
  in_two_processes([&](int) -> std::string {
    retort::Run run(Recipe::parse("run.dir = \"" + scratch.file("file/r") + "\"", "little.toml"));
    try {
      run.open();
    } catch (const StorageError&) {
      return "";
    }
    return "no error";
  });
}

}  // namespace
}  // namespace retort
