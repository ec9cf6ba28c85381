#include "retort/catalogue/text_table.h"

#include <gtest/gtest.h>

namespace retort {
namespace {

TEST(TextTable, ColumnsAlignByCharactersNotBytes) {
  EXPECT_EQ(text_table({{"arm", "accuracy"}, {"ce", "86.1 ± 0.5"}, {"kd", "9"}}, /*numbers=*/true),
            "arm    accuracy\n"
            "ce   86.1 ± 0.5\n"
            "kd            9\n");
  EXPECT_EQ(text_table({{"a", "long word", "x"}, {"bb", "b", ""}}, /*numbers=*/false),
            "a   long word  x\n"
            "bb  b\n");
}

TEST(TextTable, MarkdownEscapesItsOwnSigns) {
  EXPECT_EQ(markdown_table({{"a", "b"}, {"x|y", "1"}}), "| a | b |\n|---|---|\n| x\\|y | 1 |\n");
}

}  // namespace
}  // namespace retort
