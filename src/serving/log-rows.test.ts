/** The columns of the prediction log's files, for inputs with names that SQL does not tell apart. */
import { DuckDBInstance } from '@duckdb/node-api'
import { expect, it } from 'vitest'
import type { Schema } from '../core/schema.js'
import { layoutOf } from './log-rows.js'

const number = (name: string): Schema[number] => ({ name, type: 'number' })

it('gives every column a name of its own, whatever inputs and classes are called', async () => {
  const inputs = ['Age', 'age', 'AGE_', '', 'Row', 'time', '_'].map(number)
  const { columns, folders } = layoutOf({ inputs, classes: ['a', 'A', ''] })
  const names = columns.map(([name]) => name)
  expect(names.slice(0, inputs.length)).toEqual(['Age', 'age__', 'AGE_', '__', 'Row', 'time', '_'])
  expect(names.slice(inputs.length)).toEqual([
    ...['prediction', 'probability_a', 'probability_A_', 'probability_', 'request_id', 'row_', 'time_'],
  ])
  expect(folders).toEqual(['model', 'version', 'date'])
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const table = columns.map(([name, type]) => `"${name}" ${type}`).join(', ')
  await connection.run(`CREATE TABLE t (${table})`)
  expect((await connection.run('FROM t')).columnNames()).toEqual(names)
  instance.closeSync()
})
