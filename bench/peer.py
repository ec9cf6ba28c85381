#!/usr/bin/python3
"""The same training step as practitioners write it with PyTorch: nn.Module, F.kl_div, torch.optim.SGD.

    peer.py STUDENT TEACHER C,H,W THREADS STEPS

Prints one line of JSON. In its favour: batches are made beforehand and nothing is logged but the loss.
"""
import json
import re
import resource
import statistics
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

BATCH, ROWS, CLASSES, WARM_UP = 64, 512, 10, 16


class Mlp(nn.Sequential):
    def __init__(self, widths, shape):
        sizes = [shape[0] * shape[1] * shape[2], *widths]
        layers = [nn.Flatten()]
        for before, after in zip(sizes, sizes[1:]):
            layers += [nn.Linear(before, after), nn.ReLU()]
        super().__init__(*layers, nn.Linear(sizes[-1], CLASSES))


class BasicBlock(nn.Module):
    def __init__(self, inside, outside, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outside)
        self.shortcut = nn.Identity()
        if stride != 1 or inside != outside:
            self.shortcut = nn.Sequential(nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside))

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return F.relu(out + self.shortcut(x))


class ResNet(nn.Module):
    def __init__(self, depth, shape):
        super().__init__()
        self.conv1 = nn.Conv2d(shape[0], 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        blocks, inside = [], 16
        for width, stride in ((16, 1), (32, 2), (64, 2)):
            for i in range((depth - 2) // 6):
                blocks.append(BasicBlock(inside, width, stride if i == 0 else 1))
                inside = width
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(64, CLASSES)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.blocks(x)
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


class Vit(nn.Module):
    def __init__(self, depth, width, heads, patch, shape):
        super().__init__()
        self.project = nn.Conv2d(shape[0], width, patch, patch)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.position = nn.Parameter(torch.randn(1, (shape[1] // patch) * (shape[2] // patch) + 1, width) * 0.02)
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, depth)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, CLASSES)

    def forward(self, x):
        x = self.project(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.position
        return self.head(self.norm(self.encoder(x)[:, 0]))


def make_net(name, shape):
    if name.startswith("mlp-"):
        return Mlp([int(w) for w in name.split("-")[1:]], shape)
    if name.startswith("resnet"):
        return ResNet(int(name[len("resnet"):]), shape)
    if name == "vit-tiny":
        return Vit(6, 192, 3, 4, shape)
    depth, width, patch = (int(n) for n in re.fullmatch(r"vit-(\d+)x(\d+)p(\d+)", name).groups())
    return Vit(depth, width, width // 16, patch, shape)


def main():
    student_name, teacher_name, shape, threads, steps = sys.argv[1:6]
    torch.set_num_threads(int(threads))
    torch.manual_seed(1)
    shape = [int(n) for n in shape.split(",")]
    inputs = (torch.randint(0, 256, (ROWS, *shape)) / 255 - 0.5) / 0.25
    batches = list(zip(inputs.split(BATCH), torch.randint(0, CLASSES, (ROWS,)).split(BATCH)))

    student, teacher = make_net(student_name, shape), make_net(teacher_name, shape)
    student.train()
    teacher.eval()
    optimizer = torch.optim.SGD(student.parameters(), lr=0.01, momentum=0.9)
    temperature, ends, total = 4.0, [], 0.0
    for step in range(WARM_UP + int(steps)):
        x, y = batches[step % len(batches)]
        with torch.no_grad():
            teacher_logits = teacher(x)
        logits = student(x)
        kd = F.kl_div(F.log_softmax(logits / temperature, 1), F.softmax(teacher_logits / temperature, 1), reduction="batchmean")
        loss = 0.1 * F.cross_entropy(logits, y) + 0.9 * temperature**2 * kd
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        total += loss.item()
        ends.append(time.perf_counter())
    took = [after - before for before, after in zip(ends[WARM_UP - 1:], ends[WARM_UP:])]
    print(json.dumps({
        "step_ms": 1e3 * statistics.median(took),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "student": sum(p.numel() for p in student.parameters()),
        "teacher": sum(p.numel() for p in teacher.parameters()),
    }))


main()
