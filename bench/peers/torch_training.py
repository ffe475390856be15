"""The peer of bench/training.ts: PyTorch trains the same network on the same rows.

The only argument is the setting as JSON: folder (x.npy, y.npy, order.npy, weights.npy), threads, hidden, dropout. Then
commands on standard input, one a line: `losses N` trains N steps from the start and prints their losses; `time KIND N`
prints the seconds that the next N steps of KIND (eager, fused, compile) took, wall and CPU, or why they failed. Answers
are lines of JSON.
"""

import json
import os
import sys
import time

# one small network: a pool of compilers takes longer to start than it saves
os.environ.setdefault('TORCHINDUCTOR_COMPILE_THREADS', '1')

import numpy  # noqa: E402
import torch  # noqa: E402

setting = json.loads(sys.argv[1])
folder, hidden, dropout = setting['folder'], setting['hidden'], setting['dropout']
torch.set_num_threads(setting['threads'])
x = torch.from_numpy(numpy.load(f'{folder}/x.npy'))
y = torch.from_numpy(numpy.load(f'{folder}/y.npy')).long()
order = torch.from_numpy(numpy.load(f'{folder}/order.npy')).long()
flat = torch.from_numpy(numpy.load(f'{folder}/weights.npy'))
criterion = torch.nn.CrossEntropyLoss()


class Trial:
    def __init__(self, kind):
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
        # torch.compile with the fused optimizer: the fastest of its documented settings here
        self.optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=kind != 'eager')
        self.model = torch.compile(model) if kind == 'compile' else model
        self.done = 0

    def train(self, steps, losses=None):
        for step in range(self.done, self.done + steps):
            rows = order[step % len(order)]
            self.optimizer.zero_grad(set_to_none=True)
            loss = criterion(self.model(x[rows]), y[rows])
            loss.backward()
            self.optimizer.step()
            if losses is not None:
                losses.append(loss.item())
        self.done += steps


trials = {}
print(json.dumps(dict(version=f'torch {torch.__version__}')), flush=True)
for line in sys.stdin:
    command, *rest = line.split()
    if command == 'losses':
        losses = []
        Trial('eager').train(int(rest[0]), losses)
        print(json.dumps(dict(losses=losses)), flush=True)
    else:
        kind = rest[0]
        trial = trials[kind] = trials.get(kind) or Trial(kind)
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            trial.train(int(rest[1]))
            answer = dict(wall=time.perf_counter() - wall, cpu=time.process_time() - cpu)
        except Exception as error:
            answer = dict(error=f'{type(error).__name__}: {error}'[:500])
        print(json.dumps(answer), flush=True)
