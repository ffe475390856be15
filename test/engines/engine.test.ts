/** Spark is an engine: the suite that DuckDB passes, on the cluster of these tests. */
import { inject } from 'vitest'
import { openSpark } from '../../src/etl/spark/engine.js'
import { engineConformance } from '../conformance/engine.js'

engineConformance('Spark', () => openSpark({ remote: inject('spark').address, shufflePartitions: 8 }))
