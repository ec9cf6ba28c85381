#include "retort/nets/model_file.h"

#include "retort/base/file.h"
#include "tests/nets/support.h"

namespace retort {
namespace {

InputSpec digits_like() {
  InputSpec spec;
  spec.shape = {1, 8, 8};
  spec.mean = {0.3};
  spec.deviation = {0.37};
  spec.classes = {"zero", "one", "two"};
  return spec;
}

TEST(ModelFile, EveryNetComesBackBitForBit) {
  Scratch scratch;
  for (const std::string& name : kEveryNet) {
    Net net = make_net(name, {1, 8, 8}, 3, Seed(1));
    perturb(net);
    save_model(scratch.file("student"), net, digits_like());
    const Model back = load_model(scratch.path());
    EXPECT_EQ(back.net.spec().at("arch"), name);
    for (const auto& [entry, value] : net.named_tensors())
      EXPECT_TRUE(at::equal(back.net.named_tensors().at(entry), value)) << name << " " << entry;
    EXPECT_EQ(back.input.classes, digits_like().classes);
    EXPECT_EQ(back.input.deviation, digits_like().deviation);
  }
}

TEST(ModelFile, ConfigSaysHowToUseIt) {
  Scratch scratch;
  save_model(scratch.file("student"), make_net("mlp-4", {1, 8, 8}, 3, Seed(1)), digits_like());
  EXPECT_EQ(nlohmann::json::parse(read_file(scratch.file("config.json"))), (nlohmann::json{{"format", "retort-model"},
                                                                                           {"version", 1},
                                                                                           {"arch", "mlp-4"},
                                                                                           {"input", {1, 8, 8}},
                                                                                           {"outputs", 3},
                                                                                           {"shape", {1, 8, 8}},
                                                                                           {"classes", {"zero", "one", "two"}},
                                                                                           {"mean", {0.3}},
                                                                                           {"deviation", {0.37}}}));
}

TEST(ModelFile, IsFoundByFolderFileAndStem) {
  Scratch scratch;
  const Net student = make_net("mlp-4", {1, 8, 8}, 3, Seed(1)), teacher = make_net("linear", {1, 8, 8}, 3, Seed(1));
  save_model(scratch.file("student"), student, digits_like());
  save_model(scratch.file("teacher"), teacher, digits_like(), /*own_config=*/true);
  EXPECT_EQ(load_model(scratch.path()).net.spec()["arch"], "mlp-4");
  EXPECT_EQ(load_model(scratch.file("student.safetensors")).net.spec()["arch"], "mlp-4");
  EXPECT_EQ(load_model(scratch.file("student")).net.spec()["arch"], "mlp-4");
  EXPECT_EQ(load_model(scratch.file("teacher")).net.spec()["arch"], "linear");
  std::filesystem::remove(scratch.file("student.safetensors"));
  EXPECT_EQ(load_model(scratch.path()).net.spec()["arch"], "linear");
}

TEST(ModelFile, SaysWhatIsWrong) {
  Scratch scratch;
  const auto load = [&](const std::string& path) { return caught<DataError>([&] { load_model(path); }); };
  const std::string weights = scratch.file("student.safetensors"), config = scratch.file("config.json");
  EXPECT_EQ(load(scratch.file("nothing")).line,
            scratch.file("nothing") + ": no model here: expected " + scratch.file("nothing") + ".safetensors");
  EXPECT_EQ(load(scratch.path()).line, scratch.path() + ": no model here: expected student.safetensors or one .safetensors file, found 0");

  save_model(scratch.file("student"), make_net("mlp-4", {1, 8, 8}, 3, Seed(1)), digits_like());
  const nlohmann::json good = nlohmann::json::parse(read_file(config));
  const auto with = [&](const std::string& key, const nlohmann::json& value) {
    nlohmann::json changed = good;
    changed[key] = value;
    write_file(config, changed.dump());
    return load(scratch.path()).line;
  };
  EXPECT_EQ(with("arch", "mlp-5"), weights + ": tensor 'fc.weight' of mlp-5 should have shape [3,5], found [3,4]");
  EXPECT_EQ(with("arch", "mpl-5"), config + ": no net is called 'mpl-5'");
  EXPECT_EQ(with("arch", 5), config + ": the description of a net needs arch (text), input (list of sizes) and outputs (a number)");
  EXPECT_EQ(with("outputs", 4), config + ": 4 outputs but 3 classes");
  EXPECT_EQ(with("shape", {1, 4, 16}), config + ": the net reads [1,8,8] but inputs are prepared as [1,4,16]");
  EXPECT_EQ(with("version", 2), config + ": version 2 of the format, expected 1");
  EXPECT_EQ(with("format", "other").find(config + ": not the description of a model"), 0u);
  write_file(config, "{");
  EXPECT_EQ(load(scratch.path()).line.find(config + ": not the description of a model"), 0u);
  std::filesystem::remove(config);
  EXPECT_EQ(load(scratch.path()).line, weights + ": config.json is missing beside it: expected " + config);

  write_file(config, good.dump());
  write_file(weights, read_file(weights).substr(0, 200));
  EXPECT_NE(load(scratch.path()).line.find(weights), std::string::npos);
}

}  // namespace
}  // namespace retort
