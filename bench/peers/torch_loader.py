"""The peer of bench/data-path.ts: PyTorch's DataLoader over the same rows, one row a call of the Dataset.

The only argument is the setting as JSON: folder (x.npy, y.npy), batch, parts (a folder with a file for each partition of
the rows). Then commands on standard input, one a line: `DATASET WORKERS EPOCHS`, where DATASET is `memory` (tensors) or
`files` (each row opens its partition's file, as a Dataset over partitions does that keeps nothing). The answer is a line
of JSON: the seconds, and sums of features and labels over the rows of one epoch.
"""

import json
import sys
import time

import numpy
import torch
from torch.utils.data import DataLoader, Dataset

setting = json.loads(sys.argv[1])
folder, batch, parts = setting['folder'], setting['batch'], setting['parts']
torch.set_num_threads(1)
x = torch.from_numpy(numpy.load(f'{folder}/x.npy'))
y = torch.from_numpy(numpy.load(f'{folder}/y.npy')).long()


class Memory(Dataset):
    def __len__(self):
        return len(x)

    def __getitem__(self, row):
        return x[row], y[row]


class Files(Dataset):
    def __init__(self):
        self.rows = len(x) // parts

    def __len__(self):
        return self.rows * parts

    def __getitem__(self, row):
        part, at = divmod(row, self.rows)
        values = numpy.load(f'{folder}/part{part}.npy', mmap_mode='r')[at]
        return torch.from_numpy(values[:-1].copy()), int(values[-1])


loaders = {}
print(json.dumps(dict(version=f'torch {torch.__version__}')), flush=True)
for line in sys.stdin:
    name, workers, epochs = line.split()
    if (name, workers) not in loaders:
        loaders[name, workers] = DataLoader(
            Memory() if name == 'memory' else Files(),
            batch_size=batch,
            shuffle=True,
            num_workers=int(workers),
            persistent_workers=int(workers) > 0,
        )
    loader = loaders[name, workers]
    begin = time.perf_counter()
    for _ in range(int(epochs)):
        features, labels, rows = 0.0, 0, 0
        for values, classes in loader:
            features += values.sum(dtype=torch.float64).item()
            labels += classes.sum().item()
            rows += len(classes)
    seconds = time.perf_counter() - begin
    print(json.dumps(dict(seconds=seconds, features=features, labels=labels, rows=rows)), flush=True)
