#!/usr/bin/python3
"""Runs retort and the PyTorch peer turn by turn and prints one Markdown table; --write puts it into a page between its markers."""
import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
# What runs: student, teacher, input, timed steps.
PAIRS = [
    ("mlp-64-64", "mlp-256-256", "1,28,28", 2000),
    ("resnet8", "resnet20", "3,32,32", 48),
    ("resnet20", "resnet56", "3,32,32", 24),
    ("vit-4x96p4", "vit-tiny", "3,32,32", 24),
]
BEGIN, END = "<!-- bench -->\n", "<!-- /bench -->\n"


def measured(command, threads):
    # Threads that wait spin, as both sides do by default; both get the machine to themselves in turn.
    result = subprocess.run(command, check=True, stdout=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": str(threads)})
    return json.loads(result.stdout)


def step_rows(program, rounds, threads_list):
    for student, teacher, shape, steps in PAIRS:
        for threads in threads_list:
            sides = {
                "peer": ["/usr/bin/python3", str(HERE / "peer.py"), student, teacher, shape, str(threads), str(steps)],
                "asked": [program, student, teacher, shape, str(threads), str(steps), "asked"],
                "kept": [program, student, teacher, shape, str(threads), str(steps), "kept"],
            }
            runs = {side: [] for side in sides}
            for _ in range(rounds):
                for side, command in sides.items():
                    runs[side].append(measured(command, threads))
            sizes = {(run["student"], run["teacher"]) for side in runs.values() for run in side}
            if len(sizes) != 1:
                sys.exit(f"{student} from {teacher}: the two sides do not train the same nets: {sizes}")
            step = {side: statistics.median(run["step_ms"] for run in runs[side]) for side in runs}
            peak = {side: statistics.median(run["peak_mb"] for run in runs[side]) for side in runs}
            yield (f"| {student} from {teacher} | {threads} | {1e3 / step['peer']:,.1f} | {1e3 / step['kept']:,.1f} | **{step['peer'] / step['kept']:.2f}x** "
                   f"| {1e3 / step['asked']:,.1f} | {step['peer'] / step['asked']:.2f}x | {peak['peer']:.0f} | {peak['asked']:.0f} |")


def start_rows(build, rounds):
    sides = {"libtorch alone": [f"{build}/bench/bench_bare_load"], "retort --help": [f"{build}/retort", "--help"],
             "retort methods": [f"{build}/retort", "methods"]}
    took = {side: [] for side in sides}
    for _ in range(rounds):
        for side, command in sides.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            took[side].append(time.perf_counter() - start)
    bare = statistics.median(took["libtorch alone"])
    for side in sides:
        seconds = statistics.median(took[side])
        yield f"| {side} | {seconds:.2f} | {seconds - bare:+.2f} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--only", default="", help="only students whose name holds this")
    parser.add_argument("--write", help="page to put the tables into")
    options = parser.parse_args()
    PAIRS[:] = [pair for pair in PAIRS if options.only in pair[0]]
    lines = []

    def say(line=""):
        print(line, flush=True)
        lines.append(line + "\n")

    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    say(f"Measured on {os.cpu_count()} cores of {cpu}, {time.strftime('%Y-%m-%d')}; medians of {options.rounds} rounds.")
    say()
    say("| student from teacher | threads | PyTorch [steps/s] | retort [steps/s] | | teacher asked at every step [steps/s] | | PyTorch peak [MB] | retort peak [MB] |")
    say("|---|---|---|---|---|---|---|---|---|")
    for row in step_rows(f"{options.build}/bench/bench_train_step", options.rounds, options.threads):
        say(row)
    say()
    say("| start | seconds | beyond libtorch |")
    say("|---|---|---|")
    for row in start_rows(options.build, 2 * options.rounds + 1):
        say(row)

    if options.write:
        page = pathlib.Path(options.write)
        text = page.read_text()
        before, rest = text.split(BEGIN)
        page.write_text(before + BEGIN + "".join(lines) + END + rest.split(END)[1])


main()
