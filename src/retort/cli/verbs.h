// The verbs of the program: one file each, named after it. Each adds its sub-command; nothing happens before its callback runs.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace retort {

void add_distill_verb(CLI::App& app);
void add_capture_verb(CLI::App& app);
void add_audit_verb(CLI::App& app);
void add_study_verb(CLI::App& app);
void add_eval_verb(CLI::App& app);
void add_predict_verb(CLI::App& app);
void add_report_verb(CLI::App& app);
void add_methods_verb(CLI::App& app);
void add_prove_verb(CLI::App& app);
void add_golden_verb(CLI::App& app);
void add_data_verb(CLI::App& app);
void add_docs_verb(CLI::App& app);
void add_rank_teachers_verb(CLI::App& app);
void add_cache_verb(CLI::App& app);
void add_doctor_verb(CLI::App& app);
void add_serve_verb(CLI::App& app);

}  // namespace retort
