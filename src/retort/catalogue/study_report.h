// What a study shows: tables, heat maps and curves of its report, and the metrics of its run.
#pragma once

#include "retort/base/run.h"
#include "retort/catalogue/study.h"

namespace retort {

// Microseconds an image takes, by student.
using StudyLatency = std::map<std::string, double>;
// Fills outcome.metrics, table and panels. Figures of the test part are read here, once, for the recommended student, its twin without a teacher, the
// teacher, and the gain of every student.
void report_study(const StudyDesign& design, const StudyResults& results, const Recommendation& advice, const StudyLatency& latency,
                  Outcome& outcome);

}  // namespace retort
