"""Records what PyTorch's autograd and optimizers do, for src/train/onnx/torch.test.ts.

    python -m pip install torch==2.13.0 numpy
    python test/golden/record/torch_training.py        # writes test/golden/torch/<case>.json

Each case starts from the weights in its file and visits rows by the rule of `rows_of`, so that both sides see the same
minibatches; dropout's masks come from the rule of `pool_value`.
"""

import json
import math
import pathlib

import numpy
import torch
import torch.nn.functional as F

ROWS, BATCH, STEPS, POOL = 128, 32, 320, 4096
TARGET = pathlib.Path(__file__).resolve().parent.parent / 'torch'
BASE = dict(numeric=6, categories=[], hidden=[16, 8], outputs=2, task='classification', learningRate=0.01,
            weightDecay=0.0, clipNorm=0.0, dropout=0.0, schedule='constant', warmup=0.0, classWeights=None)
CASES = {
    'adam': {},
    'weight-decay': dict(weightDecay=0.1),
    'class-weights': dict(classWeights=[0.5, 3.0]),
    'clip': dict(clipNorm=0.1),
    'dropout': dict(dropout=0.3),
    'categories': dict(categories=[4, 7, 3]),
    'large-categories': dict(categories=[40, 2, 30]),
    'categories-alone': dict(categories=[4, 7, 3], numeric=0),
    'cosine': dict(schedule='cosine'),
    'logistic-regression': dict(hidden=[]),
    'regression': dict(outputs=1, task='regression'),
    'everything': dict(categories=[4, 7, 3], outputs=3, weightDecay=0.05, clipNorm=0.5, dropout=0.25,
                       schedule='linear', warmup=0.1, classWeights=[1.0, 0.25, 2.0]),
}


def rows_of(step):
    return [(7 * (step * BATCH + i) + 3 * (step // (ROWS // BATCH))) % ROWS for i in range(BATCH)]


def pool_value(k, dropout):
    return 0.0 if (k * 2654435761) % 2**32 < dropout * 2**32 else 1 / (1 - dropout)


def offset_of(step, layer):
    return (step * 97 + layer * 31) % 1024


def record(name, case):
    rng = numpy.random.default_rng(1)
    decimals = lambda array, places: numpy.round(array, places).tolist()
    numeric = decimals(rng.normal(size=(ROWS, case['numeric'])), 3)
    categories = [[int(rng.integers(size)) for size in case['categories']] for _ in range(ROWS)]
    signal = [sum(row[:3]) + sum(c) - len(c) + 0.5 * rng.normal() for row, c in zip(numeric, categories)]
    if case['task'] == 'regression':
        labels = decimals(numpy.array(signal) / 2, 3)
    else:
        ranks = numpy.argsort(numpy.argsort(signal))
        labels = (ranks * case['outputs'] // ROWS).tolist()

    parameters, flat = [], []
    for layer, width in enumerate(case['hidden'] + [case['outputs']]):
        below = case['numeric'] if layer == 0 else case['hidden'][layer - 1]
        shapes = [('numeric', (below, width))] if below else []
        if layer == 0 and case['categories']:
            shapes.append(('categories', (sum(case['categories']), width)))
        for part, shape in shapes + [('bias', (width,))]:
            values = numpy.round(rng.uniform(-0.4, 0.4, size=shape), 4)
            flat += values.ravel().tolist()
            parameters.append((layer, part, torch.tensor(values, dtype=torch.float32, requires_grad=True)))
    find = {(layer, part): tensor for layer, part, tensor in parameters}

    weights = [t for _, part, t in parameters if part != 'bias']
    biases = [t for _, part, t in parameters if part == 'bias']
    groups = [dict(params=weights, weight_decay=case['weightDecay']), dict(params=biases, weight_decay=0.0)]
    kind = torch.optim.AdamW if case['weightDecay'] else torch.optim.Adam
    optimizer = kind(groups, lr=case['learningRate'])
    warm = round(case['warmup'] * STEPS)
    if case['schedule'] == 'cosine':
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=STEPS)
    elif case['schedule'] == 'linear':
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda s: (s + 1) / warm if s < warm else 1 - (s - warm) / (STEPS - warm))
    else:
        scheduler = None

    x = torch.tensor(numeric, dtype=torch.float32).reshape(ROWS, case['numeric'])
    starts = numpy.cumsum([0] + case['categories'])[:-1]
    c = torch.tensor(categories, dtype=torch.int64).reshape(ROWS, len(case['categories'])) + torch.tensor(
        starts, dtype=torch.int64)
    y = torch.tensor(labels)
    pool = torch.tensor([pool_value(k, case['dropout']) for k in range(POOL)], dtype=torch.float32)
    class_weights = torch.tensor(case['classWeights']) if case['classWeights'] else None

    losses = []
    for step in range(STEPS):
        rows = rows_of(step)
        activation = x[rows]
        for layer, width in enumerate(case['hidden'] + [case['outputs']]):
            z = find[layer, 'bias']
            if (layer, 'categories') in find:
                z = z + find[layer, 'categories'][c[rows]].sum(1)
            if (layer, 'numeric') in find:
                z = z + activation @ find[layer, 'numeric']
            if layer == len(case['hidden']):
                break
            activation = torch.relu(z)
            if case['dropout']:
                start = offset_of(step, layer)
                activation = activation * pool[start:start + BATCH * width].reshape(BATCH, width)
        loss = (F.mse_loss(z[:, 0], y[rows]) if case['task'] == 'regression'
                else F.cross_entropy(z, y[rows], weight=class_weights))
        optimizer.zero_grad()
        loss.backward()
        if case['clipNorm']:
            torch.nn.utils.clip_grad_norm_([t for _, _, t in parameters], case['clipNorm'])
        optimizer.step()
        if scheduler:
            scheduler.step()
        losses.append(loss.item())

    steps = ROWS // BATCH
    means = [math.fsum(losses[i:i + steps]) / steps for i in range(0, STEPS, steps)]
    document = dict(recorder=f'torch {torch.__version__}', case=case, rows=ROWS, batch=BATCH, steps=STEPS, pool=POOL,
                    numeric=numeric, categories=categories, labels=labels, weights=flat,
                    losses=losses[:50], epochMeans=means)
    (TARGET / f'{name}.json').write_text(json.dumps(document) + '\n')
    print(name, losses[0], losses[49], means[-1])


if __name__ == '__main__':
    torch.set_num_threads(1)
    TARGET.mkdir(parents=True, exist_ok=True)
    for name, change in CASES.items():
        record(name, {**BASE, **change})
