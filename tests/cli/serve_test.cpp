// `retort serve` from outside: started, asked, told to stop.
#include <csignal>
#include <thread>

#include <httplib.h>
#include <nlohmann/json.hpp>

#include "program.h"
#include "retort/base/file.h"
#include "retort/nets/model_file.h"

namespace retort {
namespace {
using nlohmann::json;

class Serve : public Folder {
 protected:
  void SetUp() override {
    Folder::SetUp();
    Net net = make_net("mlp-8", {4}, 3, Seed(1));
    net.train(false);
    InputSpec input;
    input.shape = {4};
    input.classes = {"ash", "birch", "cedar"};
    save_model(path("trees"), net, input);
  }
  static json address_of(const Program& program) {
    for (int i = 0; i < 2000; ++i) {
      const json said = json::parse(program.printed(), nullptr, /*allow_exceptions=*/false);
      if (said.is_object()) return said;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    ADD_FAILURE() << "it never said where it is";
    return json::object();
  }
};

TEST_F(Serve, AnswersUntilItIsToldToStop) {
  write_file(path("policy.toml"), "[keys.partner]\nenv = \"PARTNER_KEY\"\nexposure = \"labels\"\nrequests_per_minute = 2\n");
  Program program({"serve", path("trees.safetensors"), "--port", "0", "--key-env", "OWN_KEY", "--policy", path("policy.toml"), "--json"},
                  "export OWN_KEY=a-token-of-ours PARTNER_KEY=a-token-of-theirs");
  const json address = address_of(program);
  ASSERT_GT(address.value("port", 0), 0);
  EXPECT_EQ(address["model"], "trees");
  httplib::Client client("127.0.0.1", address["port"].get<int>());
  const std::string body = "{\"inputs\":[[1,2,3,4]]}";
  const auto asked = [&](const std::string& token) {
    return client.Post("/v1/classify", httplib::Headers{{"Authorization", "Bearer " + token}}, body, "application/json");
  };
  const auto own = asked("a-token-of-ours");
  ASSERT_TRUE(own);
  EXPECT_EQ(own->status, 200);
  EXPECT_EQ(json::parse(own->body)["probs"][0].size(), 3u);
  EXPECT_EQ(json::parse(asked("a-token-of-theirs")->body)["labels"].size(), 1u);
  EXPECT_EQ(asked("a-token-of-theirs")->status, 200);
  EXPECT_EQ(asked("a-token-of-theirs")->status, 429);
  EXPECT_EQ(asked("a-token-of-nobody")->status, 401);
  program.send(SIGTERM);
  const Ended ended = program.wait();
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_EQ((ended.out + ended.err).find("a-token"), std::string::npos);
}

TEST_F(Serve, RefusesWhatItCannotServe) {
  const std::string model = path("trees.safetensors");
  expect_refused(retort_program({"serve", model, "--host", "0.0.0.0", "--port", "0"}), 2, {"no key is asked of them", "--open"});
  expect_refused(retort_program({"serve", model, "--key-env", "NO_SUCH_KEY_HERE"}), 2, {"NO_SUCH_KEY_HERE is not set"});
  expect_refused(retort_program({"serve", model, "--exposure", "most"}), 2, {"exposure \"most\""});
  expect_refused(retort_program({"serve", model, "--batch", "0"}), 2, {"--batch"});
  expect_refused(retort_program({"serve", path("nothing")}), 3, {"nothing"});
}

}  // namespace
}  // namespace retort
