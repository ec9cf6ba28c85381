// 51 Quantised distillation: a student whose weights live on few levels, in a file of that size.  Polino et al. 2018, arXiv 1802.05668
#pragma once

#include "retort/train/method.h"

namespace retort::compress {

Method quant_distill();

}  // namespace retort::compress
