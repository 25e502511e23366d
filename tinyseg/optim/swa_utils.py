"""Averages of weights over the steps of training, and the statistics of batch norm that belong to them."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from ..autograd import no_grad
from ..nn import BatchNorm1d, BatchNorm2d, Module
from ..tensor import Tensor


class AveragedModel(Module):
    """A copy of a model, ``module``, whose weights are an exponential moving average of the model's.

    The first ``update_parameters`` copies; each later one sets a = decay a + (1 - decay) w for parameters and, with
    ``use_buffers``, for floating buffers too (running statistics); buffers of whole numbers are copied. With
    ``warmup`` the decay is min(decay, (1 + n) / (10 + n)) after n updates, so that a short run's average is not that
    of its beginning. PyTorch's class of that name, with its ``get_ema_multi_avg_fn``.

    >>> import tinyseg
    >>> from tinyseg import nn
    >>> model = nn.Linear(1, 1, bias=False)
    >>> average = AveragedModel(model, decay=0.75)
    >>> for value in (1.0, 2.0):
    ...     _ = model.weight.detach().fill_(value)
    ...     average.update_parameters(model)
    >>> average.module.weight.item()
    1.25
    """

    module: Module

    def __init__(self, model: Module, decay: float = 0.999, use_buffers: bool = True, warmup: bool = False) -> None:
        super().__init__()
        if not 0 <= decay <= 1:
            raise ValueError(f"AveragedModel: decay must be in [0, 1], got {decay}")
        self.decay, self.use_buffers, self.warmup = decay, use_buffers, warmup
        self.module = copy.deepcopy(model)
        self.module.zero_grad()
        self.n_averaged = 0

    def forward(self, *inputs: Any) -> Any:
        """What the averaged model says."""
        return self.module(*inputs)

    @no_grad()
    def update_parameters(self, model: Module) -> None:
        """Take the model's weights, as they are now, into the average."""
        own = self.module.state_dict()
        buffers = {name for name, _ in model.named_buffers()}
        n = self.n_averaged
        decay = min(self.decay, (1 + n) / (10 + n)) if self.warmup else self.decay
        for name, value in model.state_dict().items():
            if name in buffers and not self.use_buffers:
                continue
            if n == 0 or not value.is_floating_point:
                own[name].copy_(value)
            else:
                own[name].lerp_(value, 1 - decay)
        self.n_averaged += 1


@no_grad()
def update_bn(loader: Iterable[Tensor], model: Module) -> None:
    """Measure the running statistics of batch norm anew, as the plain mean over the batches of ``loader``.

    Weights that were averaged, or frozen, have seen no batch of their own. The model is set to training meanwhile
    (dropout drops), and left as it was. Nothing happens if it has no batch norm with running statistics.

    >>> import tinyseg
    >>> from tinyseg import nn
    >>> net = nn.Sequential(nn.BatchNorm2d(1)).eval()
    >>> update_bn([tinyseg.full((1, 1, 2, 2), 3.0), tinyseg.full((1, 1, 2, 2), 5.0)], net)
    >>> net[0].running_mean, net.training
    (tensor([4.]), False)
    """
    kinds = (BatchNorm1d, BatchNorm2d)
    norms = [part for part in model.modules() if isinstance(part, kinds) and part.running_mean is not None]
    if not norms:
        return
    modes = [(part, part.training) for part in model.modules()]
    momenta = [part.momentum for part in norms]
    for part in norms:
        part.running_mean.fill_(0)
        part.running_var.fill_(1)
        part.num_batches_tracked.fill_(0)
        part.momentum = None
    try:
        model.train()
        for images in loader:
            model(images)
    finally:
        for part, momentum in zip(norms, momenta, strict=True):
            part.momentum = momentum
        for module, mode in modes:
            object.__setattr__(module, "training", mode)
