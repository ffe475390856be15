/** The public API; the only barrel. */
export { MillraceError, ERRORS, type ErrorCode, type Position } from './core/errors.js'
export type { ArtifactRef, ArtifactStore } from './core/artifacts.js'
export { openArtifactStore } from './core/artifact-store.js'
export type * from './core/documents.js'
export { RetryStrategy, type RetryOptions } from './core/retry.js'
export type { ColumnType, Field, Schema, Task } from './core/schema.js'
export type { Dataset, RecordBatch, Vector } from './core/table.js'

export type { PipelineConfig } from './config/config.js'
export { fromYaml, loadConfig, toYaml, type LoadedConfig, type LoadOptions } from './config/load.js'
export { detectMachine, planForMachine, type Machine, type MachinePlan } from './config/machine.js'

export {
  PipelineExecutor,
  type ExecuteOptions,
  type ExecutionEvent,
  type ExecutorOptions,
} from './pipeline/executor.js'
export { openHome, type Home } from './pipeline/home.js'
export type { Artifacts, StageContext, StageKind, StageProgress } from './pipeline/stage.js'
export type { RunState, RunStatus, StageResult, StageStatus } from './pipeline/state.js'

export type { ColumnStatistics, Engine } from './etl/engine.js'
export { openDuckDb } from './etl/duckdb/engine.js'
export { expandSource } from './etl/source.js'

export { openRegistry, registryFile } from './registry/sqlite.js'
export type { AliasChange, Lineage, ModelRegistry, ModelVersion } from './registry/registry.js'
export { openPredictor } from './serving/onnx-predictor.js'
export type { Predictions, Predictor } from './serving/predictor.js'
export { startServer } from './serving/server.js'
export { ServedModels } from './serving/models.js'

export { DistributedETLPipeline, EndToEndMLPipeline } from './stages/pipelines.js'
export { explainPipeline, resumePipeline, runPipeline, type RunOutcome } from './stages/run-pipeline.js'
