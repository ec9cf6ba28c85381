#include "retort/methods/dense/bckd.h"

#include "retort/nets/dense.h"
#include "retort/nets/model_file.h"
#include "tests/methods/support.h"

namespace retort {
namespace {

Tensor draws(std::vector<int64_t> shape, uint64_t seed) { return at::empty(shape, at::kDouble).normal_(0, 2, Seed(seed).generator()); }

TEST(Bckd, SoftmaxIsBlindToAbsoluteScoresAndSigmoidsAreNot) {
  const Tensor student = draws({5, 4}, 1), shifted = student + 2;
  EXPECT_LT(dense::softmax_rows(student, shifted).abs().max().item<double>(), 1e-12);
  EXPECT_GT(dense::binary_rows(student, shifted).min().item<double>(), 0.01);
}

TEST(Bckd, NothingIsLostWhereBothAgree) {
  const Tensor scores = draws({5, 4}, 1), boxes = at::tensor({0.0, 0.0, 3.0, 4.0}, at::kDouble).view({1, 4}).expand({5, 4});
  EXPECT_EQ(dense::binary_rows(scores, scores).abs().max().item<double>(), 0);
  EXPECT_EQ(dense::difference_weights(scores, scores).max().item<double>(), 0);
  EXPECT_EQ(dense::localisation_loss(boxes, boxes, at::ones({5}, at::kDouble), 2).item<double>(), 0);
}

TEST(Bckd, WithoutTheExponentItIsPlainBce) {
  const Tensor student = draws({5, 4}, 1), teacher = draws({5, 4}, 2), q = at::sigmoid(teacher), p = at::sigmoid(student);
  EXPECT_TRUE(dense::binary_rows(student, teacher, 0).allclose((-q * p.log() - (1 - q) * (1 - p).log()).sum(1)));
  EXPECT_TRUE(dense::binary_rows(student, teacher, 2).allclose(((q - p).square() * (-q * p.log() - (1 - q) * (1 - p).log())).sum(1)));
}

TEST(Bckd, TheFactorCarriesGradientAndTheTeacherNone) {
  const Tensor student = draws({3, 2}, 1).requires_grad_(true), teacher = draws({3, 2}, 2).requires_grad_(true);
  dense::binary_rows(student, teacher).sum().backward();
  EXPECT_FALSE(teacher.grad().defined());
  const double h = 1e-6;
  for (int64_t i = 0; i < 6; ++i) {
    Tensor up = student.detach().clone(), down = student.detach().clone();
    up.view(-1)[i] += h;
    down.view(-1)[i] -= h;
    const double slope = ((dense::binary_rows(up, teacher).sum() - dense::binary_rows(down, teacher).sum()) / (2 * h)).item<double>();
    EXPECT_NEAR(student.grad().view(-1)[i].item<double>(), slope, 1e-6);
  }
}

TEST(Bckd, BoxesCountByTheLargestDifferenceOfScores) {
  const Tensor student = at::tensor({0.0, 0.0}, at::kDouble).view({1, 2}),
               teacher = at::tensor({std::log(3.0), -std::log(9.0)}, at::kDouble).view({1, 2});  // 1/2 against 3/4 and 1/10
  EXPECT_NEAR(dense::difference_weights(student, teacher)[0].item<double>(), 0.4, 1e-12);
  const Tensor a = at::tensor({0.0, 0.0, 1.0, 1.0}, at::kDouble).view({1, 4}),
               b = at::tensor({2.0, 0.0, 3.0, 1.0}, at::kDouble).view({1, 4});  // gap 1: GIoU -1/3
  EXPECT_NEAR(dense::localisation_loss(a, b, at::tensor({0.4}, at::kDouble), 2).item<double>(), 0.4 * (4.0 / 3) / 2, 1e-12);
}

TEST(Bckd, RefusesWhatDoesNotFit) {
  const auto refused = [](const std::function<void()>& call) { return caught<ConfigError>(call).line; };
  EXPECT_NE(refused([] {
              dense::binary_rows(draws({5, 4}, 1), draws({4, 4}, 1));
            }).find("expected two [batch, classes] tensors"),
            std::string::npos);
  EXPECT_NE(refused([] {
              dense::binary_rows(draws({5, 4}, 1), draws({5, 6}, 1));
            }).find("the student answers 4 classes, the teacher 6"),
            std::string::npos);
  EXPECT_NE(refused([] {
              dense::binary_rows(draws({5, 4}, 1), draws({5, 5}, 1));
            }).find("a softmax head with a class for the background"),
            std::string::npos);
  EXPECT_EQ(refused([] { dense::classification_loss(draws({5}, 1), draws({5}, 1), 0); }),
            "classification_loss: 0 positive locations, expected at least 1");
  const Tensor turned = at::tensor({2.0, 0.0, 1.0, 1.0}, at::kDouble).view({1, 4});
  EXPECT_NE(caught<DataError>([&] { dense::localisation_loss(turned, turned, at::ones({1}), 1); }).line.find("right or lower side before"),
            std::string::npos);
}

const std::vector<std::string> kCanvas = {"data.source=world:canvas,rows=40,test_rows=12,size=32",
                                          "data.train=40",
                                          "data.test=12",
                                          "teacher.net=dense-4-6-8",
                                          "student.net=dense-3-4-5",
                                          "train.batch=8"};

class BckdTest : public MethodTest {
 protected:
  Outcome run_on_canvas(const std::string& folder, std::vector<std::string> sets = {}) {
    sets.insert(sets.begin(), kCanvas.begin(), kCanvas.end());
    return run(dense::bckd(), folder, sets);
  }
};

TEST_F(BckdTest, DistilsFromTheRecipe) {
  const Outcome outcome = run_on_canvas("all", {"student.alone=true"});
  for (const char* metric : {"ap", "ap50", "ap75", "teacher.ap50", "alone.ap"}) EXPECT_TRUE(outcome.metrics.count(metric)) << metric;
  for (const char* name : {"scores", "boxes", "distil.scores", "distil.boxes"}) EXPECT_GT(term("all", name), 0) << name;
  EXPECT_EQ(detected_classes(load_model(scratch.file("all")).net), 10);
  EXPECT_EQ(outcome.table["rows"].size(), 3u);
}

TEST_F(BckdTest, EveryVariantIsAnotherStudent) {
  std::set<std::string> students;
  for (const std::string set :
       {"knobs.beta=1.0", "knobs.beta=2.0", "knobs.cls_weight=0.0", "knobs.loc_weight=0.0", "knobs.classification=softmax",
        "knobs.locations=positive", "knobs.difference_weights=false", "knobs.box_weight=1.0"}) {
    run_on_canvas(set, {set});
    EXPECT_TRUE(students.insert(student(set)).second) << set;
  }
}

// A lone canvas without an object at stride 8 leaves that stride out.
TEST_F(BckdTest, EmptyStridesCanBeLeftOut) {
  run_on_canvas("kept", {"train.batch=1"});
  run_on_canvas("skipped", {"train.batch=1", "knobs.skip_empty_levels=true"});
  EXPECT_NE(student("kept"), student("skipped"));
}

TEST_F(BckdTest, LearnsToFindDigits) {
  const Outcome outcome = run_on_canvas(
      "learnt", {"data.source=world:canvas,rows=40,test_rows=12,size=32,digits=1", "knobs.cls_weight=0.0", "knobs.loc_weight=0.0",
                 "student.net=dense-8-12-16", "train.epochs=30", "train.lr=0.01"});
  EXPECT_LT(term("learnt", "boxes"), 0.5) << "1 - GIoU on the training canvases";
  EXPECT_GT(outcome.metrics.at("ap50"), 3);
}

TEST_F(BckdTest, RefusesBadInput) {
  const auto refused = [&](const std::string& set) { return caught<ConfigError>([&] { run_on_canvas("bad " + set, {set}); }).line; };
  EXPECT_NE(refused("data.source=digits").find("digits has no boxes"), std::string::npos);
  EXPECT_NE(refused("student.net=resnet8").find("no detector is called 'resnet8'"), std::string::npos);
  EXPECT_NE(refused("teacher.net=dense-4-6-8-s8").find("the student predicts at 80 locations and the teacher at 16"), std::string::npos);
  EXPECT_NE(refused("views.shift=1").find("boxes do not move with random views"), std::string::npos);
  EXPECT_NE(refused("knobs.beta=0.5").find("knobs.beta"), std::string::npos);
  EXPECT_NE(refused("data.classes=[1,2]").find("boxes have classes of their own"), std::string::npos);
  EXPECT_NE(refused("teacher.members=2").find("one net that is trained here"), std::string::npos);
}

}  // namespace
}  // namespace retort
