// Everything that a user can get wrong: one line, one hint, the right exit code, nothing half-written.
#include <csignal>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "program.h"
#include "retort/base/file.h"
#include "retort/nets/model_file.h"

namespace retort {
namespace {

class BadInput : public Folder {
 protected:
  Ended distill(const std::vector<std::string>& sets, const std::string& prelude = {}) const {
    std::vector<std::string> words = {"distill", tiny_recipe("r.toml", sets), "--quiet", "--dir", path("run")};
    return retort_program(words, prelude);
  }
  void expect_refused_clean(const std::vector<std::string>& sets, int code, const std::vector<std::string>& parts) const {
    expect_refused(distill(sets), code, parts);
    EXPECT_FALSE(std::filesystem::exists(folder / "run")) << "what is refused leaves nothing behind";
  }
};

TEST_F(BadInput, CommandLine) {
  expect_refused(retort_program({"distil"}), 2, {"there is no verb \"distil\"", "did you mean `retort distill`?"});
  expect_refused(retort_program({"methods", "kd.hintn", "--nonsense"}), 2, {"--nonsense", "`retort methods --help`"});
}

TEST_F(BadInput, RecipeKeys) {
  expect_refused_clean({"train.epoch=3"}, 2, {"r.toml:", "train.epoch: unknown key", "did you mean train.epochs?"});
  expect_refused_clean({"train.epochs=\"many\""}, 2, {"r.toml:", "train.epochs: expected a whole number", "\"many\""});
  expect_refused_clean({"method=\"kd.hinton\"", "teacher.net=\"mlp-8\"", "knobs.temperature=-1"}, 2,
                       {"r.toml:", "knobs.temperature: expected a number > 0, received -1"});
}

TEST_F(BadInput, AMethodThatNeedsMoreThanTheTeacherShows) {
  expect_refused_clean({"method=\"kd.fitnet\"", "teacher.net=\"mlp-8\"", "teacher.show=\"hard_labels\""}, 2,
                       {"kd.fitnet", "features", "hard_labels", "methods that work with it: ce, ls"});
}

TEST_F(BadInput, DataFiles) {
  expect_refused_clean({"data.source=\"" + path("nowhere.csv") + "\""}, 3, {"nowhere.csv"});

  write_file(path("ragged.csv"), "a,b,label\n1,2,x\n3,4\n5,6,y\n");
  expect_refused_clean({"data.source=\"" + path("ragged.csv") + "\""}, 3, {"ragged.csv:3"});
}

TEST_F(BadInput, TruncatedIdx) {
  const auto header = [](std::string magic, std::vector<int> sizes) {
    for (const int size : sizes) magic += {'\0', '\0', static_cast<char>(size >> 8), static_cast<char>(size & 255)};
    return magic;
  };
  std::filesystem::create_directories(folder / "idx");
  for (const char* part : {"train", "t10k"}) {
    write_file(path("idx/" + std::string(part) + "-images-idx3-ubyte"), header({0, 0, 8, 3}, {20, 8, 8}) + std::string(20 * 64 - 5, '\1'));
    write_file(path("idx/" + std::string(part) + "-labels-idx1-ubyte"), header({0, 0, 8, 1}, {20}) + std::string(20, '\1'));
  }
  expect_refused_clean({"data.source=\"" + path("idx") + "\""}, 3, {"train-images-idx3-ubyte"});
}

TEST_F(BadInput, TruncatedCifarAndItsLabels) {
  std::filesystem::create_directories(folder / "cifar");
  const std::string image(3073, '\1');
  for (const char* file : {"data_batch_1.bin", "test_batch.bin"})
    write_file(path("cifar/" + std::string(file)), image + image.substr(0, 3000));
  expect_refused_clean({"data.source=\"" + path("cifar") + "\""}, 3, {"_batch"});
  for (const char* file : {"data_batch_1.bin", "test_batch.bin"})
    write_file(path("cifar/" + std::string(file)), image + '\x7f' + image.substr(1));
  expect_refused_clean({"data.source=\"" + path("cifar") + "\""}, 3, {"_batch", "127"});
}

TEST_F(BadInput, Models) {
  InputSpec input;
  input.shape = {1, 8, 8};
  input.classes = {"a", "b", "c"};
  save_model(path("three"), make_net("mlp-8", input.shape, 3, Seed(1)), input);
  expect_refused_clean({"method=\"kd.hinton\"", "teacher.kind=\"file\"", "teacher.files=[\"" + path("three") + "\"]"}, 2,
                       {"3 classes", "10"});

  const std::string whole = read_file(path("three.safetensors"));
  write_file(path("three.safetensors"), whole.substr(0, whole.size() - 7));
  expect_refused(retort_program({"eval", path("three")}), 3, {"three.safetensors"});
}

TEST_F(BadInput, ALossThatIsNoNumber) {
  const Ended ended = distill({"train.optimiser=\"sgd\"", "train.lr=1e30", "train.schedule=\"constant\""});
  expect_refused(ended, 6, {"ce", "step"});
}

TEST_F(BadInput, AFullDisk) {
  const Ended ended = distill({"student.net=\"mlp-256\""}, "trap '' XFSZ; ulimit -f 16");
  expect_refused(ended, 3, {path("run")});
  EXPECT_FALSE(file_exists(path("run/student.safetensors")));
}

TEST_F(BadInput, RunFolders) {
  expect_refused(retort_program({"distill", tiny_recipe("r.toml"), "--quiet", "--dir", "/dev/null/run"}), 3, {"/dev/null/run"});
  std::filesystem::create_directories(folder / "run");
  const int lock = open(path("run/.lock").c_str(), O_CREAT | O_RDWR, 0600);
  ASSERT_EQ(flock(lock, LOCK_EX), 0);
  expect_refused(distill({}), 2, {path("run"), "in use by another process"});
  close(lock);
}

}  // namespace
}  // namespace retort
