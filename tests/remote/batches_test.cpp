#include "retort/remote/batches.h"

#include "tests/support.h"

namespace retort {
namespace {

TEST(Batches, NamesThePathOnTheServer) {
  EXPECT_EQ(path_on_server("https://a.b/v1", "/chat/completions"), "/v1/chat/completions");
  EXPECT_EQ(path_on_server("http://127.0.0.1:8000", "/v1/embeddings"), "/v1/embeddings");
  EXPECT_EQ(path_on_server("https://a.b/x/v1", ""), "/x/v1");
}

TEST(Batches, ReadsLinesOfAnOutput) {
  const BatchLine good = read_batch_line(
      R"({"custom_id": "17-0123456789abcdef", "response": {"status_code": 200, "body": {"choices": []}}, "error": null})");
  EXPECT_EQ(good.at, 17);
  EXPECT_EQ(good.mark, "0123456789abcdef");
  EXPECT_EQ(good.body, nlohmann::json({{"choices", nlohmann::json::array()}}));
  const BatchLine failed = read_batch_line(R"({"custom_id": "3-aa", "response": {"status_code": 500, "body": {"error": "overloaded"}}})");
  EXPECT_EQ(failed.at, 3);
  EXPECT_TRUE(failed.body.is_null());
  EXPECT_TRUE(read_batch_line(R"({"custom_id": "3-aa", "response": null, "error": {"code": "batch_expired"}})").body.is_null());
  for (const char* bad : {"", "[]", "{}", R"({"custom_id": 7})", R"({"custom_id": "x-1"})", R"({"custom_id": "12"})",
                          R"({"custom_id": "99999999999999999999-a"})"}) {
    const Caught refused = caught<TeacherError>([&] { read_batch_line(bad); });
    EXPECT_NE(refused.line.find("no answer"), std::string::npos) << bad;
  }
}

}  // namespace
}  // namespace retort
