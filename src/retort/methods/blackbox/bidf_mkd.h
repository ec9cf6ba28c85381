// 8 BiDf-MKD: learn to learn from a collection of APIs, without any data.  arXiv 2305.18413
//
// Each API decides between a few classes of its own. Images are recovered from its answers alone; a meta-model learns, through its own adaptation, to take
// an API over in a few gradient steps; and a memory of recovered images makes up tasks across APIs. What comes out is one start for new few-shot tasks.
#pragma once

#include "retort/train/method.h"

namespace retort::blackbox {

// Every class at four quarter turns: class y turned r times is class 4y + r, its id 4 id + r. Square images only; throws ConfigError for others.
Dataset with_turned_classes(const Dataset& data);

Method bidf_mkd();

}  // namespace retort::blackbox
