#include "retort/base/tensor.h"
