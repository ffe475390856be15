import { engineConformance } from '../../../test/conformance/engine.js'
import { openDuckDb } from './engine.js'

engineConformance('DuckDB', () => openDuckDb({ threads: 2 }))
