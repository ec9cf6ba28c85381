#include "retort/base/process_group.h"

#include <cstdlib>

#include <fmt/format.h>

#include "retort/base/error.h"

#if __has_include(<gloo/rendezvous/store.h>)
#ifndef USE_C10D_GLOO
#define USE_C10D_GLOO  // libtorch hides the class behind the macro that it was built with itself
#endif
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#endif

namespace retort {

#ifdef USE_C10D_GLOO
namespace {

// From libtorch 2.4 on the store asks for libuv, which Debian's build leaves out; earlier options do not know it.
template <class Options>
auto without_libuv(Options& options, int) -> decltype(options.useLibUV = false, void()) {
  options.useLibUV = false;
}
template <class Options>
void without_libuv(Options&, long) {}

}  // namespace
#endif

struct ProcessGroup::Body {
  int rank = 0, size = 1;
#ifdef USE_C10D_GLOO
  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo;
#endif
};

namespace {

// A whole number from the environment, or `otherwise` when the variable is unset.
int variable(const char* name, int low, int high, int otherwise) {
  const char* text = std::getenv(name);
  if (!text || !*text) return otherwise;
  char* end = nullptr;
  const long value = std::strtol(text, &end, 10);
  if (*end || value < low || value > high)
    throw ConfigError(fmt::format("{}: expected a whole number from {} to {}, received \"{}\"", name, low, high, text),
                      "torchrun sets RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT");
  return int(value);
}

std::string first_line(const std::exception& error) {
  const std::string what = error.what();
  return what.substr(0, what.find('\n'));
}

#ifdef USE_C10D_GLOO
// A peer that died or never came: libtorch's message, one line, and what to do.
template <class Work>
void complete(const Work& start) {
  try {
    start()->wait();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw ConfigError(fmt::format("process group: a peer is gone: {}", first_line(error)),
                      "look at the other ranks' messages, then start all with --resume");
  }
}
#endif

}  // namespace

ProcessGroup::ProcessGroup() : body_(std::make_shared<Body>()) {}

int ProcessGroup::rank() const { return body_->rank; }
int ProcessGroup::size() const { return body_->size; }

int ProcessGroup::local_rank() { return variable("LOCAL_RANK", 0, 1 << 20, 0); }

#ifdef USE_C10D_GLOO

ProcessGroup ProcessGroup::from_environment(double timeout_seconds) {
  ProcessGroup group;
  const int size = variable("WORLD_SIZE", 1, 1 << 20, 1);
  if (size == 1) return group;
  const int rank = variable("RANK", 0, size - 1, -1);
  const int port = variable("MASTER_PORT", 1, 65535, -1);
  const char* host = std::getenv("MASTER_ADDR");
  if (rank < 0 || port < 0 || !host || !*host)
    throw ConfigError(fmt::format("WORLD_SIZE is {}, but {} is not set", size,
                                  rank < 0   ? "RANK"
                                  : port < 0 ? "MASTER_PORT"
                                             : "MASTER_ADDR"),
                      "start the ranks with torchrun, or set RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT");
  const auto timeout = std::chrono::milliseconds(int64_t(timeout_seconds * 1000));
  try {
    c10d::TCPStoreOptions store_options;
    store_options.port = std::uint16_t(port);
    store_options.isServer = rank == 0;
    store_options.numWorkers = size;
    store_options.timeout = timeout;
    without_libuv(store_options, 0);
    auto store = c10::make_intrusive<c10d::TCPStore>(host, store_options);
    store->setTimeout(timeout);
    auto options = c10d::ProcessGroupGloo::Options::create(timeout);
    const std::string address = host;
    options->devices.push_back(address == "127.0.0.1" || address == "localhost"
                                   ? c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1")
                                   : c10d::ProcessGroupGloo::createDefaultDevice());
    group.body_->gloo = c10::make_intrusive<c10d::ProcessGroupGloo>(store, rank, size, options);
  } catch (const std::exception& error) {
    throw ConfigError(fmt::format("process group: rank {} of {} found no rendezvous at {}:{} within {} s: {}", rank, size, host, port,
                                  timeout_seconds, first_line(error)),
                      "start every rank with the same MASTER_ADDR and MASTER_PORT, and see that the port is free and reachable");
  }
  group.body_->rank = rank;
  group.body_->size = size;
  return group;
}

// Gloo works on host memory: a tensor elsewhere goes over a copy.
void ProcessGroup::all_reduce_mean(Tensor& tensor) const {
  if (size() == 1) return;
  std::vector<Tensor> buffers = {tensor.detach().to(at::kCPU).contiguous()};
  complete([&] { return body_->gloo->allreduce(buffers); });
  buffers[0].div_(size());
  if (!buffers[0].is_same(tensor)) tensor.detach().copy_(buffers[0]);
}

void ProcessGroup::broadcast(Tensor& tensor, int from) const {
  if (size() == 1) return;
  std::vector<Tensor> buffers = {tensor.detach().to(at::kCPU).contiguous()};
  c10d::BroadcastOptions options;
  options.rootRank = from;
  complete([&] { return body_->gloo->broadcast(buffers, options); });
  tensor.detach().copy_(buffers[0]);
}

Tensor ProcessGroup::all_gather(const Tensor& tensor) const {
  if (size() == 1) return tensor;
  std::vector<Tensor> mine = {tensor.detach().to(at::kCPU).contiguous()};
  std::vector<std::vector<Tensor>> all(1);
  for (int i = 0; i < size(); ++i) all[0].push_back(at::empty_like(mine[0]));
  complete([&] { return body_->gloo->allgather(all, mine); });
  return at::cat(all[0]).to(tensor.device());
}

Tensor ProcessGroup::all_gather_rows(const Tensor& tensor) const {
  if (size() == 1) return tensor;
  const Tensor counts = all_gather(at::full({1}, tensor.size(0), at::kLong));
  const int64_t most = counts.max().item<int64_t>();
  std::vector<int64_t> padded_shape = tensor.sizes().vec();
  padded_shape[0] = most;
  Tensor padded = tensor.new_zeros(padded_shape);
  padded.slice(0, 0, tensor.size(0)).copy_(tensor.detach());
  const Tensor all = all_gather(padded);
  std::vector<Tensor> parts;
  for (int i = 0; i < size(); ++i) parts.push_back(all.slice(0, i * most, i * most + counts[i].item<int64_t>()));
  return at::cat(parts);
}

void ProcessGroup::barrier() const {
  if (size() > 1) complete([&] { return body_->gloo->barrier(); });
}

#else

ProcessGroup ProcessGroup::from_environment(double) {
  if (variable("WORLD_SIZE", 1, 1 << 20, 1) > 1)
    throw ConfigError("WORLD_SIZE asks for several processes, but this build has no Gloo", "install libgloo-dev and build again");
  return {};
}
void ProcessGroup::all_reduce_mean(Tensor&) const {}
void ProcessGroup::broadcast(Tensor&, int) const {}
Tensor ProcessGroup::all_gather(const Tensor& tensor) const { return tensor; }
Tensor ProcessGroup::all_gather_rows(const Tensor& tensor) const { return tensor; }
void ProcessGroup::barrier() const {}

#endif

}  // namespace retort
