"""The peer of bench/training.ts: PyTorch trains the same network on the same rows.

Reads x.npy, y.npy, order.npy and weights.npy in the folder given, then commands on standard input, one a line:
`losses N` trains N steps from the start and prints their losses; `time KIND FIRST N` prints the seconds that steps
FIRST to FIRST+N of KIND (eager, fused) took, wall and CPU. Answers are lines of JSON.
"""

import json
import sys
import time

import numpy
import torch

folder, threads, hidden, dropout = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3]), float(sys.argv[4])
torch.set_num_threads(threads)
x = torch.from_numpy(numpy.load(f'{folder}/x.npy'))
y = torch.from_numpy(numpy.load(f'{folder}/y.npy')).long()
order = torch.from_numpy(numpy.load(f'{folder}/order.npy')).long()
flat = torch.from_numpy(numpy.load(f'{folder}/weights.npy'))
rate = 1e-3


def make(kind):
    layers, at, below = [], 0, x.shape[1]
    for index, width in enumerate(hidden + [2]):
        linear = torch.nn.Linear(below, width)
        with torch.no_grad():
            linear.weight.copy_(flat[at:at + below * width].reshape(below, width).T)
            at += below * width
            linear.bias.copy_(flat[at:at + width])
            at += width
        layers.append(linear)
        if index < len(hidden):
            layers.append(torch.nn.ReLU())
            if dropout:
                layers.append(torch.nn.Dropout(dropout))
        below = width
    model = torch.nn.Sequential(*layers)
    return model, torch.optim.Adam(model.parameters(), lr=rate, fused=kind == 'fused')


def train(model, optimizer, first, steps, losses=None):
    criterion = torch.nn.CrossEntropyLoss()
    for step in range(first, first + steps):
        rows = order[step % len(order)]
        optimizer.zero_grad(set_to_none=True)
        loss = criterion(model(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
        if losses is not None:
            losses.append(loss.item())


models = {kind: make(kind) for kind in ('eager', 'fused')}
print(json.dumps(dict(torch=torch.__version__, threads=torch.get_num_threads())), flush=True)
for line in sys.stdin:
    command, *rest = line.split()
    if command == 'losses':
        losses = []
        train(*make('eager'), 0, int(rest[0]), losses)
        print(json.dumps(dict(losses=losses)), flush=True)
    else:
        wall, cpu = time.perf_counter(), time.process_time()
        train(*models[rest[0]], int(rest[1]), int(rest[2]))
        print(json.dumps(dict(wall=time.perf_counter() - wall, cpu=time.process_time() - cpu)), flush=True)
