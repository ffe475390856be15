import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { loanModel } from '../../test/models.js'
import { ServedModels } from './models.js'
import { buildServer } from './server.js'

const row = { income: 100, children: 1, 'owns home': true, city: 'Oslo', since: '2021-01-01' }

it('answers TorchServe’s clients: an object for a row, a list for rows, with token and version checked', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-torchserve-'))
  const file = join(folder, 'loan.onnx')
  await writeFile(file, loanModel())
  const models = await ServedModels.open({ sources: [file] })
  const { app, drain } = buildServer({ models, version: '9', token: 'sesame' })
  const send = async (method: 'POST' | 'PUT', url: string, body: unknown, token = 'sesame', type?: string) => {
    const headers = { authorization: `Bearer ${token}`, ...(type === undefined ? {} : { 'content-type': type }) }
    const answer = await app.inject({ method, url, headers, payload: JSON.stringify(body) })
    return [answer.statusCode, answer.json<unknown>()]
  }
  const post = (url: string, body: unknown, token?: string) => send('POST', url, body, token)
  const one = expect.objectContaining({ prediction: 'yes' }) as unknown
  for (const body of [row, { data: row }]) expect(await post('/predictions/loan', body)).toEqual([200, one])
  for (const body of [[row, row], { data: [row, row] }, { instances: [row, row] }])
    expect(await post('/predictions/loan/1', body)).toEqual([200, [one, one]])
  expect(await post('/predictions/loan', [])).toEqual([200, []])
  // `curl -T row.json`
  expect(await send('PUT', '/predictions/loan', row)).toEqual([200, one])
  expect((await send('PUT', '/predictions/loan', row, 'open'))[0]).toBe(401)
  expect((await send('PUT', '/predictions/loan', row, 'sesame', 'text/csv'))[0]).toBe(415)
  expect((await post('/predictions/loan/7', row))[0]).toBe(404)
  expect((await post('/predictions/lone', row))[0]).toBe(404)
  expect((await post('/predictions/loan', { ...row, income: 'x' }))[0]).toBe(400)
  expect((await post('/predictions/loan', row, 'open'))[0]).toBe(401)
  const get = async (url: string) => {
    const answer = await app.inject({ url, headers: { authorization: 'Bearer sesame' } })
    return [answer.statusCode, answer.json<unknown>()]
  }
  expect(await get('/ping')).toEqual([200, { status: 'Healthy' }])
  expect(await get('/models')).toEqual([200, { models: [{ modelName: 'loan', modelUrl: 'loan.onnx' }] }])
  expect(await get('/prediction/loan')).toEqual([
    404,
    { error: expect.stringContaining('/predictions/NAME') as string },
  ])
  drain()
  expect(await get('/ping')).toEqual([503, { status: 'Unhealthy' }])
  await app.close()
  await models.close()
  await rm(folder, { recursive: true })
})
