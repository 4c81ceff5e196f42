"""Trains the network of examples/measure.rs with PyTorch's DistributedDataParallel over gloo, on several numbers of processes.

Prints, for each number, the time of a step and a digest of the parameters after 20 steps. The batch, the initial parameters
and the optimiser are the same each time. One thread for each process, as RAYON_NUM_THREADS=1 for elman.

    python ddp.py              needs torch and numpy
"""

import hashlib
import os
import statistics
import sys
import time

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

T, M, N_X, N_A, N_Y = 64, 32, 64, 256, 64
STEPS = 20


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = torch.nn.RNN(N_X, N_A)
        self.head = torch.nn.Linear(N_A, N_Y)

    def forward(self, x):
        hidden, _ = self.rnn(x)
        return self.head(hidden)


def train(rank, processes):
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="29517")
    dist.init_process_group("gloo", rank=rank, world_size=processes)
    torch.manual_seed(1)
    network = torch.nn.parallel.DistributedDataParallel(Network())
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    x = torch.rand(T, M, N_X) * 2 - 1
    targets = (torch.arange(M)[None, :] + torch.arange(T)[:, None]) % N_Y

    # As even as possible, as elman's shards.
    own = torch.tensor_split(torch.arange(M), processes)[rank]
    x, targets = x[:, own].contiguous(), targets[:, own].contiguous()
    seconds = []
    for _ in range(STEPS):
        start = time.perf_counter()
        optimizer.zero_grad()
        logits = network(x)
        loss = torch.nn.functional.cross_entropy(logits.view(-1, N_Y), targets.view(-1), reduction="sum")
        # DDP averages over the processes, so the mean over the batch needs this factor.
        (loss * processes / (T * M)).backward()
        optimizer.step()
        seconds.append(time.perf_counter() - start)

    digest = hashlib.sha256()
    for parameter in network.module.parameters():
        digest.update(parameter.detach().numpy().tobytes())
    if rank == 0:
        step = 1e3 * statistics.median(seconds[1:])
        print(f"torch {torch.__version__}  processes {processes}  {step:.3f} ms a step  parameters {digest.hexdigest()[:16]}", flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    for processes in [int(count) for count in sys.argv[1:]] or [1, 2, 3]:
        mp.spawn(train, args=(processes,), nprocs=processes)
