// Times of the response cache in a file of its own: `bench_cache [folder] [answers]`, best on a machine with nothing else to do. One line a measurement: what, median, 99th percentile, in microseconds.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>

#include <unistd.h>

#include "retort/remote/response_cache.h"

namespace {
using namespace retort;

Answered answer(int64_t number) {
  Answered one;
  one.url = "http://host/v1/chat/completions";
  one.request = {{"model", "m"}, {"messages", {{{"role", "user"}, {"content", "question " + std::to_string(number)}}}}};
  one.reply = {{"choices", {{{"message", {{"content", std::string(500, 'a')}}}, {"finish_reason", "stop"}}}}};
  one.key = request_key(one.url, one.request, 0);
  one.usage = {1, 20, 100, 0};
  return one;
}

template <class Work>
void measure(const char* what, int64_t times, const Work& work) {
  std::vector<double> took;
  for (int64_t i = 0; i < times; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    work(i);
    took.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count());
  }
  std::sort(took.begin(), took.end());
  std::printf("%-28s %9.1f %9.1f\n", what, took[took.size() / 2], took[took.size() * 99 / 100]);
}

}  // namespace

int main(int count, char** words) {
  const std::string path = (count > 1 ? std::string(words[1]) : std::filesystem::temp_directory_path().string()) + "/bench-" +
                           std::to_string(::getpid()) + ".db";
  const int64_t answers = count > 2 ? std::atoll(words[2]) : 100000;
  {
    ResponseCache cache(path, CacheMode::read_write);
    Budget budget;
    budget.max_money = 1e9;
    budget.price_call = 0.001;
    std::vector<std::string> keys;
    for (int64_t i = 0; i < answers; i += 1000) {
      std::vector<Answered> block;
      for (int64_t j = i; j < std::min(i + 1000, answers); ++j) keys.push_back(block.emplace_back(answer(j)).key);
      cache.settle(budget, block);
    }
    const auto any = [&](int64_t i) -> const std::string& { return keys[static_cast<size_t>(i * 7919 % answers)]; };
    measure("hit", 20000, [&](int64_t i) { return cache.find(any(i)).has_value(); });
    measure("miss", 20000, [&](int64_t i) { return cache.find(any(i).substr(1) + "0").has_value(); });
    // 256 calls in flight: each settled one makes room for the next.
    std::vector<Answered> next;
    for (int64_t i = 0; i < 5256; ++i) next.push_back(answer(answers + i));
    const auto reserve = [&](int64_t i) { next[static_cast<size_t>(i)].reservation = cache.reserve(budget, {1, 20, 256, 0}); };
    for (int64_t i = 0; i < 256; ++i) reserve(i);
    measure("reserve and settle", 5000, [&](int64_t i) {
      cache.settle(budget, {next[static_cast<size_t>(i)]});
      reserve(i + 256);
    });
    measure("a call without limits", 5000, [&](int64_t i) {
      next[static_cast<size_t>(i)].key[0] = 'x';
      next[static_cast<size_t>(i)].reservation = cache.reserve({}, {1, 20, 256, 0});
      cache.settle({}, {next[static_cast<size_t>(i)]});
    });
  }
  for (const char* end : {"", "-wal", "-shm"}) std::filesystem::remove(path + end);
  return 0;
}
