/** Something to register, for tests. */
import type { ArtifactRef } from '../../src/core/artifacts.js'

export function model(letter: string): ArtifactRef {
  return { digest: `sha256:${letter.repeat(64)}`, mediaType: 'application/onnx', size: 1234 }
}

export function entry(name: string, run: string, letter = 'a') {
  return {
    name,
    model: model(letter),
    lineage: { runId: run, data: `sha256:${'d'.repeat(64)}`, config: `sha256:${'c'.repeat(64)}` },
    metrics: { roc_auc: 0.8437219364712345, log_loss: 1e-300 },
  }
}
