// Loads libtorch and ends: what any program on libtorch pays before its first line.
#include <ATen/ATen.h>

int main() { return at::empty({0}).numel() == 0 ? 0 : 1; }
