#!/bin/bash
# tools/fuzz.sh BUILD SECONDS: runs every fuzz target of a build tree for so long, all cores shared out. Inputs that open new paths are kept in
# BUILD/corpus/<target>; a finding stops the run and stays in BUILD/findings.
set -eu
build=$1 seconds=$2
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 OMP_NUM_THREADS=1
mkdir -p "$build/findings"

run() {
  local target=$1 name
  name=$(basename "$target")
  mkdir -p "$build/corpus/$name"
  if "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$build/findings/$name-" \
    "$build/corpus/$name" >"$build/$name.log" 2>&1; then
    echo "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$build/$name.log") runs in $seconds s, no finding"
  else
    echo "$name: FAILED, see $build/$name.log"
    tail -n 20 "$build/$name.log"
    return 255
  fi
}
export -f run
export build seconds
find "$build/fuzz" -maxdepth 1 -name 'fuzz_*' -type f -executable | sort | xargs -P "$(nproc)" -I{} bash -c 'run "$1"' run {}
