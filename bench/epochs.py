#!/usr/bin/python3
"""Epochs of retort against epochs of torchdistill, turn by turn, as one Markdown table; --write puts it into a page between its markers.

    epochs.py CHECKOUT [--build build/release] [--write docs/performance.md]

CHECKOUT: the sources of torchdistill; release 1.1 runs on Debian 12's python3-torch. Both train ResNet-20 from ResNet-56 on the same images of CIFAR's
shape, batches of 64, with random crops and flips, so that the teacher is asked at every step.
"""
import argparse
import json
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
BEGIN, END = "<!-- epochs -->\n", "<!-- /epochs -->\n"
RECIPE = """
[data]
source = "{data}"
test = 64
[teacher]
kind = "random"
net = "resnet56"
[student]
net = "resnet20"
[views]
crop_padding = 4
flip = true
[train]
epochs = {epochs}
batch = 64
workers = {workers}
optimiser = "sgd"
lr = 0.01
momentum = 0.9
weight_decay = 0.0001
[run]
dir = "{folder}"
cache = "{cache}"
threads = {threads}
"""
KNOBS = {
    "kd": 'method = "kd.hinton"\n{body}\n[knobs]\ntemperature = 4\nw_ce = 0.1\nw_kd = 0.9\n',
    "fitnet": 'method = "kd.fitnet"\n{body}\n[knobs]\nweight = 100\nstudent_layer = "stage2"\nteacher_layer = "stage2"\n',
    "crd": 'method = "kd.crd"\n{body}\n[knobs]\nk = {negatives}\n',
}


def cifar_like(folder, rows):
    """CIFAR-10 binary files of random pixels."""
    draw = random.Random(1)
    for name, count in (("data_batch_1.bin", rows), ("test_batch.bin", 64)):
        (folder / name).write_bytes(b"".join(bytes([i % 10]) + draw.randbytes(3072) for i in range(count)))
    (folder / "batches.meta.txt").write_text("".join(f"{c}\n" for c in range(10)))


def retort_run(program, method, folder, options, epochs):
    run = folder / "run"
    body = RECIPE.format(data=folder, folder=run, cache=folder / "cache", epochs=epochs, workers=1, threads=options.threads)
    recipe = folder / "recipe.toml"
    recipe.write_text(KNOBS[method].format(body=body, negatives=options.negatives))
    with subprocess.Popen([program, "distill", str(recipe), "--quiet"], stdout=subprocess.DEVNULL,
                          env={**os.environ, "OMP_NUM_THREADS": str(options.threads)}) as child:
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"retort {method}: exit code {child.returncode}")
    seconds = json.loads((run / "run.json").read_text())["seconds"]
    shutil.rmtree(run)
    return seconds, usage.ru_maxrss / 1024


def retort_side(program, method, folder, options):
    """What further epochs add to a whole run of one epoch: everything that an epoch costs, and nothing that a run costs once."""
    once, _ = retort_run(program, method, folder, options, 1)
    more, peak = retort_run(program, method, folder, options, options.epochs)
    return {"epoch_s": (more - once) / (options.epochs - 1), "peak_mb": peak}


def torchdistill_side(checkout, method, folder, options, workers):
    command = ["/usr/bin/python3", HERE / "torchdistill_peer.py", checkout, folder / "data_batch_1.bin", method, options.threads, workers, options.epochs, options.negatives]
    result = subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": str(options.threads)})
    sides = json.loads(result.stdout)
    return {"epoch_s": statistics.mean(sides["epoch_s"][1:]), "peak_mb": sides["peak_mb"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout")
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--rows", type=int, default=2048)
    parser.add_argument("--epochs", type=int, default=3, help="the first one warms up and is not counted")
    parser.add_argument("--negatives", type=int, default=1024, help="of CRD")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", help="page to put the table into")
    options = parser.parse_args()
    lines = []

    def say(line=""):
        print(line, flush=True)
        lines.append(line + "\n")

    say("| method | torchdistill, epoch [s] | retort, epoch [s] | | torchdistill peak [MB] | retort peak [MB] | |")
    say("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="retort-epochs-") as scratch:
        folder = pathlib.Path(scratch)
        cifar_like(folder, options.rows)
        for method in KNOBS:
            # Loading in the training process or in one of its own: what suits torchdistill better counts.
            sides = {"alone": lambda: torchdistill_side(options.checkout, method, folder, options, 0),
                     "worker": lambda: torchdistill_side(options.checkout, method, folder, options, 1),
                     "retort": lambda: retort_side(f"{options.build}/retort", method, folder, options)}
            runs = {side: [] for side in sides}
            for _ in range(options.rounds):
                for side, measure in sides.items():
                    runs[side].append(measure())
            epoch = {side: statistics.median(run["epoch_s"] for run in runs[side]) for side in runs}
            peak = {side: statistics.median(run["peak_mb"] for run in runs[side]) for side in runs}
            peer = min(("alone", "worker"), key=epoch.get)
            say(f"| {method} | {epoch[peer]:.2f} | {epoch['retort']:.2f} | **{epoch['retort'] / epoch[peer]:.2f}x** "
                f"| {peak[peer]:.0f} | {peak['retort']:.0f} | {peak['retort'] / peak[peer]:.2f}x |")

    if options.write:
        page = pathlib.Path(options.write)
        before, rest = page.read_text().split(BEGIN)
        page.write_text(before + BEGIN + "".join(lines) + END + rest.split(END)[1])


main()
