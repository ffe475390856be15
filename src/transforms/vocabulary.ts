/**
 * `index` and `one_hot`: a text becomes its position in a vocabulary, by descending frequency in the training rows, ties
 * by UTF-8 bytes. The last index stands for everything else: unseen, missing, and values beyond `max_categories` or
 * rarer than `min_count`. Both give a category; a one-hot vector is never stored, the network gathers rows of weights.
 */
import { type GraphBuilder, int64s, texts } from '../core/onnx/graph.js'
import { call, int, position } from '../etl/expr.js'
import { optionMap, wholeNumber } from './options.js'
import type { OnnxFeature, SqlFeature, StepDefaults, Transform } from './transform.js'

/** A model file holds the whole vocabulary: a million values are 16 MB. */
const MOST = 1_000_000

export interface VocabularyOptions {
  readonly maxCategories: number
  readonly minCount: number
}

export interface VocabularyFitted {
  readonly values: readonly string[]
  /** Distinct values of the training rows that share the last index. */
  readonly others: number
}

function vocabulary(name: 'index' | 'one_hot'): Transform<VocabularyOptions, VocabularyFitted> {
  return {
    name,
    version: 1,
    accepts: ['text'],
    perColumn: true,
    result: () => 'category',
    options(given: unknown, _kind, defaults: StepDefaults) {
      const map =
        typeof given === 'number' ? { max_categories: given } : optionMap(given, ['max_categories', 'min_count'])
      return {
        maxCategories: wholeNumber('max_categories', map['max_categories'] ?? defaults.maxCategories, 1, MOST),
        minCount: wholeNumber('min_count', map['min_count'] ?? 1, 1, Number.MAX_SAFE_INTEGER),
      }
    },
    statistics: ({ maxCategories }) => ({ values: maxCategories, distinct: true }),
    fit({ values = [], distinct = values.length }, { minCount }) {
      const kept = values.filter(({ count }) => count >= minCount).map(({ value }) => value)
      return { values: kept, others: distinct - kept.length }
    },
    apply(value, { values }): readonly SqlFeature[] {
      const other = int(values.length)
      const expr = values.length === 0 ? other : call('coalesce', position(value.expr, values), other)
      return [{ expr, kind: 'category', suffix: value.suffix, size: values.length + 1 }]
    },
    onnx(graph: GraphBuilder, { value }, [fitted]): readonly OnnxFeature[] {
      const values = fitted?.values ?? []
      // a table may not be empty; missing is the last index anyway
      const keys = values.length === 0 ? [''] : values
      const encoded = graph.ml('LabelEncoder', [value], {
        keys_tensor: texts(keys),
        values_tensor: int64s(keys.map((_, index) => index)),
        default_tensor: int64s([values.length]),
      })
      return [{ value: encoded, kind: 'category' }]
    },
    describe({ values, others }) {
      const shown = values.slice(0, 5).map((value) => JSON.stringify(value))
      const list = `${shown.join(', ')}${values.length > shown.length ? ', …' : ''}`
      const rest =
        others === 0 ? 'one index for unseen and missing' : `one index for ${others} rarer, unseen and missing`
      return `${name} (${values.length} values${values.length === 0 ? '' : `: ${list}`}; ${rest})`
    },
  }
}

export const index = vocabulary('index')
export const oneHot = vocabulary('one_hot')
