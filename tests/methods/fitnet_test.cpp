#include "retort/methods/baselines/fitnet.h"

#include "retort/nets/model_file.h"
#include "tests/methods/support.h"

namespace retort {
namespace {

using FitnetTest = MethodTest;

TEST_F(FitnetTest, LearnsTheHintAndDropsTheRegressor) {
  run(baselines::fitnet(), "hint", {"train.epochs=8", "knobs.relu=false"});
  run(baselines::fitnet(), "idle", {"train.epochs=8", "knobs.relu=false", "knobs.weight=0.0"});
  EXPECT_LT(term("hint", "hint"), 0.8 * term("idle", "hint"));
  EXPECT_EQ(load_model(scratch.file("hint")).net.spec().at("arch"), "cnn-3-6");  // refuses any tensor that is not the student's
}

TEST_F(FitnetTest, TakesTheLayersItIsTold) {
  run(baselines::fitnet(), "first", {"knobs.student_layer=stage1", "knobs.teacher_layer=stage1"});
  run(baselines::fitnet(), "middle");
  run(baselines::fitnet(), "last", {"knobs.student_layer=stage2", "knobs.teacher_layer=stage2"});
  EXPECT_EQ(student("first"), student("middle"));
  EXPECT_NE(student("last"), student("middle"));
}

TEST_F(FitnetTest, MeetsAnotherKindOfNetAtTheEmbeddings) {
  run(baselines::fitnet(), "mlp", {"student.net=mlp-8"});
  EXPECT_GT(term("mlp", "hint"), 0);
}

TEST_F(FitnetTest, RefusesMapsThatAreTooSmall) {
  // On 8x8 digits the teacher's stem keeps 8x8 pixels, the student's second stage 2x2.
  const auto refusal = caught<ConfigError>([&] {
    run(baselines::fitnet(), "small", {"teacher.net=resnet8", "knobs.student_layer=stage2", "knobs.teacher_layer=stem"});
  });
  EXPECT_EQ(refusal.line,
            "kd.fitnet: layers stage2 and stem: no regressor leads from student features [6,2,2] to teacher features [16,8,8]");
}

TEST_F(FitnetTest, NamesTheTapThatIsNotThere) {
  const auto refusal = caught<ConfigError>([&] { run(baselines::fitnet(), "typo", {"knobs.student_layer=stag2"}); });
  EXPECT_EQ(refusal.line, "kd.fitnet: layers stag2 and stage1: cnn-3-6: no tap is called 'stag2'");
}

}  // namespace
}  // namespace retort
