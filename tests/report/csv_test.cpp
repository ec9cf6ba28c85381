#include "retort/report/csv.h"

#include <gtest/gtest.h>

#include "tests/report/sample.h"

namespace retort {
namespace {

TEST(Csv, HasARowAModelAndEmptyCellsForWhatIsMissing) {
  RunView run = sample_run("a, \"b\"");
  EXPECT_EQ(results_csv({run}),
            "run,model,accuracy,ece,parameters,latency_1\r\n"
            "\"a, \"\"b\"\"\",teacher,98,1.2,72400,60\r\n"
            "\"a, \"\"b\"\"\",alone,95.3,2.3,1810,20\r\n"
            "\"a, \"\"b\"\"\",student,96.9,,1810,20\r\n");
  EXPECT_EQ(results_csv({}), "run,model\r\n");
}

}  // namespace
}  // namespace retort
