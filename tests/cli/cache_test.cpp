// `retort cache`, and teachers that are programs and ONNX files, from outside.
#include <nlohmann/json.hpp>

#include "program.h"
#include "retort/base/file.h"
#include "retort/remote/response_cache.h"
#include "tests/teachers/onnx_file.h"

namespace retort {
namespace {
using nlohmann::json;

class CacheVerb : public Folder {
 protected:
  std::string filled() const {
    ResponseCache cache(path("answers.db"), CacheMode::read_write);
    for (int i = 0; i < 3; ++i) {
      Answered one;
      one.url = "http://host/v1";
      one.request = {{"model", "small"}, {"prompt", i}};
      one.reply = {{"text", "yes"}};
      one.key = request_key(one.url, one.request, 0);
      one.usage = {1, 1000, 5, 0.5};
      Budget budget;
      budget.name = "spring";
      cache.settle(budget, {one});
    }
    return path("answers.db");
  }
};

TEST_F(CacheVerb, ShowsCarriesAndForgets) {
  const std::string cache = filled();
  const Ended text = retort_program({"cache", "stats", "--cache", cache});
  EXPECT_EQ(text.code, 0) << text.err;
  for (const char* part : {"http://host/v1", "small", "spring", "3,000", "1.5"})
    EXPECT_NE(text.out.find(part), std::string::npos) << part << "\n" << text.out;
  const json stats = json::parse(retort_program({"cache", "stats", "--cache", cache, "--json"}).out);
  EXPECT_EQ(stats["answers"][0]["answers"], 3);
  EXPECT_EQ(stats["ledger"][0]["budget"], "spring");
  EXPECT_EQ(stats["ledger"][0]["prompt_tokens"], 3000);

  const Ended lines = retort_program({"cache", "export", "-", "--cache", cache});
  EXPECT_EQ(std::count(lines.out.begin(), lines.out.end(), '\n'), 3) << lines.out;
  write_file(path("a.jsonl"), lines.out);
  EXPECT_EQ(json::parse(retort_program({"cache", "import", path("a.jsonl"), "--cache", path("new/copy.db"), "--json"}).out)["imported"], 3);
  write_file(path("b.jsonl"), lines.out + "{}\n");
  expect_refused(retort_program({"cache", "import", path("b.jsonl"), "--cache", path("other.db")}), 3, {"b.jsonl:4: \"key\" is missing"});
  EXPECT_EQ(
      json::parse(retort_program({"cache", "prune", "--keep", "1KB", "--older-than", "3", "--cache", cache, "--json"}).out)["removed"], 0);
  EXPECT_EQ(json::parse(retort_program({"cache", "prune", "--keep", "50", "--cache", cache, "--json"}).out)["removed"], 2);
  expect_refused(retort_program({"cache", "prune", "--cache", cache}), 2, {"nothing says what may go"});
  expect_refused(retort_program({"cache", "stats", "--cache", path("none.db")}), 3, {"none.db: there is no such file"});
}

TEST_F(CacheVerb, AProgramTeaches) {
  const auto train = [&](const std::string& body, const std::string& show = "logits") {
    write_file(path("score.py"), "import json, sys\nfor line in sys.stdin:\n    q = json.loads(line)\n    " + body + "\n");
    const std::string recipe = tiny_recipe("p.toml", {"method=kd.hinton", "teacher.kind=program", "teacher.show=" + show,
                                                      "teacher.command=[\"python3\", \"" + path("score.py") + "\"]"});
    return retort_program({"distill", recipe, "--dir", path("run"), "--json", "--quiet", "--no-report"});
  };
  const Ended good = train("print(json.dumps({'scores': [[x[c] for c in range(10)] for x in q['inputs']]}), flush=True)");
  EXPECT_EQ(good.code, 0) << good.err;
  std::filesystem::remove_all(path("run"));
  expect_refused(train("raise ValueError('out of paint')"), 4, {"ended with code 1 before it answered", "ValueError: out of paint"});
  std::filesystem::remove_all(path("run"));
  expect_refused(train("print('hm', flush=True)"), 4, {"no JSON object: \"hm\""});
}

TEST_F(CacheVerb, AnOnnxFileTeaches) {
  write_linear_onnx(path("a.onnx"), {1, 8, 8}, at::ones({10, 64}) * 0.1, at::arange(10, at::kFloat));
  const std::string recipe = tiny_recipe("o.toml", {"method=kd.hinton", "teacher.kind=onnx", "teacher.files=[\"" + path("a.onnx") + "\"]"});
  const Ended good = retort_program({"distill", recipe, "--dir", path("run"), "--json", "--quiet", "--no-report"});
  EXPECT_EQ(good.code, 0) << good.err;
  std::filesystem::remove_all(path("run"));
  write_linear_onnx(path("a.onnx"), {1, 8, 8}, at::ones({4, 64}), at::ones({4}));
  expect_refused(retort_program({"distill", recipe, "--dir", path("run")}), 4,
                 {"a.onnx: answers with shape [2,4] to 2 inputs, expected [2,10]"});
}

}  // namespace
}  // namespace retort
