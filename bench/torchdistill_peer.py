#!/usr/bin/python3
"""An epoch of torchdistill: its distillation box, losses, wrappers and resnets, driven as its examples drive them.

    torchdistill_peer.py CHECKOUT DATA METHOD THREADS WORKERS EPOCHS NEGATIVES

CHECKOUT: torchdistill's sources; DATA: a CIFAR binary file; METHOD: kd, fitnet or crd. Prints one line of JSON with the seconds of each epoch.
"""
import json
import logging
import resource
import sys
import time

import numpy as np
import torch
from torchvision import transforms

checkout, data, method, threads, workers, epochs, negatives = sys.argv[1:8]
sys.path.insert(0, checkout)
logging.disable(logging.CRITICAL)
from torchdistill.core.distillation import get_distillation_box  # noqa: E402
from torchdistill.models.classification.resnet import resnet20, resnet56  # noqa: E402


class Images(torch.utils.data.Dataset):
    """Images in memory; flips and padded crops as in torchdistill's CIFAR configurations, here on tensors, which is cheaper than on PIL images."""

    def __init__(self, path):
        rows = np.fromfile(path, np.uint8).reshape(-1, 3073)
        self.classes, self.targets = list(range(10)), rows[:, 0].tolist()
        self.images = (torch.from_numpy(rows[:, 1:].reshape(-1, 3, 32, 32).copy()) / 255 - 0.5) / 0.25
        self.transform = transforms.Compose([transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()])

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, index):
        return self.transform(self.images[index]), self.targets[index]


def hooked(*outputs, **more):
    return {"forward_proc": "forward_batch_only", "sequential": [], "forward_hook": {"input": [], "output": list(outputs)}, **more}


def linear_for_crd():
    return {"key": "Linear4CRD", "kwargs": {"input_module_path": "model.avgpool", "linear_kwargs": {"in_features": 64, "out_features": 128}, "power": 2}}


def main():
    torch.set_num_threads(int(threads))
    torch.manual_seed(1)
    images = Images(data)
    loader = {"dataset_id": "train", "sampler": {"class_or_func": torch.utils.data.RandomSampler, "kwargs": None},
              "kwargs": {"batch_size": 64, "num_workers": int(workers), "drop_last": False}}
    label_loss = {"criterion": {"key": "CrossEntropyLoss", "kwargs": {"reduction": "mean"}}, "weight": 1.0,
                  "criterion_wrapper": {"key": "SimpleLossWrapper", "kwargs": {
                      "input": {"is_from_teacher": False, "module_path": ".", "io": "output"}, "target": {"uses_label": True}}}}
    teacher, student = hooked(requires_grad=False), hooked(requires_grad=True)
    if method == "kd":
        terms = {"kd": {"criterion": {"key": "KDLoss", "kwargs": {
            "student_module_path": ".", "student_module_io": "output", "teacher_module_path": ".", "teacher_module_io": "output",
            "temperature": 4.0, "alpha": 0.9, "reduction": "batchmean"}}, "weight": 1.0}}
    elif method == "fitnet":
        regressor = {"key": "ConvReg", "kwargs": {"num_input_channels": 32, "num_output_channels": 32, "kernel_size": 1, "stride": 1, "padding": 0}}
        teacher, student = hooked("layer2", requires_grad=False), hooked("layer2", requires_grad=True)
        student["auxiliary_model_wrapper"] = {"key": "RegressedLayer", "kwargs": {"regressor": regressor["kwargs"]}}
        student["forward_hook"]["output"] = ["student_model.layer2", "regressor"]
        terms = {"ce": label_loss, "hint": {"criterion": {"key": "MSELoss", "kwargs": {"reduction": "mean"}}, "weight": 100.0,
                                            "criterion_wrapper": {"key": "SimpleLossWrapper", "kwargs": {
                                                "input": {"is_from_teacher": False, "module_path": "regressor", "io": "output"},
                                                "target": {"is_from_teacher": True, "module_path": "layer2", "io": "output"}}}}}
        register_regressed_layer()
    else:
        loader["dataset_wrapper"] = {"key": "CRDDatasetWrapper", "kwargs": {"num_negative_samples": int(negatives), "mode": "exact", "ratio": 1.0}}
        teacher = hooked("model.avgpool", "normalizer", requires_grad=True, frozen_modules=["model"], auxiliary_model_wrapper=linear_for_crd())
        student = hooked("model.avgpool", "normalizer", requires_grad=True, auxiliary_model_wrapper=linear_for_crd())
        student["forward_hook"]["input"] = ["empty"]
        teacher["forward_proc"] = student["forward_proc"] = "forward_batch_supp_dict"
        terms = {"ce": label_loss, "crd": {"criterion": {"key": "CRDLoss", "kwargs": {
            "teacher_norm_module_path": "normalizer", "student_norm_module_path": "normalizer", "student_empty_module_path": "empty",
            "input_size": 128, "output_size": len(images), "num_negative_samples": int(negatives), "num_samples": len(images)}}, "weight": 0.8}}

    box = get_distillation_box(resnet56(), resnet20(), {"train": images}, {
        "num_epochs": int(epochs), "train_data_loader": loader, "teacher": teacher, "student": student,
        "optimizer": {"key": "SGD", "kwargs": {"lr": 0.01, "momentum": 0.9, "weight_decay": 1e-4}},
        "criterion": {"key": "WeightedSumLoss", "kwargs": {"sub_terms": terms}}}, torch.device("cpu"), None, False, 1)
    took = []
    for epoch in range(int(epochs)):
        start = time.perf_counter()
        box.pre_epoch_process(epoch=epoch)
        for samples, targets, supplement in box.train_data_loader:
            box.pre_forward_process()
            loss = box.forward_process(samples, targets, supplement)
            box.post_forward_process(loss=loss)
            if not torch.isfinite(loss):
                sys.exit(f"{method}: the loss is {loss.item()}")
        box.post_epoch_process()
        took.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"epoch_s": took, "peak_mb": peak}))


def register_regressed_layer():
    """The regressor of a hint beside the student, as torchdistill's users add one: an auxiliary wrapper, so that the student still gives its logits."""
    from torchdistill.models.adaptation import ConvReg
    from torchdistill.models.registry import register_auxiliary_model_wrapper
    from torchdistill.models.wrapper import AuxiliaryModelWrapper

    @register_auxiliary_model_wrapper
    class RegressedLayer(AuxiliaryModelWrapper):
        def __init__(self, student_model, regressor, **kwargs):
            super().__init__()
            self.student_model = student_model
            self.regressor = ConvReg(**regressor)

        def forward(self, x):
            return self.student_model(x)

        def secondary_forward(self, io_dict):
            self.regressor(io_dict["student_model.layer2"]["output"])


main()
